//! What happens to process, network, machine and store, on every store, to several holders at once: who has the address
//! afterwards, and for how long nobody or both hosts had it.
//!
//! The faults of a store happen one after the other in one lab. Each begins when the first host of every pair has had
//! the address for a while.

mod network;
mod process;
mod store;
pub(crate) mod table;
mod verdict;

use std::io::{Write as _, stderr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use vip_manager::time::Moment;

pub(crate) use self::verdict::Expected;
use self::verdict::Verdict;
use super::batch::{self, Pair, SETTINGS, START};
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::Daemon;
use crate::support::dcs::{Dcs, DcsKind};
use crate::support::lab::Lab;
use crate::support::patroni::Role;

/// How many holders each happens to, at once.
pub(crate) const HOLDERS: usize = 6;
/// A daemon and a server are back soon, even on a busy machine.
const BACK: Duration = Duration::from_secs(30);
/// A release that waits for nothing but an event.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Long enough for a hold that began before to end.
const HOLD_ENDS: Duration = Duration::from_secs(11);
/// Long enough for a mistake of a daemon that continues. A key that was written by hand ends later in every store.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// What happens, and what is to become of it on a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    text: &'static str,
    happen: fn(&mut Stage),
    expected: fn(DcsKind) -> Expected,
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Fault> {
    [process::FAULTS, network::FAULTS, store::FAULTS].concat()
}

/// The store, and the pairs of hosts that use it.
struct Stage {
    pairs: Vec<Pair>,
    dcs: Dcs,
    kind: DcsKind,
    lab: Lab,
}

/// What became of one on a store.
#[derive(Clone, Debug)]
pub(crate) struct Result {
    kind: DcsKind,
    fault: Fault,
    verdicts: Vec<Verdict>,
    /// The load of the machine at the end.
    load: String,
    /// Why it could not be run to its end.
    failure: String,
}

impl Result {
    pub(crate) fn passed(&self) -> bool {
        let good = !self.verdicts.is_empty() && self.verdicts.iter().all(|verdict| verdict.good);
        !self.fault.applies_to(self.kind) || self.failure.is_empty() && good
    }
}

/// Lets them happen on a store, one after the other, and passes each result on.
pub(crate) fn run(kind: DcsKind, faults: &[Fault], holders: usize, finished: &dyn Fn(Result)) {
    let mut stage = None;
    for fault in faults {
        let mut result = Result { kind, fault: *fault, verdicts: vec![], load: String::new(), failure: String::new() };
        if fault.applies_to(kind) {
            let taken = stage.take();
            let happened = catch_unwind(AssertUnwindSafe(|| {
                let mut stage = taken.unwrap_or_else(|| Stage::set(kind, holders));
                let verdicts = stage.run(fault);
                (stage, verdicts)
            }));
            match happened {
                // What went wrong may have left traces.
                Ok((now, verdicts)) => {
                    stage = Some(now).filter(|_| verdicts.iter().all(|verdict| verdict.good));
                    result.verdicts = verdicts;
                }
                Err(panic) => result.failure = crate::run::message(&*panic),
            }
            result.load = load();
        }
        finished(result);
    }
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

impl Stage {
    fn set(kind: DcsKind, holders: usize) -> Self {
        let lab = Lab::new(kind.name());
        let (pairs, dcs) = batch::begin(&lab, kind, holders);
        Self { pairs, dcs, kind, lab }
    }

    fn run(&mut self, fault: &Fault) -> Vec<Verdict> {
        self.restore();
        let expected = (fault.expected)(self.kind);
        let began = now();
        (fault.happen)(self);
        let over = now();
        wait_for("the daemons", BACK, || self.pairs.iter().all(|pair| pair.daemons.iter().all(Daemon::ready)));
        match expected {
            Expected::Kept => pause(HOLD_ENDS),
            Expected::Interrupted { .. } => {
                self.await_end(expected);
                // What was a ground to hold again for a moment may not be one until Patroni has renewed its lock.
                pause(SETTINGS.loop_wait + AFTERWARDS);
            }
            Expected::Moved { .. } | Expected::Senseless(_) => {
                self.await_end(expected);
                pause(AFTERWARDS);
            }
        }
        let ended = now();
        let verdicts: Vec<Verdict> =
            self.pairs.iter().map(|pair| expected.judge(&pair.held_since(began), began, over, ended)).collect();
        if let Some(bad) = verdicts.iter().position(|verdict| !verdict.good) {
            let pair = &self.pairs[bad];
            let texts = pair.daemons.iter().map(|daemon| daemon.process.text()).collect::<Vec<_>>().join("\n---\n");
            let held = pair.held_since(began).map(|held| verdict::shown(&held, began));
            let _ = writeln!(stderr(), "{} on {}: {held:?}\n{texts}", fault.name, self.kind.name());
        }
        verdicts
    }

    /// The final state may take a moment. If it never comes, the verdict shows it.
    fn await_end(&self, expected: Expected) {
        let holder = usize::from(matches!(expected, Expected::Moved { .. }));
        let limit = now() + expected.limit() + BACK;
        let settled = |pair: &Pair| pair.holds(holder) && !pair.holds(1 - holder);
        while now() < limit && !self.pairs.iter().all(settled) {
            pause(Duration::from_millis(20));
        }
    }

    /// The first hosts lead and have had the addresses for a while.
    fn restore(&mut self) {
        for pair in &mut self.pairs {
            if pair.daemons[0].process.ended().is_some() {
                pair.start_again();
            }
        }
        if self.pairs.iter().all(first_leads) {
            return;
        }
        self.pairs.iter().for_each(|pair| self.take_key_back(pair));
        wait_for("the first hosts to have the addresses again", BACK, || {
            self.pairs.iter().all(|pair| pair.holds(0) && !pair.holds(1))
        });
        self.pairs.iter().for_each(|pair| pair.patronis[1].may_lead(true));
        self.wait_renewed();
    }

    /// Deletes the leader key by hand, and lets the first host's Patroni take it.
    fn take_key_back(&self, pair: &Pair) {
        for patroni in &pair.patronis {
            patroni.die();
            patroni.revive(false);
        }
        self.dcs.delete_by_hand(&pair.scope);
        pair.patronis[0].take_over();
    }

    // Building blocks of faults

    /// A server that does not lead.
    fn follower(&self) -> usize {
        (self.dcs.leader() + 1) % self.dcs.servers().len()
    }

    fn servers(&self) -> Vec<usize> {
        (0..self.dcs.servers().len()).collect()
    }

    /// Waits for a time that is part of the fault.
    fn wait(&self, seconds: f64) {
        let _ = self;
        pause(Duration::from_secs_f64(seconds));
    }

    /// Waits until each Patroni has renewed its lock and its daemon has had the time to see it.
    fn wait_renewed(&self) {
        let since = now() + Duration::from_secs(1);
        wait_for("renewals", START, || self.pairs.iter().all(|pair| pair.refreshed() > since + SETTINGS.loop_wait));
    }

    fn wait_gone(&self) {
        wait_for("the first hosts to release the addresses", AT_ONCE, || self.pairs.iter().all(|pair| !pair.holds(0)));
    }
}

fn first_leads(pair: &Pair) -> bool {
    let leads = matches!(pair.patronis[0].role(), Role::Leader { .. });
    leads && pair.holds(0) && !pair.holds(1) && now().since(pair.refreshed()) < 2 * SETTINGS.loop_wait
}

const fn back_within<const SECONDS: u64>(_: DcsKind) -> Expected {
    Expected::Interrupted { after: Duration::from_secs(SECONDS) }
}

impl Fault {
    /// Nobody may notice it.
    const fn kept(name: &'static str, text: &'static str, happen: fn(&mut Stage)) -> Self {
        Self { name, text, happen, expected: |_| Expected::Kept }
    }

    /// The first host may lack the address until so many seconds after it, and the second one must not have it.
    const fn interrupted<const SECONDS: u64>(name: &'static str, text: &'static str, happen: fn(&mut Stage)) -> Self {
        Self { name, text, happen, expected: back_within::<SECONDS> }
    }

    /// Whether it makes sense with a store.
    pub(crate) fn applies_to(&self, kind: DcsKind) -> bool {
        !matches!((self.expected)(kind), Expected::Senseless(_))
    }

    const fn expecting(mut self, expected: fn(DcsKind) -> Expected) -> Self {
        self.expected = expected;
        self
    }
}

/// The time between two moments.
fn seconds(from: Moment, until: Moment) -> f64 {
    until.since(from).as_secs_f64()
}
