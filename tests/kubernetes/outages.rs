//! The API server goes away and comes back, and forgets what was.

use std::time::Duration;

use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::Daemon;
use crate::support::host::VIP;
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, report, wait_logged};
use crate::{LOOP, Setup};

#[test]
fn a_restart_of_the_api_server_is_survived_and_changes_are_seen_again() {
    let mut setup = Setup::new("kube-again", 2);
    let daemons: Vec<_> = setup.hosts.iter().map(|host| Daemon::start(host, &setup.kubernetes.config(host))).collect();
    let leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let pinger = Pinger::start(&setup.client, VIP, Duration::from_millis(20));
    let killed = now();
    setup.kubernetes.kill();
    pause(Duration::from_secs(1));
    setup.kubernetes.restart();
    report("the API server was away for", now().since(killed));
    wait_logged(&daemons[0], "endpoint answers again");
    let before = leader.renewed();
    wait_for("another renewal", SOON, || leader.renewed() != before);
    let lost = pinger.stop().lost();
    report("pings lost", lost);
    drop(leader);
    let _leader = setup.leader(1);
    setup.observer.wait_held(&setup.hosts[1], VIP, SOON);
    setup.observer.wait_gone(&setup.hosts[0], VIP, SOON);
}

#[test]
fn a_watch_that_fell_behind_is_followed_by_a_new_list() {
    let mut setup = Setup::new("kube-expired", 1);
    let daemon = Daemon::start(&setup.hosts[0], &setup.kubernetes.config(&setup.hosts[0]).with("log-level", "debug"));
    let leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    setup.kubernetes.kill();
    setup.kubernetes.forget_history();
    setup.kubernetes.restart();
    wait_logged(&daemon, "endpoint answers again");
    drop(leader);
    let _leader = setup.leader(0);
    pause(LOOP);
    assert!(setup.observer.holds(&setup.hosts[0], VIP));
}
