//! Kubernetes as a store of the engine: lists of one object, and a watch of each.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use tokio::time::timeout;

use super::access::{Reached, Server};
use super::requests::Requests;
use super::session::{Histories, Session};
use super::watch::ObjectWatch;
use crate::source::claim::{self, Answer, Ending, Token};
use crate::source::client::{Answers, Client, Connector, Failure};
use crate::source::http::{Polls, RequestError};
use crate::source::keys::Keys;
use crate::source::report::{ClaimSpec, KeyIndex};
use crate::time::WallTime;
use crate::transport::http::HttpError;

/// Makes sessions with one API server.
#[derive(Debug)]
pub(in crate::source) struct KubernetesConnector {
    pub(super) server: Server,
    pub(super) keys: Arc<Keys>,
    pub(super) histories: Arc<Histories>,
    pub(super) wall_clock: fn() -> WallTime,
    /// What the last session was made with.
    pub(super) reached: Option<Reached>,
}

/// One session.
#[derive(Clone, Debug)]
pub(in crate::source) struct KubernetesClient(Arc<Session>);

impl Connector for KubernetesConnector {
    type Client = KubernetesClient;

    async fn connect(&mut self) -> Result<KubernetesClient, Failure> {
        let reached = self.server.reach().await?;
        let reached = self.reached.insert(reached);
        Ok(KubernetesClient(Arc::new(Session {
            requests: Requests::connect(reached).await?,
            keys: Arc::clone(&self.keys),
            histories: Arc::clone(&self.histories),
            versions: self.keys.all().map(|_| AtomicI64::new(0)).collect(),
            wall_clock: self.wall_clock,
        })))
    }

    async fn has_changed(&mut self, _client: &KubernetesClient) -> Option<&'static str> {
        self.reached.as_ref()?.endpoint.has_changed().await
    }
}

impl Client for KubernetesClient {
    type Events = Polls;

    const CLAIM_ENDING: Ending = Ending::Unchanged;
    const CLAIM_COMPARES_LEADER: bool = false;

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let limit = self.0.requests.http.limit();
        let read = timeout(limit, self.0.read_all(keys, answers)).await;
        read.unwrap_or_else(|_elapsed| Err(RequestError::from(HttpError::Silent(limit)).into()))
    }

    async fn watch(&self) -> Result<Self::Events, Failure> {
        let watches = self.0.keys.distinct().into_iter().map(|key| ObjectWatch::new(Arc::clone(&self.0), key));
        let session = Arc::clone(&self.0);
        let sign = move || {
            let session = Arc::clone(&session);
            async move { session.sign().await }
        };
        Ok(Polls::start(watches.collect(), sign))
    }

    async fn claim(&self, spec: &ClaimSpec, request: &claim::Request) -> Result<Answer, Failure> {
        super::claim::claim(&self.0, spec, request).await
    }

    async fn inspect_claim(&self, spec: &ClaimSpec) -> Result<Answer, Failure> {
        super::claim::inspect(&self.0, spec).await
    }

    async fn claim_changes(&self, spec: &ClaimSpec, seen: &Token) {
        super::claim::changes(&self.0, spec, seen).await;
    }
}
