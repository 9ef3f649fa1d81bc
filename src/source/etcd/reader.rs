//! The reads: one of all keys every interval, and one of what changed whenever a watch saw a change.
//!
//! Each is an read_any, a task that asks one member, and the next one too where the first is slow or fails. A slow answer is
//! still waited for up to the call's limit, and counts when it comes: an etcd that needs a second and a half works.
//! Changes that come faster than they are read are collected and read together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, sleep};

use super::error::CallError;
use super::keys::Keys;
use crate::error;
use crate::source::endpoints::{EndpointIndex, Endpoints, Pick, Purpose};
use crate::source::{KeyIndex, Report};

/// Errands for changes that are under way at the same time; what changes meanwhile waits and goes together.
const READS_AT_ONCE: usize = 8;
/// No answer for this long, and the next member is asked as well.
const HEDGE: Duration = Duration::from_millis(250);
/// Rounds without a single answer until that is reported. One can pass while a slow answer is on its way.
const SILENT_ROUNDS: u32 = 2;

/// A member saw keys change.
#[derive(Debug)]
pub(super) struct Wake {
    pub(super) member: EndpointIndex,
    pub(super) keys: Vec<KeyIndex>,
}

#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    wakes: mpsc::Receiver<Wake>,
    /// Changed, and no read sent since.
    due: BTreeSet<KeyIndex>,
    reads: JoinSet<Outcome>,
    rounds: JoinSet<Outcome>,
    /// The answers counted when the last round began.
    answers: u64,
    silent_rounds: u32,
    /// Whether the round under way was reported as unreachable.
    told: bool,
}

/// What every read_any needs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keys: Arc<Keys>,
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) interval: Duration,
    pub(super) limit: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answered,
    /// Everybody who could be asked failed.
    Failed,
}

impl Reader {
    pub(super) fn new(shared: Shared, wakes: mpsc::Receiver<Wake>) -> Self {
        Self {
            shared: Arc::new(shared),
            wakes,
            due: BTreeSet::new(),
            reads: JoinSet::new(),
            rounds: JoinSet::new(),
            answers: 0,
            silent_rounds: 0,
            told: false,
        }
    }

    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.shared.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first comes at once, and the members' first reads do its work.
        ticks.tick().await;
        loop {
            tokio::select! {
                Some(wake) = self.wakes.recv() => {
                    let member = wake.member;
                    self.due.extend(wake.keys);
                    while let Ok(more) = self.wakes.try_recv() {
                        self.due.extend(more.keys);
                    }
                    self.read_changed(Some(member));
                }
                Some(_outcome) = self.reads.join_next() => self.read_changed(None),
                Some(outcome) = self.rounds.join_next() => self.end_round(outcome.ok()).await,
                _ = ticks.tick() => self.begin_round().await,
            }
        }
    }

    /// Reads what changed, through the member that said so where it is known: it lives.
    fn read_changed(&mut self, member: Option<EndpointIndex>) {
        if self.due.is_empty() || self.reads.len() >= READS_AT_ONCE {
            return;
        }
        let which = std::mem::take(&mut self.due).into_iter().collect();
        self.reads.spawn(read_any(Arc::clone(&self.shared), Purpose::Change, which, member));
    }

    async fn begin_round(&mut self) {
        self.look_back().await;
        let all = self.shared.keys.all().collect();
        self.rounds.spawn(read_any(Arc::clone(&self.shared), Purpose::Round, all, None));
    }

    /// Judges the round that ends with this tick.
    async fn look_back(&mut self) {
        let answers = self.shared.endpoints.answers();
        self.silent_rounds = if answers == self.answers { self.silent_rounds + 1 } else { 0 };
        self.answers = answers;
        let told = std::mem::take(&mut self.told);
        if self.silent_rounds >= SILENT_ROUNDS && !told {
            self.report_unreachable().await;
        }
    }

    /// With everybody failed outright there is nothing to wait for: it is told at once, and not again at the tick.
    async fn end_round(&mut self, outcome: Option<Outcome>) {
        let failed = outcome.is_none_or(|outcome| outcome == Outcome::Failed);
        let silent = self.shared.endpoints.answers() == self.answers;
        if failed && silent && !self.told && self.shared.endpoints.all_failed() {
            self.told = true;
            self.report_unreachable().await;
        }
    }

    async fn report_unreachable(&self) {
        let why = self.shared.endpoints.why_unreachable();
        // Nobody listens only while the source is being dropped, and this task with it.
        let _gone = self.shared.reports.send(Report::Unreachable { why }).await;
    }
}

/// Asks one member after the other until one has answered.
async fn read_any(
    shared: Arc<Shared>,
    purpose: Purpose,
    which: Arc<[KeyIndex]>,
    wanted: Option<EndpointIndex>,
) -> Outcome {
    let mut asked = Vec::new();
    let mut calls = JoinSet::new();
    let hedge = HEDGE.min(shared.interval / 3);
    loop {
        let pick = shared.endpoints.pick(purpose, &asked, wanted);
        let more = pick.is_some();
        if let Some(pick) = pick {
            asked.push(pick.member);
            calls.spawn(call(Arc::clone(&shared), pick, Arc::clone(&which)));
        }
        tokio::select! {
            done = calls.join_next() => match done {
                Some(Ok(true)) => {
                    // The others may still answer, and that counts. They end with their limit or their session.
                    calls.detach_all();
                    return Outcome::Answered;
                }
                Some(Ok(false) | Err(_)) => {}
                None => return Outcome::Failed,
            },
            () = sleep(hedge), if more => {
                if let Some(&slow) = asked.last() {
                    shared.endpoints.suspect(slow, &Arc::from("no answer yet"));
                }
            }
        }
    }
}

/// One read through one member; whether it was answered.
async fn call(shared: Arc<Shared>, pick: Pick, which: Arc<[KeyIndex]>) -> bool {
    let Pick { member, session, turn: _until_answered } = pick;
    match session.read(&shared.keys, &which, shared.limit, &shared.reports).await {
        Ok(_revision) => {
            shared.endpoints.trust(member);
            shared.endpoints.answered();
            true
        }
        Err(CallError::Ended) => false,
        Err(error) => {
            shared.endpoints.suspect(member, &error::chain(&error).into());
            shared.endpoints.failed(member, error.kind());
            if error.ends_session() {
                session.end(error);
            }
            false
        }
    }
}
