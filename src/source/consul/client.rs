//! Consul as a store of the engine.

use std::sync::Arc;

use super::claim;
use super::context::Context;
use super::learning::Shared;
use super::poll::KeyPoll;
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::{Answers, Client, Connector, Failure};
use crate::source::http::{HttpEndpoint, Polls, read_each};
use crate::source::report::{ClaimSpec, KeyIndex};

/// Makes sessions with one endpoint.
#[derive(Debug)]
pub(crate) struct ConsulConnector {
    pub(super) endpoint: Arc<HttpEndpoint>,
    pub(super) shared: Arc<Shared>,
}

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct ConsulClient(Arc<Context>);

impl Connector for ConsulConnector {
    type Client = ConsulClient;

    async fn connect(&mut self) -> Result<ConsulClient, Failure> {
        let http = self.endpoint.connect().await?;
        Ok(ConsulClient(Arc::new(Context::new(http, Arc::clone(&self.shared)))))
    }

    async fn has_changed(&mut self, _client: &ConsulClient) -> Option<&'static str> {
        self.endpoint.has_changed().await
    }
}

impl Client for ConsulClient {
    type Events = Polls;

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let read = read_each(&self.0.shared.keys, keys, answers, |places| {
            let context = Arc::clone(&self.0);
            async move { context.read_key(&places).await }
        })
        .await;
        self.0.learn();
        read
    }

    async fn watch(&self) -> Result<Polls, Failure> {
        let polls = self.0.shared.keys.distinct().into_iter().map(|key| KeyPoll::new(&self.0, key)).collect();
        let context = Arc::clone(&self.0);
        Ok(Polls::start(polls, move || {
            let context = Arc::clone(&context);
            async move {
                context.http.get("/v1/status/leader").await?;
                Ok(())
            }
        }))
    }

    async fn claim(&self, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
        claim::claim(&self.0, spec, request).await
    }

    async fn inspect_claim(&self, spec: &ClaimSpec) -> Result<Answer, Failure> {
        claim::inspect(&self.0, spec).await
    }

    async fn claim_changes(&self, spec: &ClaimSpec, seen: &Token) {
        claim::changes(&self.0, spec, seen).await;
    }
}
