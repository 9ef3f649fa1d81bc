//! The VIP follows the leader key.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::setup::{SOON, Setup, TTL, wait_logged};
use crate::support::clock::{now, wait_for};
use crate::support::daemon::{Daemon, KEY};
use crate::support::host::VIP;
use crate::support::setup::{report, wait_status};

/// As Patroni does it: a new znode of another session, with version 0 as ever.
#[test]
fn the_vip_follows_the_leader_and_two_hosts_never_have_it() {
    let mut setup = Setup::new("follows", 3, 2);
    setup.start(|config| config);
    let patronis = [setup.patroni(0, TTL), setup.ensemble.session(1, TTL)];
    setup.wait_held(0);
    for round in 0..6 {
        let to = (round + 1) % 2;
        let since = now();
        patronis[to].lead(KEY, setup.hosts[to].name());
        wait_for("the VIP at the new leader", SOON, || setup.holds(to) && !setup.holds(1 - to));
        report("moved after", now().since(since));
    }
    assert_eq!(setup.overlap(), Duration::ZERO);
    wait_logged(&setup.daemons[0], "grade");
}

#[test]
fn a_leader_that_steps_down_is_noticed_at_once() {
    let mut setup = Setup::new("down", 1, 1);
    setup.start(|config| config);
    let patroni = setup.patroni(0, TTL);
    setup.wait_held(0);
    let since = now();
    // It closes its session, as Patroni does.
    patroni.close();
    let gone = setup.wait_gone(0, SOON);
    report("released after", gone.since(since));
    assert!(gone.since(since) < Duration::from_secs(3), "{:?}: no read of an interval was needed", gone.since(since));
    let _patroni = setup.patroni(0, TTL);
    setup.wait_held(0);
}

#[test]
fn keys_below_a_root_are_found() {
    let mut setup = Setup::new("root", 1, 1);
    let endpoint = format!("{}/apps/databases", setup.ensemble.endpoints()[0]);
    setup.start(|config| config.with("dcs-endpoints", &endpoint));
    let patroni = setup.ensemble.session(0, TTL);
    patroni.lead(&format!("/apps/databases{KEY}"), "db1");
    setup.wait_held(0);
    assert_eq!(patroni.delete(&format!("/apps/databases{KEY}")).0, 0);
    setup.wait_gone(0, SOON);
}

#[test]
fn a_restart_on_the_leader_loses_no_ping() {
    let mut setup = Setup::new("restart", 3, 1);
    setup.start(|config| config.with("on-stop", "keep"));
    let _patroni = setup.patroni(0, TTL);
    setup.wait_held(0);
    let pinger = setup.ping();
    for _ in 0..2 {
        let mut first = setup.daemons.remove(0);
        first.process.signal(Signal::SIGTERM);
        assert_eq!(first.process.wait(SOON).code(), Some(0));
        let second = Daemon::start(&setup.hosts[0], &setup.config(0).with("on-stop", "keep"));
        wait_logged(&second, "found at start");
        wait_status(&second, "held");
        setup.daemons.push(second);
    }
    let sent = setup.assert_undisturbed(0, pinger);
    report("pings, none lost", sent);
    assert!(setup.hosts[0].carries(VIP));
}
