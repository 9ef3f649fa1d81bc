//! What etcd goes through on an ordinary disturbance, and no client may notice.
//!
//! vip-manager #411: whoever drops the VIP at the first error cuts every session at each of these.

use std::time::Duration;

use super::measure::report;
use super::setup::Setup;
use super::support::clock::{now, pause};
use super::support::cut::Way;
use super::support::daemon::KEY;
use super::support::etcd::Member;
use super::support::patroni::{Patroni, Timing};
use super::support::ping::Pinger;

const SILENCE: Duration = Duration::from_secs(3);

/// A leader with Patroni's own timing, a holder, and a client that pings it.
struct Disturbance {
    setup: Setup,
    _patronis: Vec<Patroni>,
    pinger: Pinger,
}

impl Disturbance {
    fn begin(name: &str) -> Self {
        let setup = Setup::new(name, 2);
        let patronis = setup.patronis(&Timing { ttl: 30, loop_wait: Duration::from_secs(10), ..Timing::default() });
        patronis[0].take_over();
        setup.wait_held(0);
        patronis[1].may_lead(true);
        setup.wait_renewed(0);
        let pinger = setup.ping();
        Self { setup, _patronis: patronis, pinger }
    }

    /// Nobody noticed anything.
    #[track_caller]
    fn end(self, what: &str) {
        self.setup.cluster.wait_healthy();
        self.setup.wait_renewed(0);
        let pings = self.setup.assert_undisturbed(0, self.pinger);
        assert_eq!(self.setup.intervals(1), [], "nobody else ever held");
        report(&format!("{what}: {} pings, none lost", pings.sent));
    }
}

#[test]
fn etcd_is_silent_for_three_seconds_and_no_ping_is_lost() {
    let disturbance = Disturbance::begin("frozen");
    disturbance.setup.cluster.members.iter().for_each(Member::freeze);
    pause(SILENCE);
    disturbance.setup.cluster.members.iter().for_each(Member::thaw);
    disturbance.end("all members frozen for 3 s");
}

#[test]
fn the_network_to_etcd_is_silent_for_three_seconds_and_no_ping_is_lost() {
    let disturbance = Disturbance::begin("silent");
    let cut = disturbance.setup.cut_etcd(0, Way::Both);
    pause(SILENCE);
    cut.heal();
    disturbance.end("cut off for 3 s");
}

#[test]
fn the_members_are_restarted_one_after_the_other_and_no_ping_is_lost() {
    let mut disturbance = Disturbance::begin("rolling");
    for place in 0..disturbance.setup.cluster.members.len() {
        disturbance.setup.cluster.members[place].terminate();
        disturbance.setup.wait_renewed(0);
        disturbance.setup.cluster.members[place].restart();
        disturbance.setup.cluster.wait_member(place);
        disturbance.setup.wait_renewed(0);
    }
    disturbance.end("a rolling restart");
}

#[test]
fn etcd_elects_another_leader_and_no_ping_is_lost() {
    let mut disturbance = Disturbance::begin("election");
    disturbance.setup.cluster.move_leader();
    disturbance.setup.wait_renewed(0);
    let leader = disturbance.setup.cluster.leader();
    disturbance.setup.cluster.members[leader].kill();
    let killed = now();
    disturbance.setup.cluster.wait_healthy();
    report(&format!("without a leader for {:.2} s", now().since(killed).as_secs_f64()));
    disturbance.setup.wait_renewed(0);
    disturbance.setup.cluster.members[leader].restart();
    disturbance.end("a moved and a killed leader");
}

/// vip-manager #208.
#[test]
fn etcd_is_compacted_during_a_cut_and_no_ping_is_lost() {
    let disturbance = Disturbance::begin("compacted");
    let cut = disturbance.setup.cut_etcd(0, Way::Both);
    let cut_at = now();
    for number in 0..50 {
        disturbance.setup.write(&format!("{KEY}-other"), &number.to_string(), 0);
    }
    disturbance.setup.cluster.compact();
    disturbance.setup.cluster.defragment();
    pause(SILENCE.saturating_sub(now().since(cut_at)));
    cut.heal();
    disturbance.end("compacted while cut off for 3 s");
}

#[test]
fn the_whole_of_etcd_is_killed_and_started_again_and_no_ping_is_lost() {
    let mut disturbance = Disturbance::begin("restart");
    let killed = now();
    disturbance.setup.cluster.members.iter_mut().for_each(Member::kill);
    disturbance.setup.cluster.members.iter_mut().for_each(Member::restart);
    disturbance.setup.cluster.wait_healthy();
    report(&format!("all of etcd was away for {:.2} s", now().since(killed).as_secs_f64()));
    disturbance.end("a restart of all members at once");
}
