//! The holder's packets to etcd vanish without a word, and its lease runs out.

use std::time::Duration;

use super::failover::Failover;
use super::support::cut::Way;

fn cut_off(name: &str, way: Way) {
    let failover = Failover::begin(name);
    let cut = failover.setup.cut_members(0, way);
    failover.succession();
    // What the leader believes was refreshed, was refreshed at least then.
    failover.check(failover.earliest_end());
    cut.heal();
    failover.setup.assert_stays_released(0, Duration::from_secs(4));
    assert!(failover.setup.holds(1));
}

#[test]
fn a_holder_that_is_cut_off_from_etcd_lets_go_before_its_lease_ends() {
    cut_off("cut", Way::Both);
}

#[test]
fn a_holder_whose_questions_get_lost_lets_go_before_its_lease_ends() {
    cut_off("mute", Way::Out);
}

#[test]
fn a_holder_that_hears_no_answers_lets_go_before_its_lease_ends() {
    cut_off("deaf", Way::In);
}
