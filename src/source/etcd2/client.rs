//! etcd's v2 API as a store of the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::context::{Context, KeyError, Shared};
use super::poll::KeyPoll;
use crate::source::client::{Answers, Client, Connector, Failure};
use crate::source::http::{HttpEndpoint, Polls};
use crate::source::report::KeyIndex;
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

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let mut places: BTreeMap<&str, Vec<KeyIndex>> = BTreeMap::new();
        for &key in keys {
            places.entry(self.0.shared.keys.name(key)).or_default().push(key);
        }
        let mut calls = JoinSet::new();
        for places in places.into_values() {
            let context = Arc::clone(&self.0);
            calls.spawn(async move {
                let answer = context.read_key(&places).await;
                (places, answer)
            });
        }
        let mut failed = None;
        while let Some(done) = calls.join_next().await {
            let Ok((places, answer)) = done else { continue };
            match answer {
                Ok(reads) => answers.give(reads).await,
                // The key's failure alone, if others can be read.
                Err(KeyError::Forbidden(failure)) => {
                    answers.give(places.iter().map(|&key| (key, Err(failure.clone()))).collect()).await;
                }
                Err(KeyError::Endpoint(failure)) => drop(failed.get_or_insert(failure)),
            }
        }
        if failed.is_some() {
            self.0.shared.membership.missed(self.0.endpoint);
        }
        failed.map_or(Ok(()), Err)
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
}
