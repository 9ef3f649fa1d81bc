//! ZooKeeper as a store of the engine.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::context::{Context, Memory};
use super::session::{Opened, Opener, SESSION};
use super::watch::Watcher;
use super::{claim, read};
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::{Answers, Client, Connector, Failure};
use crate::source::keys::Keys;
use crate::source::report::{ClaimSpec, KeyIndex};
use crate::source::rounds::EndpointIndex;
use crate::time::Moment;

/// Makes sessions with one server.
#[derive(Debug)]
pub(crate) struct ZookeeperConnector {
    pub(super) endpoint: EndpointIndex,
    pub(super) opener: Arc<Opener>,
    pub(super) root: Arc<str>,
    pub(super) keys: Arc<Keys>,
    pub(super) memory: Arc<Memory>,
    pub(super) clock: fn() -> Moment,
    /// The TLS files that were used or tried last.
    pub(super) generation: u64,
}

impl Connector for ZookeeperConnector {
    type Client = Arc<Context>;

    async fn connect(&mut self) -> Result<Arc<Context>, Failure> {
        let Opened { connection, told, timeout, generation, .. } = self.opener.open(SESSION).await?;
        self.generation = generation;
        self.memory.note_longest(self.endpoint, timeout);
        Ok(Arc::new(Context {
            name: Arc::clone(&self.opener.name),
            endpoint: self.endpoint,
            opener: Arc::clone(&self.opener),
            connection,
            told: Mutex::new(Some(told)),
            root: Arc::clone(&self.root),
            keys: Arc::clone(&self.keys),
            memory: Arc::clone(&self.memory),
            user: self.opener.user().map(str::to_owned),
            has_certificate: self.opener.has_certificate(),
            names: self.opener.names,
            limit: self.opener.limit,
            clock: self.clock,
            changed: Mutex::new(BTreeSet::new()),
            changes: Notify::new(),
        }))
    }

    async fn has_changed(&mut self, _client: &Arc<Context>) -> Option<&'static str> {
        // What takes longer is seen the next time.
        let generation = self.opener.tls.as_ref()?.generation(FILES_LIMIT).await?;
        let before = std::mem::replace(&mut self.generation, generation);
        (generation != before).then_some("changed TLS files")
    }
}

impl Client for Arc<Context> {
    type Events = Watcher;

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        read::read(self, keys, answers).await
    }

    async fn watch(&self) -> Result<Watcher, Failure> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        let told = told.ok_or_else(|| self.connection.why_ended())?;
        Ok(Watcher::new(self, told))
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
