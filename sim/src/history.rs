//! Runs the history of one seed, and reduces one that broke the promise to the faults that matter.

use vip_manager::keeper::ClaimMode;

use crate::plan::{self, Act, What};
use crate::rng::Rng;
use crate::setup::{Bound, Setup};
use crate::time::Micros;
use crate::trace::Trace;
use crate::verdict::Broken;
use crate::world::{Ended, live};

/// What a seed determines.
#[derive(Clone, Debug)]
pub struct History {
    pub seed: u64,
    /// The seed of the delays.
    pub latency: u64,
    pub setup: Setup,
    pub plan: Vec<Act>,
}

/// A broken promise, with the reduced history.
#[derive(Clone, Debug)]
pub struct Fault {
    pub what: Broken,
    pub host: usize,
    pub at: Micros,
    pub history: History,
    /// The number of actions before the reduction.
    pub actions: usize,
}

impl History {
    pub fn of(seed: u64) -> Self {
        Self::bounded(seed, None)
    }

    /// The same with this kind of bound, and without a claim.
    pub fn bounded(seed: u64, bound: Option<Bound>) -> Self {
        let mut rng = Rng::new(seed);
        let mut setup = Setup::draw(&mut rng);
        if let Some(bound) = bound {
            setup.bound = bound;
        } else {
            setup.draw_claim(seed);
            setup.draw_bound(seed);
        }
        if setup.bound == Bound::Assumed {
            setup.assume(seed);
            let plan = plan::draw_failures(&mut rng, &setup);
            return Self { seed, latency: seed, setup, plan };
        }
        let mut plan = plan::draw(&mut rng, &setup);
        if setup.claim == ClaimMode::Require {
            plan::draw_for_claims(&mut rng, &setup, &mut plan);
        }
        // A backup brings back the claims of its time, which no claim can survive. What it brings back of a record counts
        // only once that was renewed, which is no promise.
        let restores = setup.claim == ClaimMode::Off && setup.bound == Bound::Lease;
        plan.retain(|act| restores || !matches!(act.what, What::BackUp | What::Restore));
        Self { seed, latency: seed, setup, plan }
    }

    pub fn live(&self, trace: Trace) -> Ended {
        live(&self.setup, &self.plan, self.latency, trace)
    }

    pub fn as_it_is(self, what: Broken, host: usize, at: Micros) -> Fault {
        let actions = self.plan.len();
        Fault { what, host, at, history: self, actions }
    }

    /// Reduces a history that broke the promise: removes every action that is not needed.
    pub fn shrink(self, what: Broken, host: usize, at: Micros) -> Fault {
        let mut fault = self.as_it_is(what, host, at);
        fault.history.plan.retain(|act| act.at <= at);
        let mut chunk = fault.history.plan.len().max(1);
        while chunk > 0 {
            let mut from = 0;
            while from < fault.history.plan.len() {
                match fault.without(from, chunk) {
                    Some(smaller) => fault = smaller,
                    None => from += chunk,
                }
            }
            chunk /= 2;
        }
        fault
    }
}

impl Fault {
    /// The same fault without these actions, if they are not needed. Without them all later delays change, so other
    /// seeds of the delays are tried too.
    fn without(&self, from: usize, count: usize) -> Option<Self> {
        (0..TRIES).find_map(|shift| {
            let mut fewer = self.history.clone();
            let to = (from + count).min(fewer.plan.len());
            fewer.plan.drain(from..to);
            fewer.latency = fewer.latency.wrapping_add(shift);
            let ended = fewer.live(Trace::silent());
            let (what, host) = ended.verdict.filter(|(what, _)| *what == self.what)?;
            Some(Self { what, host, at: ended.at, history: fewer, actions: self.actions })
        })
    }

    /// What happened, as text.
    pub fn trace(&self) -> String {
        let ended = self.history.live(Trace::written());
        let setup = &self.history.setup;
        format!(
            "seed {}: pg{} {}\n{} hosts, interval {} ms, hold-timeout {} ms, lease-margin {} ms, bound {}, ttl {} s, clocks {:?} ppm, etcd's {} ppm\n\
             {} of {} faults are enough:\n{}",
            self.history.seed,
            self.host + 1,
            self.what.words(),
            setup.hosts,
            setup.interval / 1_000,
            setup.hold / 1_000,
            setup.margin / 1_000,
            setup.bound.name(),
            setup.ttl / 1_000_000,
            &setup.rates[..setup.hosts],
            setup.etcd_rate,
            self.history.plan.len(),
            self.actions,
            ended.trace.timeline()
        )
    }
}

const TRIES: u64 = 6;
