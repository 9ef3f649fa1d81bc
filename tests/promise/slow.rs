//! An etcd that is overloaded: it answers late and in fits, but inside the deadline.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::measure::tell;
use super::scene::{SOON, Scene};
use super::support::clock::{now, pause};
use super::support::etcd::Member;

const SPAN: Duration = Duration::from_secs(20);
/// Less than etcd's election timeout of one second, so that it goes on as it is, only slower.
const STOPPED: Duration = Duration::from_millis(800);
const RUNNING: Duration = Duration::from_millis(200);

/// vip-manager #431.
#[test]
fn etcd_answers_in_fits_for_twenty_seconds_and_the_vip_stays() {
    let scene = Scene::new("slow", 2);
    scene.lead(0);
    scene.wait_renewed(0);
    let pinger = scene.ping();
    let begin = now();
    while now().since(begin) < SPAN {
        scene.cluster.members.iter().for_each(Member::freeze);
        pause(STOPPED);
        scene.cluster.members.iter().for_each(Member::thaw);
        pause(RUNNING);
    }
    let renewals = scene.shown_since(0, begin).len();
    scene.wait_renewed(0);
    let pings = scene.unharmed(0, pinger);
    tell(&format!(
        "{renewals} renewals in {SPAN:?} of an etcd that was stopped four fifths of the time, {} pings",
        pings.sent
    ));
    assert_eq!(scene.intervals(1), []);
}

/// One member after the other is stopped for two seconds: whoever is asked, somebody else has to be asked in its place.
#[test]
fn the_members_hang_in_turn_and_the_vip_stays() {
    let scene = Scene::new("turns", 2);
    scene.lead(0);
    scene.wait_renewed(0);
    let pinger = scene.ping();
    for turn in 0..6 {
        let member = &scene.cluster.members[turn % 3];
        member.freeze();
        pause(Duration::from_secs(2));
        member.thaw();
    }
    scene.cluster.wait_healthy();
    scene.wait_renewed(0);
    scene.unharmed(0, pinger);
    let moved = scene.name(1);
    let held = scene.wait_held(1);
    scene.wait_gone(0, SOON);
    assert!(held.since(moved) < Duration::from_secs(10));
}

/// The other way round: it is the daemon that gets the processor only now and then.
#[test]
fn a_starved_daemon_keeps_the_vip_as_long_as_it_gets_to_read_now_and_then() {
    let scene = Scene::new("starved", 2);
    scene.lead(0);
    scene.wait_renewed(0);
    let pinger = scene.ping();
    for _ in 0..4 {
        scene.daemons[0].process.signal(Signal::SIGSTOP);
        pause(Duration::from_millis(3_500));
        scene.daemons[0].process.signal(Signal::SIGCONT);
        scene.wait_renewed(0);
    }
    let pings = scene.unharmed(0, pinger);
    tell(&format!("a daemon that was stopped for 3.5 s four times: {} pings, none lost", pings.sent));
    assert_eq!(scene.intervals(1), []);
}
