//! Short outages and maintenance of etcd, which no client may notice.
//!
//! vip-manager #411: a daemon that releases the VIP at the first error breaks every session at each of these.

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

/// A leader with Patroni's default timing, a holder, and a client that pings it.
struct Outage {
    setup: Setup,
    _patronis: Vec<Patroni>,
    pinger: Pinger,
}

impl Outage {
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

    /// Asserts that the client noticed nothing.
    #[track_caller]
    fn end(self, what: &str) {
        self.setup.cluster.wait_healthy();
        self.setup.wait_renewed(0);
        let pings = self.setup.assert_undisturbed(0, self.pinger);
        assert_eq!(self.setup.intervals(1), [], "no other host held the VIP");
        report(&format!("{what}: {} pings, none lost", pings.sent));
    }
}

#[test]
fn no_ping_is_lost_when_etcd_hangs_for_three_seconds() {
    let outage = Outage::begin("frozen");
    outage.setup.cluster.members.iter().for_each(Member::freeze);
    pause(SILENCE);
    outage.setup.cluster.members.iter().for_each(Member::thaw);
    outage.end("all members frozen for 3 s");
}

#[test]
fn no_ping_is_lost_when_etcd_is_unreachable_for_three_seconds() {
    let outage = Outage::begin("silent");
    let cut = outage.setup.cut_etcd(0, Way::Both);
    pause(SILENCE);
    cut.heal();
    outage.end("cut off for 3 s");
}

#[test]
fn no_ping_is_lost_during_a_rolling_restart_of_etcd() {
    let mut outage = Outage::begin("rolling");
    for place in 0..outage.setup.cluster.members.len() {
        outage.setup.cluster.members[place].terminate();
        outage.setup.wait_renewed(0);
        outage.setup.cluster.members[place].restart();
        outage.setup.cluster.wait_member(place);
        outage.setup.wait_renewed(0);
    }
    outage.end("a rolling restart");
}

#[test]
fn no_ping_is_lost_when_etcd_elects_another_leader() {
    let mut outage = Outage::begin("election");
    outage.setup.cluster.move_leader();
    outage.setup.wait_renewed(0);
    let leader = outage.setup.cluster.leader();
    outage.setup.cluster.members[leader].kill();
    let killed = now();
    outage.setup.cluster.wait_healthy();
    report(&format!("without a leader for {:.2} s", now().since(killed).as_secs_f64()));
    outage.setup.wait_renewed(0);
    outage.setup.cluster.members[leader].restart();
    outage.end("a moved and a killed leader");
}

/// vip-manager #208.
#[test]
fn no_ping_is_lost_when_etcd_is_compacted_while_unreachable() {
    let outage = Outage::begin("compacted");
    let cut = outage.setup.cut_etcd(0, Way::Both);
    let cut_at = now();
    for number in 0..50 {
        outage.setup.write(&format!("{KEY}-other"), &number.to_string(), 0);
    }
    outage.setup.cluster.compact();
    outage.setup.cluster.defragment();
    pause(SILENCE.saturating_sub(now().since(cut_at)));
    cut.heal();
    outage.end("compacted while cut off for 3 s");
}

#[test]
fn no_ping_is_lost_when_all_of_etcd_is_killed_and_restarted() {
    let mut outage = Outage::begin("restart");
    let killed = now();
    outage.setup.cluster.members.iter_mut().for_each(Member::kill);
    outage.setup.cluster.members.iter_mut().for_each(Member::restart);
    outage.setup.cluster.wait_healthy();
    report(&format!("all of etcd was down for {:.2} s", now().since(killed).as_secs_f64()));
    outage.end("a restart of all members at once");
}
