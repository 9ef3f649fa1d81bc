//! Starts the tasks of a source. They are the same for every store.
//!
//! # Why not one client over all endpoints
//! Every endpoint has a session and a watch of its own, all of them at once. A client over several endpoints picks one at
//! random for each call, so a single silent endpoint fails a third of them for as long as it is silent, and a watch that
//! must first fail over comes late. With a watch on each endpoint, the first event counts.
//!
//! # Tasks
//! | task | owns | gives |
//! |---|---|---|
//! | `member`, one per endpoint | session, first read, watch, sign of life | `Report::Read`, `Report::Changed`, a `Wake` per change, its session in `endpoints`, its row in `states` |
//! | `claims`, one per claim | its claim | `Report::Claim`, a `Wake` per new claim |
//! | `reader` | the pace, reads | `Report::Unreachable` |
//! | reads, one per read | the order in which endpoints are asked | `Report::Read`, `Report::Unreadable` |
//!
//! `reports` is bounded, and whoever fills it waits for the driver. No task waits for another but through `wakes`, which the
//! reader always empties: it waits for nobody but the driver. So there is no circle in which tasks wait for each other.
//!
//! # Sessions end, reads decide
//! Whatever goes wrong with a session drops it whole, and the next begins with a linearizable read. What a watch says only
//! wakes: it is reported at once and followed by a read, first through the endpoint that said it.
//!
//! # Cancellation
//! Dropping a [`Source`] aborts the tasks, and with them everything they wait for. No task holds anything that would have to
//! be given back. Reads that nobody waits for end with their session. A question to the system's resolver cannot be stopped
//! and may outlive the source by a few seconds: end the runtime with `shutdown_background`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::claims::{Wishes, claimings};
use super::client::Connector;
use super::endpoints::Endpoints;
use super::facts::SourceError;
use super::keys::Keys;
use super::member::{Member, Signs};
use super::reader::{Reader, Shared};
use super::report::Report;
use super::rounds::EndpointIndex;
use super::states::{StateReporter, States};
use crate::backoff::Backoff;
use crate::endpoint::EndpointState;
use crate::keeper::ClaimWish;
use crate::pace::Pace;
use crate::time::Moment;

/// How a source works, whatever the store.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The times between two reads of every key.
    pub pace: Pace,
    /// How long an answer may take before the endpoint is given up and connected anew: about three intervals, and no more
    /// than a third of the shortest hold-timeout.
    pub call_limit: Duration,
    pub clock: fn() -> Moment,
    /// Spreads the retries, so that hosts do not connect in step.
    pub seed: u64,
}

/// A running source. Dropping it ends everything it started.
#[derive(Debug)]
pub struct Source {
    pub reports: mpsc::Receiver<Report>,
    states: States,
    wishes: Wishes,
    _tasks: JoinSet<()>,
}

impl Source {
    /// Says what is wanted of the claim with this key.
    pub fn want(&self, key: &str, wish: ClaimWish) {
        self.wishes.set(key, wish);
    }

    /// The state of each endpoint.
    pub fn endpoints(&self) -> Vec<EndpointState> {
        self.states.all()
    }

    /// What went wrong since the start, by endpoint and kind.
    pub fn errors(&self) -> Vec<(SourceError, u64)> {
        self.states.errors()
    }
}

/// What is done with the connectors of a store, whichever it is.
pub(super) trait Use {
    type Outcome;

    fn run<C: Connector>(self, settings: Settings, keys: Arc<Keys>, endpoints: Vec<(Arc<str>, C)>) -> Self::Outcome;
}

/// They are started.
#[derive(Debug)]
pub(super) struct Start;

impl Use for Start {
    type Outcome = Source;

    fn run<C: Connector>(self, settings: Settings, keys: Arc<Keys>, endpoints: Vec<(Arc<str>, C)>) -> Source {
        start(settings, keys, endpoints)
    }
}

/// Starts the tasks: one per endpoint, given by its name and its connector, and the reader.
pub(super) fn start<C: Connector>(settings: Settings, keys: Arc<Keys>, endpoints: Vec<(Arc<str>, C)>) -> Source {
    let names: Vec<_> = endpoints.iter().map(|(name, _)| Arc::clone(name)).collect();
    let states = States::new(&names, settings.clock);
    let (report_sender, reports) = mpsc::channel(REPORTS);
    let (wake_sender, wakes) = mpsc::channel(WAKES);
    let shared = Arc::new(Shared {
        keys,
        endpoints: Endpoints::new(&names, C::SILENT_ROUNDS),
        states: states.clone(),
        reports: report_sender,
        interval: settings.pace.full,
        doubt: Notify::new(),
        missed: Notify::new(),
    });
    let check = settings.pace.full * KEEPALIVE;
    let keepalive = check.max(sign_after(settings.pace, endpoints.len()));
    let mut tasks = JoinSet::new();
    for (index, (name, connector)) in endpoints.into_iter().enumerate() {
        let member = Member {
            index,
            connector,
            shared: Arc::clone(&shared),
            wakes: wake_sender.clone(),
            limit: settings.call_limit,
            check,
            keepalive,
            signs: Signs::default(),
            reporter: StateReporter::new(states.clone(), index, name),
            backoff: Backoff::up_to(C::LONGEST_PAUSE, spread(settings.seed, index)),
            clock: settings.clock,
        };
        tasks.spawn(member.run());
    }
    let (wishes, claimings) = claimings(shared.keys.claims(), &shared, &wake_sender, settings.clock);
    for claiming in claimings {
        tasks.spawn(claiming.run());
    }
    tasks.spawn(Reader::new(shared, wakes, settings.pace, settings.clock, settings.seed).run());
    Source { reports, states, wishes, _tasks: tasks }
}

/// How long a watch may be silent until it is asked for a sign of life. At a pace that grows while everything is quiet,
/// all endpoints together get one question in the time of four reads. What a dead watch costs does not depend on them:
/// reads find what it misses, and then all watches are asked at once.
fn sign_after(pace: Pace, endpoints: usize) -> Duration {
    let grows = pace.longest > pace.full;
    let all = u32::try_from(endpoints).unwrap_or(u32::MAX);
    if grows { pace.longest.saturating_mul(all) * 4 } else { Duration::ZERO }
}

/// A seed of its own for each endpoint.
fn spread(seed: u64, index: EndpointIndex) -> u64 {
    seed.wrapping_add(u64::try_from(index).unwrap_or(0).wrapping_mul(GOLDEN))
}

/// Reports that may wait for the driver.
const REPORTS: usize = 64;
/// Changes that may wait for the reader.
const WAKES: usize = 64;
/// Intervals after which a silent watch is asked for a sign of life, and TLS files are looked at. The reads, which go to
/// every endpoint in turn, find a dead connection sooner; this finds the stream that died on a living one.
const KEEPALIVE: u32 = 5;
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
