//! The holder's packets to etcd vanish without a word, and its lease runs out.

use std::time::Duration;

use super::reign::Reign;
use super::support::cut::Way;

fn cut_off(name: &str, way: Way) {
    let reign = Reign::begin(name);
    let cut = reign.setup.cut_members(0, way);
    reign.succession();
    // What the leader believes was refreshed, was refreshed at least then.
    reign.judge(reign.earliest_end());
    cut.heal();
    reign.setup.stays_away(0, Duration::from_secs(4));
    assert!(reign.setup.holds(1));
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
