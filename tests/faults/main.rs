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
#[expect(dead_code, reason = "only a few faults run here, and no failover")]
mod failover;
#[path = "../promise/measure.rs"]
#[expect(dead_code, reason = "the suite prints its own measurements")]
mod measure;
mod on_host;
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

use failover::every_store::{self, Fault};
use support::dcs::DcsKind;
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

/// Lets these faults happen to two holders on a store and asserts that they pass.
#[track_caller]
fn assert_pass_on(kind: DcsKind, names: &[&str]) {
    let faults: Vec<Fault> = every_store::all().into_iter().filter(|fault| names.contains(&fault.name)).collect();
    assert_eq!(faults.len(), names.len(), "{names:?}");
    every_store::run(kind, &faults, 2, &|result| assert!(result.passed(), "{result:?}"));
}

#[test]
fn an_ended_daemon_and_a_switchover_in_kubernetes_pass() {
    assert_pass_on(DcsKind::Kubernetes, &["daemon-ended", "switchover"]);
}

#[test]
fn a_deleted_key_in_the_v2_api_of_etcd_passes() {
    assert_pass_on(DcsKind::Etcd2, &["key-deleted"]);
}

#[test]
fn names_of_the_faults_on_every_store_are_unique_and_each_happens_on_four_stores() {
    let faults = every_store::all();
    let names: BTreeSet<&str> = faults.iter().map(|fault| fault.name).collect();
    assert_eq!(names.len(), faults.len());
    for fault in faults {
        let stores = DcsKind::ALL.iter().filter(|kind| fault.applies_to(**kind)).count();
        assert!(stores >= 4, "{}: {stores}", fault.name);
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
