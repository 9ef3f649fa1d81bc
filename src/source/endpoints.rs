//! Who can be asked right now: one row a member, written by the members' tasks and read by the readers.
//!
//! The lock is held for a few instructions and never over an await.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

use super::etcd::session::Session;
use super::facts::SourceError;

/// The place of a member in the list of endpoints.
pub(in crate::source) type EndpointIndex = usize;

#[derive(Debug)]
pub(in crate::source) struct Endpoints {
    rows: Mutex<Rows>,
    /// How many reads were answered, by whomever: a round in which this grew was not unreachable.
    answers: AtomicU64,
}

#[derive(Debug)]
struct Rows {
    members: Vec<Row>,
    /// Where the next round begins.
    turn: EndpointIndex,
}

#[derive(Debug)]
struct Row {
    endpoint: Arc<str>,
    state: State,
    /// How many times each kind of error was met.
    errors: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
enum State {
    Down {
        why: Arc<str>,
    },
    Up {
        session: Session,
        /// It was slow or refused a read: others come first until it has answered again.
        suspect: Option<Arc<str>>,
    },
}

/// What a read is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Purpose {
    /// The read of every interval. A member that has not answered the one before is not asked again.
    Round,
    /// A change was seen.
    Change,
}

/// How it stands with the others when a member goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Others {
    SomeUp,
    AllDown,
}

/// A member to ask.
#[derive(Debug)]
pub(in crate::source) struct Pick {
    pub(in crate::source) member: EndpointIndex,
    pub(in crate::source) session: Session,
    /// Held while a round's read is under way.
    pub(in crate::source) turn: Option<OwnedSemaphorePermit>,
}

impl Endpoints {
    pub(in crate::source) fn new(endpoints: impl Iterator<Item = Arc<str>>) -> Self {
        let row = |endpoint| Row {
            endpoint,
            state: State::Down { why: Arc::from("not connected yet") },
            errors: BTreeMap::new(),
        };
        let rows = Rows { members: endpoints.map(row).collect(), turn: 0 };
        Self { rows: Mutex::new(rows), answers: AtomicU64::new(0) }
    }

    pub(in crate::source) fn up(&self, member: EndpointIndex, session: Session) {
        self.rows().members[member].state = State::Up { session, suspect: None };
    }

    pub(in crate::source) fn down(&self, member: EndpointIndex, why: Arc<str>) -> Others {
        let mut rows = self.rows();
        rows.members[member].state = State::Down { why };
        let all_down = rows.members.iter().all(|row| matches!(row.state, State::Down { .. }));
        if all_down { Others::AllDown } else { Others::SomeUp }
    }

    /// Puts a member behind the others until it answers.
    pub(in crate::source) fn suspect(&self, member: EndpointIndex, why: &Arc<str>) {
        if let State::Up { suspect, .. } = &mut self.rows().members[member].state {
            *suspect = Some(Arc::clone(why));
        }
    }

    pub(in crate::source) fn trust(&self, member: EndpointIndex) {
        if let State::Up { suspect, .. } = &mut self.rows().members[member].state {
            *suspect = None;
        }
    }

    /// Counts an error of this kind.
    pub(in crate::source) fn failed(&self, member: EndpointIndex, kind: &'static str) {
        *self.rows().members[member].errors.entry(kind).or_default() += 1;
    }

    /// Every error so far.
    pub(in crate::source) fn errors(&self) -> Vec<(SourceError, u64)> {
        let rows = self.rows();
        let of = |row: &Row| {
            let endpoint = Arc::clone(&row.endpoint);
            let named =
                |(kind, count): (&&'static str, &u64)| (SourceError { endpoint: Arc::clone(&endpoint), kind }, *count);
            row.errors.iter().map(named).collect::<Vec<_>>()
        };
        rows.members.iter().flat_map(of).collect()
    }

    pub(in crate::source) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::source) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// The next member to ask that is not among `asked`: the wanted one, else in turn, suspects last.
    pub(in crate::source) fn pick(
        &self,
        purpose: Purpose,
        asked: &[EndpointIndex],
        wanted: Option<EndpointIndex>,
    ) -> Option<Pick> {
        let mut rows = self.rows();
        let count = rows.members.len();
        let order = wanted.into_iter().chain((0..count).map(|step| (rows.turn + step) % count));
        let order: Vec<_> = order.filter(|member| !asked.contains(member)).collect();
        let pick = [false, true].into_iter().find_map(|suspects| {
            order.iter().find_map(|&member| rows.members[member].take(member, purpose, suspects))
        })?;
        if purpose == Purpose::Round {
            rows.turn = (pick.member + 1) % count;
        }
        Some(pick)
    }

    /// Whether every member failed, so that there is no answer left to wait for.
    pub(in crate::source) fn all_failed(&self) -> bool {
        self.rows().members.iter().all(|row| match &row.state {
            State::Down { .. } => true,
            State::Up { session, suspect } => suspect.is_some() && session.is_idle(),
        })
    }

    /// Each member with the cause of its silence.
    pub(in crate::source) fn why_unreachable(&self) -> Arc<str> {
        let silence = Arc::from("no answer yet");
        let rows = self.rows();
        let causes = rows.members.iter().map(|row| {
            let why = match &row.state {
                State::Down { why } | State::Up { suspect: Some(why), .. } => why,
                State::Up { suspect: None, .. } => &silence,
            };
            format!("{}: {why}", row.endpoint)
        });
        causes.collect::<Vec<_>>().join("; ").into()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn take(&self, member: EndpointIndex, purpose: Purpose, suspects: bool) -> Option<Pick> {
        let State::Up { session, suspect } = &self.state else { return None };
        if suspect.is_some() != suspects {
            return None;
        }
        let turn = match purpose {
            Purpose::Round => Some(session.take_turn()?),
            Purpose::Change => None,
        };
        Some(Pick { member, session: session.clone(), turn })
    }
}
