//! The VIP follows the leader.

use std::time::Duration;

use crate::support::clock::{now, wait_for};
use crate::support::daemon::vip_manager;
use crate::support::host::VIP;
use crate::support::setup::{report, wait_logged};
use crate::{Cluster, SOON, config};

/// A poll each quarter of a second finds a change, and there is nothing else that could.
#[test]
fn the_vip_is_on_the_host_whose_patroni_leads() {
    let mut cluster = Cluster::new("rest-follow", 2);
    cluster.apis[0].lead(true);
    cluster.start_daemons(&config());
    cluster.wait_held(0);
    let (mut releases, mut acquisitions) = (Vec::new(), Vec::new());
    for turn in 0..10 {
        let (from, to) = (turn % 2, (turn + 1) % 2);
        let denied = now();
        cluster.apis[from].lead(false);
        releases.push(cluster.wait_gone(from).since(denied));
        let named = now();
        cluster.apis[to].lead(true);
        acquisitions.push(cluster.wait_held(to).since(named));
    }
    releases.sort();
    acquisitions.sort();
    report("releases after the first 503", &releases);
    report("acquisitions after the first 200", &acquisitions);
    // Five polls.
    assert!(releases[9].max(acquisitions[9]) < Duration::from_millis(1_250));
    assert_eq!(cluster.observer.overlap(&cluster.hosts[0], &cluster.hosts[1], VIP), Duration::ZERO);
    cluster.apis[0].asked();
    cluster.apis[0].asked();
    wait_for("a poll", SOON, || cluster.apis[0].asked().contains(&"/leader".to_owned()));
}

#[test]
fn the_grade_is_assumed_and_shown() {
    let cluster = Cluster::leading("rest-grade");
    let daemon = &cluster.daemons[0];
    wait_logged(daemon, "unless confirmed; grade: assumed");
    wait_logged(daemon, "/leader holds \"200\", which is this host");
    let mut command = vip_manager(&cluster.hosts[0]);
    let shown = command.args(["status", "--config"]).arg(&daemon.config).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    // Without a daemon's socket it asks the store itself.
    assert!(shown.contains("grade      assumed: from the leader's settings"), "{shown}");
}

/// What a daemon with `interval: 10s` would miss.
#[test]
fn a_long_interval_does_not_make_the_polls_rare() {
    let mut cluster = Cluster::new("rest-interval", 1);
    cluster.start_daemons(&config().with("interval", "10s").with("hold-timeout", "30s"));
    wait_for("polls", SOON, || cluster.apis[0].asked().contains(&"/leader".to_owned()));
    let named = now();
    cluster.apis[0].lead(true);
    assert!(cluster.wait_held(0).since(named) < Duration::from_millis(1_250));
}
