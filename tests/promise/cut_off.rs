//! The holder's packets to etcd are dropped silently, and its lease expires.

use std::time::Duration;

use super::failover::Failover;
use super::support::cut::Way;

fn cut_off(name: &str, way: Way) {
    let failover = Failover::begin(name);
    let cut = failover.setup.cut_members(0, way);
    failover.succession();
    // etcd may have refreshed the lease later than the leader knows, but not earlier.
    failover.check(failover.earliest_end());
    cut.heal();
    failover.setup.assert_stays_released(0, Duration::from_secs(4));
    assert!(failover.setup.holds(1));
}

#[test]
fn vip_is_released_before_the_lease_ends_when_the_holder_is_cut_off_from_etcd() {
    cut_off("cut", Way::Both);
}

#[test]
fn vip_is_released_before_the_lease_ends_when_requests_to_etcd_are_lost() {
    cut_off("requests", Way::Out);
}

#[test]
fn vip_is_released_before_the_lease_ends_when_answers_from_etcd_are_lost() {
    cut_off("answers", Way::In);
}
