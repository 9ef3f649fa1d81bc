//! The endpoints that can be asked now: the session of each, written by its task and used by the reads.
//!
//! Who is asked is decided by [`Rounds`]. The lock is held for a few instructions and never over an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rounds::{Ask, EndpointIndex, Read, Reason, Rounds};
use super::session::Session;

#[derive(Debug)]
pub(super) struct Endpoints<C>(Mutex<Table<C>>);

#[derive(Debug)]
struct Table<C> {
    rounds: Rounds,
    sessions: Vec<Option<Session<C>>>,
}

impl<C: Clone> Endpoints<C> {
    pub(super) fn new(names: &[Arc<str>], silent_rounds: u32) -> Self {
        let sessions = names.iter().map(|_| None).collect();
        Self(Mutex::new(Table { rounds: Rounds::new(names.iter().cloned()).patient(silent_rounds), sessions }))
    }

    pub(super) fn up(&self, endpoint: EndpointIndex, session: Session<C>) {
        let mut table = self.table();
        table.rounds.up(endpoint);
        table.sessions[endpoint] = Some(session);
    }

    pub(super) fn down(&self, endpoint: EndpointIndex, reason: Reason) {
        let mut table = self.table();
        table.rounds.down(endpoint, reason);
        table.sessions[endpoint] = None;
    }

    /// The next endpoint to ask, with its session.
    pub(super) fn ask(&self, read: &mut Read) -> Option<(Ask, Session<C>)> {
        let mut table = self.table();
        let ask = table.rounds.ask(read)?;
        let session = table.sessions[ask.endpoint].clone()?;
        Some((ask, session))
    }

    /// Tells the rounds what happened, or asks them what follows.
    pub(super) fn rounds<T>(&self, with: impl FnOnce(&mut Rounds) -> T) -> T {
        with(&mut self.table().rounds)
    }

    fn table(&self) -> MutexGuard<'_, Table<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
