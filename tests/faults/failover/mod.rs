//! The holder fails, on every store, twenty times each: the next leader's host must never have the address together with
//! the old one, and the old one must be rid of it before the store can give the key away.
//!
//! The runs of a scenario share one store and happen at the same time, each with two hosts, a key and an address of its
//! own. They fail at different points of Patroni's loop.

mod batch;
pub(crate) mod every_store;
mod scenario;
pub(crate) mod table;

use std::io::{Write, stderr};
use std::sync::Mutex;

pub(crate) use self::batch::Run;
use self::every_store::Fault;
pub(crate) use self::scenario::Scenario;
use crate::support::dcs::DcsKind;
use crate::support::fail::locked;

/// How many times each scenario happens on each store.
pub(crate) const RUNS: usize = 20;
/// More stores at once would only delay each other.
const AT_ONCE: usize = 2;
/// They mostly wait, on fewer hosts.
const STORES_AT_ONCE: usize = 3;

/// What became of a scenario on a store.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: DcsKind,
    pub(crate) scenario: Scenario,
    pub(crate) runs: Vec<Run>,
    /// Why it could not be run to its end. Empty if it was.
    pub(crate) failure: String,
}

impl Outcome {
    pub(crate) fn passed(&self) -> bool {
        self.failure.is_empty()
            && !self.runs.is_empty()
            && self.runs.iter().all(|run| run.passed(self.kind, self.scenario))
    }
}

/// Runs these scenarios on these stores, and returns the results in the order of the table.
pub(crate) fn all(kinds: &[DcsKind], scenarios: &[Scenario], runs: usize) -> Vec<Outcome> {
    let pairs = kinds.iter().flat_map(|kind| scenarios.iter().map(move |scenario| (*kind, *scenario)));
    let mut queue: Vec<_> = pairs.filter(|(kind, scenario)| scenario.applies_to(*kind)).collect();
    queue.reverse();
    let (queue, results) = (Mutex::new(queue), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((kind, scenario)) = { locked(&queue).pop() } {
                    let result = one(kind, scenario, runs);
                    let _ = writeln!(stderr(), "{}", table::line(&result));
                    locked(&results).push(result);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|result| (result.kind, result.scenario));
    results
}

/// Lets faults happen on these stores, and passes on each result together with those before it.
pub(crate) fn on_stores(
    kinds: &[DcsKind],
    faults: &[Fault],
    finished: &(dyn Fn(&[every_store::Result]) + Sync),
) -> bool {
    let results = Mutex::new(Vec::new());
    let queue = Mutex::new(kinds.iter().rev().copied().collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..STORES_AT_ONCE {
            scope.spawn(|| {
                while let Some(kind) = { locked(&queue).pop() } {
                    every_store::run(kind, faults, every_store::HOLDERS, &|result| {
                        let _ = writeln!(stderr(), "{}", every_store::table::row(&result));
                        let mut results = locked(&results);
                        results.push(result);
                        finished(&results);
                    });
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_default();
    !results.is_empty() && results.iter().all(every_store::Result::passed)
}

/// Runs a scenario on a store.
pub(crate) fn one(kind: DcsKind, scenario: Scenario, runs: usize) -> Outcome {
    let (runs, failure) = match std::panic::catch_unwind(|| batch::run(kind, scenario, runs)) {
        Ok(runs) => (runs, String::new()),
        Err(panic) => (Vec::new(), crate::run::message(&*panic)),
    };
    Outcome { kind, scenario, runs, failure }
}
