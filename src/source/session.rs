//! A session with one endpoint, shared by the endpoint's own task and the reads through it.
//!
//! It is dropped whole and made anew whenever anything about it fails. A read that finds it broken says so with
//! [`Session::end`]; the endpoint's task hears that, and every read through the session ends.

use std::fmt;

use tokio::sync::{mpsc, watch};

use super::claim::{Answer, Request, Token};
use super::client::{Answers, Client, Failure};
use super::report::{ClaimSpec, KeyIndex};

#[derive(Clone)]
pub(super) struct Session<C> {
    client: C,
    alive: watch::Receiver<()>,
    end: mpsc::Sender<Failure>,
}

/// The end of a session that the endpoint's task holds: dropping it ends every read.
#[derive(Debug)]
pub(super) struct SessionGuard {
    failures: mpsc::Receiver<Failure>,
    _alive: watch::Sender<()>,
}

impl<C: Client> Session<C> {
    pub(super) fn new(client: C) -> (Self, SessionGuard) {
        let (end, failures) = mpsc::channel(1);
        let (guard, alive) = watch::channel(());
        (Self { client, alive, end }, SessionGuard { failures, _alive: guard })
    }

    pub(super) const fn client(&self) -> &C {
        &self.client
    }

    /// Reads the keys. There is no failure to blame where the session ended meanwhile.
    pub(super) async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Option<Failure>> {
        let mut alive = self.alive.clone();
        tokio::select! {
            answer = self.client.read(keys, answers) => answer.map_err(Some),
            _ended = alive.changed() => Err(None),
        }
    }

    /// Asks for a claim. There is no failure to blame where the session ended meanwhile.
    pub(super) async fn claim(&self, spec: &ClaimSpec, request: &Request) -> Result<Answer, Option<Failure>> {
        let mut alive = self.alive.clone();
        tokio::select! {
            answer = self.client.claim(spec, request) => answer.map_err(Some),
            _ended = alive.changed() => Err(None),
        }
    }

    /// Waits until a claim changes; forever if the session ends.
    pub(super) async fn claim_changes(&self, spec: &ClaimSpec, seen: &Token) {
        let mut alive = self.alive.clone();
        tokio::select! {
            () = self.client.claim_changes(spec, seen) => {}
            _ended = alive.changed() => std::future::pending().await,
        }
    }

    /// Tells the endpoint's task that this session is of no use any more. The first cause counts.
    pub(super) fn end(&self, cause: Failure) {
        let _first_cause_counts = self.end.try_send(cause);
    }
}

impl<C> fmt::Debug for Session<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl SessionGuard {
    /// Waits until a read finds the session broken.
    pub(super) async fn failure(&mut self) -> Option<Failure> {
        self.failures.recv().await
    }
}
