//! A few short cases of the fault suite, and tests of its pure parts. `make faults` runs all cases.
//!
//! The suite judges cases by their records. These tests show that its arithmetic and its pictures are right, and that
//! it distinguishes a good record from a bad one.

#[expect(dead_code, reason = "the suite uses a part of the lab")]
#[path = "../support/mod.rs"]
mod support;

mod case;
mod cases;
mod environment;
#[expect(dead_code, reason = "only single scenarios run here")]
mod failover;
#[path = "../promise/measure.rs"]
#[expect(dead_code, reason = "the suite prints its own measurements")]
mod measure;
mod picture;
mod proxies;
mod record;
mod report;
#[expect(dead_code, reason = "only single cases run here")]
mod run;
#[expect(dead_code, reason = "the suite uses a part of the setup")]
#[path = "../promise/setup.rs"]
mod setup;
mod shim;
mod units;

use std::collections::BTreeSet;

use support::fail::OrFail;

/// Runs these cases in one environment and asserts that they pass.
#[track_caller]
fn assert_pass(names: &[&str]) {
    let mut env = None;
    for name in names {
        let case = cases::all().into_iter().find(|case| case.name == *name).or_fail(name);
        let outcome = run::one(&case, &mut env);
        assert_eq!(outcome.failures, "", "{name}: {:?}", outcome.record);
    }
}

#[test]
fn a_switchover_and_an_overwritten_key_pass() {
    assert_pass(&["switchover", "moved-by-hand"]);
}

#[test]
fn a_deleted_address_and_a_short_cut_pass() {
    assert_pass(&["deleted", "cut-short"]);
}

#[test]
fn a_crash_and_a_partition_under_the_shipped_unit_pass() {
    assert_pass(&["kill-restart", "cut-short-out"]);
}

#[test]
fn half_of_the_cases_run_under_the_shipped_unit() {
    let cases = cases::all();
    let units = cases.iter().filter(|case| case.unit).count();
    assert!(2 * units >= cases.len(), "{units} of {}", cases.len());
}

#[test]
fn case_names_are_unique_and_there_are_at_least_thirty() {
    let names: BTreeSet<&str> = cases::all().iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases::all().len());
    assert!(names.len() >= 30, "{}", names.len());
}
