//! A few short cases of the fault suite, and its pure parts. All of the cases: `make faults`.
//!
//! The suite draws conclusions from records; here is shown that its arithmetic and its pictures are right, and that
//! it can tell a good record from a bad one.

#[expect(dead_code, reason = "the suite uses a part of the lab")]
#[path = "../support/mod.rs"]
mod support;

mod case;
mod cases;
mod environment;
#[path = "../promise/measure.rs"]
#[expect(dead_code, reason = "the suite tells its own figures")]
mod measure;
mod picture;
mod proxies;
mod record;
mod report;
#[expect(dead_code, reason = "only single cases are played here")]
mod run;
#[expect(dead_code, reason = "the suite uses a part of the setup")]
#[path = "../promise/setup.rs"]
mod setup;
mod shim;

use std::collections::BTreeSet;

use support::fail::OrFail;

/// Plays these on one env.
#[track_caller]
fn play(names: &[&str]) {
    let mut env = None;
    for name in names {
        let case = cases::all().into_iter().find(|case| case.name == *name).or_fail(name);
        let outcome = run::one(&case, &mut env);
        assert_eq!(outcome.failures, "", "{name}: {:?}", outcome.record);
    }
}

#[test]
fn a_switchover_and_a_key_moved_by_hand_are_as_they_have_to_be() {
    play(&["switchover", "moved-by-hand"]);
}

#[test]
fn a_deleted_address_is_back_and_a_short_cut_goes_unnoticed() {
    play(&["deleted", "cut-short"]);
}

#[test]
fn every_case_has_a_name_of_its_own_and_there_are_enough_of_them() {
    let names: BTreeSet<&str> = cases::all().iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases::all().len());
    assert!(names.len() >= 30, "{}", names.len());
}
