//! etcd's v2 API as a store of the engine.

use std::sync::Arc;

use super::context::{Context, Shared};
use super::poll::KeyPoll;
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::{Answers, Client, Connector, Failure};
use crate::source::http::{HttpEndpoint, Polls, read_each};
use crate::source::report::{ClaimSpec, KeyIndex};
use crate::source::rounds::EndpointIndex;

/// Makes sessions with one endpoint.
#[derive(Debug)]
pub(crate) struct Etcd2Connector {
    pub(super) index: EndpointIndex,
    pub(super) endpoint: Arc<HttpEndpoint>,
    pub(super) shared: Arc<Shared>,
}

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct Etcd2Client(Arc<Context>);

impl Connector for Etcd2Connector {
    type Client = Etcd2Client;

    async fn connect(&mut self) -> Result<Etcd2Client, Failure> {
        let http = self.endpoint.connect().await.inspect_err(|_| self.shared.membership.missed(self.index))?;
        Ok(Etcd2Client(Arc::new(Context::new(self.index, http, Arc::clone(&self.shared)))))
    }

    async fn has_changed(&mut self, _client: &Etcd2Client) -> Option<&'static str> {
        self.endpoint.has_changed().await
    }
}

impl Client for Etcd2Client {
    type Events = Polls;

    const CLAIM_COMPARES_LEADER: bool = false;

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let read = read_each(&self.0.shared.keys, keys, answers, |places| {
            let context = Arc::clone(&self.0);
            async move { context.read_key(&places).await }
        })
        .await;
        if read.is_err() {
            self.0.shared.membership.missed(self.0.endpoint);
        }
        read
    }

    async fn watch(&self) -> Result<Polls, Failure> {
        let polls = self.0.shared.keys.distinct().into_iter().map(|key| KeyPoll::new(&self.0, key)).collect();
        let context = Arc::clone(&self.0);
        Ok(Polls::start(polls, move || {
            let context = Arc::clone(&context);
            async move {
                context.http.get("/version").await?;
                Ok(())
            }
        }))
    }

    async fn claim(&self, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
        super::claim::claim(&self.0, spec, request).await
    }

    async fn inspect_claim(&self, spec: &ClaimSpec) -> Result<Answer, Failure> {
        super::claim::inspect(&self.0, spec).await
    }

    async fn claim_changes(&self, spec: &ClaimSpec, seen: &Token) {
        super::claim::changes(&self.0, spec, seen).await;
    }
}
