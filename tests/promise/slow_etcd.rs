//! An overloaded etcd, which answers late and in bursts but within the deadline.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::measure::report;
use super::setup::{SOON, Setup};
use super::support::clock::{now, pause};
use super::support::etcd::Member;

const SPAN: Duration = Duration::from_secs(20);
/// Less than etcd's election timeout of one second, so that the leader stays.
const STOPPED: Duration = Duration::from_millis(800);
const RUNNING: Duration = Duration::from_millis(200);

/// vip-manager #431.
#[test]
fn vip_is_kept_when_etcd_answers_in_bursts() {
    let setup = Setup::new("slow", 2);
    setup.lead(0);
    setup.wait_renewed(0);
    let pinger = setup.ping();
    let begin = now();
    while now().since(begin) < SPAN {
        setup.cluster.members.iter().for_each(Member::freeze);
        pause(STOPPED);
        setup.cluster.members.iter().for_each(Member::thaw);
        pause(RUNNING);
    }
    let renewals = setup.shown_since(0, begin).len();
    setup.wait_renewed(0);
    let pings = setup.assert_undisturbed(0, pinger);
    report(&format!(
        "{renewals} renewals in {SPAN:?} of an etcd that was stopped four fifths of the time, {} pings",
        pings.sent
    ));
    assert_eq!(setup.intervals(1), []);
}

/// One member after the other is stopped for two seconds, so that another member must be asked.
#[test]
fn vip_is_kept_when_the_members_hang_in_turn() {
    let setup = Setup::new("turns", 2);
    setup.lead(0);
    setup.wait_renewed(0);
    let pinger = setup.ping();
    for turn in 0..6 {
        let member = &setup.cluster.members[turn % 3];
        member.freeze();
        pause(Duration::from_secs(2));
        member.thaw();
    }
    setup.cluster.wait_healthy();
    setup.wait_renewed(0);
    setup.assert_undisturbed(0, pinger);
    let moved = setup.set_leader(1);
    let held = setup.wait_held(1);
    setup.wait_gone(0, SOON);
    assert!(held.since(moved) < Duration::from_secs(10));
}

/// Here the daemon, not etcd, gets little processor time.
#[test]
fn vip_is_kept_when_the_daemon_is_starved_but_still_reads() {
    let setup = Setup::new("starved", 2);
    setup.lead(0);
    setup.wait_renewed(0);
    let pinger = setup.ping();
    for _ in 0..4 {
        setup.daemons[0].process.signal(Signal::SIGSTOP);
        pause(Duration::from_millis(3_500));
        setup.daemons[0].process.signal(Signal::SIGCONT);
        setup.wait_renewed(0);
    }
    let pings = setup.assert_undisturbed(0, pinger);
    report(&format!("a daemon that was stopped for 3.5 s four times: {} pings, none lost", pings.sent));
    assert_eq!(setup.intervals(1), []);
}
