//! The reads: one of all keys at the pace of [`Pace`], and one of the changed keys whenever a watch saw a change.
//!
//! Each is a task that asks one endpoint, and the next one too if the first is slow or fails. A slow answer is still waited
//! for up to the limit of a call, and counts when it comes: a store that needs a second and a half works. Changes that come
//! faster than they are read are collected and read together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::client::{Answers, Client};
use super::endpoints::Endpoints;
use super::keys::Keys;
use super::report::{KeyIndex, Report};
use super::rounds::{Ask, EndpointIndex, Purpose, Read, Reason, Rounds, hedge_after};
use super::session::Session;
use super::states::States;
use crate::pace::Pace;
use crate::time::Moment;

/// Of a generator of random numbers (Knuth's MMIX).
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
/// Reads of changes that are under way at the same time; what changes meanwhile is read together afterwards.
const READS_AT_ONCE: usize = 8;

/// An endpoint saw keys change.
#[derive(Debug)]
pub(super) struct Wake {
    pub(super) endpoint: EndpointIndex,
    pub(super) keys: Vec<KeyIndex>,
}

/// What all tasks of a source share.
#[derive(Debug)]
pub(super) struct Shared<C> {
    pub(super) keys: Arc<Keys>,
    pub(super) endpoints: Endpoints<C>,
    pub(super) states: States,
    pub(super) reports: mpsc::Sender<Report>,
    /// The time between two reads at the full pace.
    pub(super) interval: Duration,
    /// Something went wrong: the next read may be due sooner.
    pub(super) doubt: Notify,
    /// A watch has missed a change: every session is to be asked for a sign of life.
    pub(super) missed: Notify,
}

impl<C> Shared<C> {
    /// What takes the answers of an endpoint.
    pub(super) fn answers(&self, endpoint: EndpointIndex, first: bool) -> Answers {
        let (keys, reports, states) = (Arc::clone(&self.keys), self.reports.clone(), self.states.clone());
        Answers { keys, reports, states, endpoint, first }
    }
}

#[derive(Debug)]
pub(super) struct Reader<C> {
    shared: Arc<Shared<C>>,
    wakes: mpsc::Receiver<Wake>,
    /// Changed, and no read sent since.
    due: BTreeSet<KeyIndex>,
    reads: JoinSet<bool>,
    rounds: JoinSet<bool>,
    pace: Pace,
    clock: fn() -> Moment,
    /// Spreads the rounds of quiet hosts.
    dice: u64,
}

impl<C: Client> Reader<C> {
    pub(super) fn new(
        shared: Arc<Shared<C>>,
        wakes: mpsc::Receiver<Wake>,
        pace: Pace,
        clock: fn() -> Moment,
        dice: u64,
    ) -> Self {
        let (reads, rounds) = (JoinSet::new(), JoinSet::new());
        Self { shared, wakes, due: BTreeSet::new(), reads, rounds, pace, clock, dice }
    }

    pub(super) async fn run(mut self) {
        // The first reads of the sessions do the work of the first round.
        let mut began = (self.clock)();
        loop {
            let next = self.until_next(began).saturating_sub((self.clock)().since(began));
            tokio::select! {
                Some(wake) = self.wakes.recv() => {
                    self.due.extend(wake.keys);
                    while let Ok(more) = self.wakes.try_recv() {
                        self.due.extend(more.keys);
                    }
                    self.read_changed(Some(wake.endpoint));
                }
                Some(_done) = self.reads.join_next() => self.read_changed(None),
                Some(answered) = self.rounds.join_next() => {
                    let failed = !answered.unwrap_or(false);
                    if failed && self.shared.endpoints.rounds(Rounds::round_failed) {
                        self.report_unreachable().await;
                    }
                }
                () = self.shared.doubt.notified() => {}
                () = sleep(next) => {
                    began = (self.clock)();
                    self.dice = self.dice.wrapping_mul(MULTIPLIER).wrapping_add(1);
                    self.begin_round().await;
                }
            }
        }
    }

    fn until_next(&self, began: Moment) -> Duration {
        let quiet = self.shared.endpoints.rounds(|rounds| rounds.is_quiet());
        self.pace.next(began, quiet, self.shared.keys.need(began), self.dice >> 32)
    }

    /// Reads what changed, first through the endpoint that said so: it lives.
    fn read_changed(&mut self, wanted: Option<EndpointIndex>) {
        if self.due.is_empty() || self.reads.len() >= READS_AT_ONCE {
            return;
        }
        let keys = std::mem::take(&mut self.due).into_iter().collect();
        self.reads.spawn(read_any(Arc::clone(&self.shared), Read::new(Purpose::Change, wanted), keys));
    }

    async fn begin_round(&mut self) {
        if self.shared.keys.has_missed_a_change() {
            tracing::debug!("a read has shown a change that no watch has told of");
            self.shared.endpoints.rounds(Rounds::changed);
            self.shared.missed.notify_waiters();
        }
        if self.shared.endpoints.rounds(Rounds::begin_round) {
            self.report_unreachable().await;
        }
        let all = self.shared.keys.all().collect();
        self.rounds.spawn(read_any(Arc::clone(&self.shared), Read::new(Purpose::Round, None), all));
    }

    async fn report_unreachable(&self) {
        let Reason { why, hold_at_most } = self.shared.endpoints.rounds(|rounds| rounds.why_unreachable());
        let until = hold_at_most.map(|most| (self.clock)() + most);
        // Nobody receives only while the source is being dropped, and this task with it.
        let _dropped = self.shared.reports.send(Report::Unreachable { why, until }).await;
    }
}

/// Asks one endpoint after the other until one has answered. Returns whether one did.
async fn read_any<C: Client>(shared: Arc<Shared<C>>, mut read: Read, keys: Arc<[KeyIndex]>) -> bool {
    let mut calls = JoinSet::new();
    loop {
        let next = shared.endpoints.ask(&mut read);
        let more = next.is_some();
        if let Some((ask, session)) = next {
            calls.spawn(call(Arc::clone(&shared), ask, session, Arc::clone(&keys)));
        }
        tokio::select! {
            done = calls.join_next() => match done {
                Some(Ok(true)) => {
                    // The others may still answer, and that counts. They end with their limit or their session.
                    calls.detach_all();
                    return true;
                }
                Some(Ok(false) | Err(_)) => {}
                None => return false,
            },
            () = sleep(hedge_after(shared.interval)), if more => {
                shared.endpoints.rounds(|rounds| rounds.slow(&read));
                shared.doubt.notify_one();
            }
        }
    }
}

/// One read through one endpoint. Returns whether it was answered.
async fn call<C: Client>(shared: Arc<Shared<C>>, ask: Ask, session: Session<C>, keys: Arc<[KeyIndex]>) -> bool {
    let answer = session.read(&keys, &shared.answers(ask.endpoint, false)).await;
    let reason = answer.as_ref().err().and_then(Option::as_ref).map(Reason::from);
    shared.endpoints.rounds(|rounds| match answer {
        Ok(()) => rounds.answered(ask),
        Err(_) => rounds.failed(ask, reason),
    });
    if let Err(Some(failure)) = answer {
        shared.states.count_error(ask.endpoint, failure.kind);
        if failure.ends_session {
            session.end(failure);
        }
        return false;
    }
    answer.is_ok()
}
