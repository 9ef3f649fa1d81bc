//! Plays cases on as few clusters as their grounds need, two at a time.

use std::io::{Write, stderr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::case::{Case, ClusterKind};
use crate::environment::Environment;
use crate::report::Outcome;
use crate::support::fail::locked;

/// More of them would only make each other late.
const AT_ONCE: usize = 2;

/// Plays all these cases, and returns what became of them in the same order.
pub(crate) fn all(cases: &[Case]) -> Vec<Outcome> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    // The rare grounds last, so that few clusters are built: taken from the end.
    order.sort_by_key(|place| (cases[*place].cluster_kind, usize::MAX - place));
    let queue = Mutex::new(order);
    let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(cases.len()) {
            scope.spawn(|| {
                let mut env: Option<(ClusterKind, Environment)> = None;
                while let Some(place) = { locked(&queue).pop() } {
                    let outcome = one(&cases[place], &mut env);
                    locked(&outcomes).push((place, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Plays one case. Whoever broke down leaves no env to the next one.
pub(crate) fn one(case: &Case, kept: &mut Option<(ClusterKind, Environment)>) -> Outcome {
    let taken = kept.take().filter(|(cluster_kind, _)| *cluster_kind == case.cluster_kind);
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut env = taken.map_or_else(|| Environment::build(case.cluster_kind), |(_, env)| env);
        let record = env.play(case);
        (env, record)
    }));
    let outcome = match played {
        Ok((env, record)) => {
            let failures = case.failures(&record);
            // What went wrong once may have left its traces.
            if failures.is_empty() {
                *kept = Some((case.cluster_kind, env));
            } else {
                report(&env.log_tail());
            }
            Outcome { case: *case, record: Some(record), failures }
        }
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&said| said.to_owned())).unwrap_or_default();
            let failures = format!("broke down: {}", said.lines().next().unwrap_or("without a word"));
            Outcome { case: *case, record: None, failures }
        }
    };
    let verdict = if outcome.failures.is_empty() { "good" } else { outcome.failures.as_str() };
    report(&format!("{:22} {verdict}", case.name));
    outcome
}

fn report(text: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(stderr(), "{text}");
}
