//! Runs cases on as few clusters as possible, two at a time.

use std::any::Any;
use std::io::{Write, stderr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::case::{Case, ClusterKind};
use crate::environment::Environment;
use crate::report::Outcome;
use crate::support::fail::locked;

/// More cases at once would only delay each other.
const AT_ONCE: usize = 2;

/// Runs all cases and returns the outcomes in the same order.
pub(crate) fn all(cases: &[Case]) -> Vec<Outcome> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    // Cases are taken from the end. Sorting by kind keeps the number of clusters small.
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

/// Runs one case. The environment is reused only if the case passed.
pub(crate) fn one(case: &Case, kept: &mut Option<(ClusterKind, Environment)>) -> Outcome {
    let taken = kept.take().filter(|(cluster_kind, _)| *cluster_kind == case.cluster_kind);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut env = taken.map_or_else(|| Environment::build(case.cluster_kind), |(_, env)| env);
        let record = env.run(case);
        (env, record)
    }));
    let outcome = match result {
        Ok((env, record)) => {
            let failures = case.failures(&record);
            // A failure may have left traces.
            if failures.is_empty() {
                *kept = Some((case.cluster_kind, env));
            } else {
                report(&env.log_tail());
            }
            Outcome { case: *case, record: Some(record), failures }
        }
        Err(panic) => {
            let message = message(&*panic);
            let failures = format!("panicked: {}", message.lines().next().unwrap_or("no message"));
            Outcome { case: *case, record: None, failures }
        }
    };
    let (verdict, failures) =
        if outcome.failures.is_empty() { ("pass", "") } else { ("fail: ", outcome.failures.as_str()) };
    report(&format!("{:22} {verdict}{failures}", case.name));
    outcome
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
}

fn report(text: &str) {
    // The reader may be gone.
    let _ = writeln!(stderr(), "{text}");
}
