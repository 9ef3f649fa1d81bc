//! etcd as a store of the engine.

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::claim;
use super::context::{Context, Memory, NO_ANSWER};
use super::read;
use super::session::{self, OpenError};
use super::watch::Watcher;
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::{Answers, Client, Connector, Failure};
use crate::source::keys::Keys;
use crate::source::report::{ClaimSpec, KeyIndex};
use crate::source::rounds::EndpointIndex;
use crate::time::Moment;

/// Makes sessions with one endpoint, and the contexts that go with them.
#[derive(Debug)]
pub(crate) struct EtcdConnector {
    pub(super) endpoint: EndpointIndex,
    pub(super) session: session::Connector,
    pub(super) keys: Arc<Keys>,
    pub(super) memory: Arc<Memory>,
    pub(super) clock: fn() -> Moment,
    /// The TLS files that were used or tried last.
    pub(super) generation: u64,
}

impl Connector for EtcdConnector {
    type Client = Arc<Context>;

    async fn connect(&mut self) -> Result<Arc<Context>, Failure> {
        let opened = self.session.open().await;
        let (session, generation) = opened.inspect_err(|_| self.memory.membership.missed(self.endpoint))?;
        self.generation = generation;
        Ok(Arc::new(Context {
            endpoint: self.endpoint,
            session,
            keys: Arc::clone(&self.keys),
            memory: Arc::clone(&self.memory),
            tls: self.session.tls.clone(),
            limit: self.session.limit,
            clock: self.clock,
            revision: AtomicI64::new(NO_ANSWER),
            unwatched: Mutex::default(),
        }))
    }

    async fn has_changed(&mut self, client: &Arc<Context>) -> Option<&'static str> {
        if let Some(tls) = &self.session.tls
            // The watch waits meanwhile. What takes longer is seen the next time.
            && let Some(generation) = tls.generation(FILES_LIMIT).await
            && generation != self.generation
        {
            self.generation = generation;
            return Some("changed TLS files");
        }
        client.can_watch_more().then_some("a permission that was granted")
    }
}

impl Client for Arc<Context> {
    type Events = Watcher;

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let answer = read::read(self, keys, answers).await;
        answer.inspect_err(|_| self.memory.membership.missed(self.endpoint))
    }

    async fn watch(&self) -> Result<Watcher, Failure> {
        Watcher::start(self).await
    }

    async fn claim(&self, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
        claim::claim(self, spec, request).await
    }

    async fn inspect_claim(&self, spec: &ClaimSpec) -> Result<Answer, Failure> {
        claim::inspect(self, spec).await
    }

    async fn claim_changes(&self, spec: &ClaimSpec, seen: &Token) {
        claim::changes(self, spec, seen).await;
    }
}

const FILES_LIMIT: Duration = Duration::from_millis(100);

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Login(error) => error.into(),
            OpenError::Dial(_) => Self::new("connect", &error),
            OpenError::Secret(_) => Self::new("login", &error),
        }
    }
}
