//! The VIP follows the record: a change of the leader, renewals, a release, a restart, a leader that died.

use std::time::Duration;

use serde_json::json;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::cut::Cut;
use crate::support::daemon::Daemon;
use crate::support::host::VIP;
use crate::support::kubernetes::KEY;
use crate::support::kubernetes::patroni::{Leader, annotations};
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, report, wait_announced, wait_logged};
use crate::{LOOP, Setup, TTL};

/// The daemon's default.
const MARGIN: Duration = Duration::from_secs(3);

#[test]
fn a_change_of_the_leader_moves_the_vip_and_announces_it() {
    let setup = Setup::new("kube-change", 2);
    let daemons: Vec<_> = setup.hosts.iter().map(|host| Daemon::start(host, &setup.kubernetes.config(host))).collect();
    let capture = Capture::on(&setup.client);
    let mut leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    for place in [1, 0, 1] {
        drop(leader);
        let before = now();
        leader = setup.leader(place);
        let held = setup.observer.wait_held(&setup.hosts[place], VIP, SOON);
        let announced = wait_announced(&capture, &setup.hosts[place], VIP, before);
        let (sent, written) = leader.renewed().unwrap();
        report("from the write's request to the address", held.since(sent));
        report("from the write's answer to the first announcement", announced.at.since(written));
        setup.observer.wait_gone(&setup.hosts[1 - place], VIP, SOON);
    }
    let overlap = setup.observer.overlap(&setup.hosts[0], &setup.hosts[1], VIP);
    report("overlap", overlap);
    assert!(overlap < Duration::from_millis(500), "{overlap:?}");
    drop(daemons);
}

#[test]
fn an_endpoints_object_is_followed_as_well_and_a_release_gives_the_vip_back() {
    let setup = Setup::new("kube-endpoints", 1);
    let key = "pg/endpoints/main";
    let config = setup.kubernetes.config(&setup.hosts[0]).with("trigger-key", key);
    let _daemon = Daemon::start(&setup.hosts[0], &config);
    let leader = Leader::of(&setup.kubernetes, &setup.hosts[0], key, TTL, LOOP);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    leader.die();
    let before = now();
    setup.kubernetes.annotate(key, &json!({"leader": null}));
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    report("from the release to the address's end", gone.since(before));
}

#[test]
fn renewals_keep_the_vip_and_a_leader_that_died_loses_it_before_its_ttl() {
    let setup = Setup::new("kube-died", 1);
    let leader = setup.leader(0);
    let _daemon = Daemon::start(&setup.hosts[0], &setup.kubernetes.config(&setup.hosts[0]));
    let held = setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let pinger = Pinger::start(&setup.client, VIP, Duration::from_millis(20));
    pause(Duration::from_secs(TTL) + LOOP);
    assert!(setup.observer.held_at(&setup.hosts[0], VIP, now()), "renewals keep it beyond the ttl of the first record");
    assert_eq!(setup.observer.intervals(&setup.hosts[0], VIP).len(), 1);
    let (sent, _) = leader.die().unwrap();
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, Duration::from_secs(TTL) + SOON).unwrap();
    report("held for", gone.since(held));
    report("gone after the last renewal was sent", gone.since(sent));
    let held_after = gone.since(sent) + MARGIN;
    assert!(held_after < Duration::from_secs(TTL) + Duration::from_millis(500), "{held_after:?}");
    assert!(held_after + LOOP > Duration::from_secs(TTL), "{held_after:?}");
    report("pings lost", pinger.stop().lost());
}

#[test]
fn a_holder_that_is_cut_off_is_gone_before_another_host_may_lead() {
    let setup = Setup::new("kube-cut", 1);
    let leader = setup.leader(0);
    let _daemon = Daemon::start(&setup.hosts[0], &setup.kubernetes.config(&setup.hosts[0]));
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let first = leader.renewed();
    wait_for("another renewal", SOON, || leader.renewed() != first);
    let _cut = Cut::off(&setup.lab, &setup.hosts[0]);
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, Duration::from_secs(TTL) + SOON).unwrap();
    let (sent, _) = leader.renewed().unwrap();
    report("gone after the last renewal was sent", gone.since(sent));
    assert!(gone.since(sent) < Duration::from_secs(TTL));
}

#[test]
fn a_restart_on_the_leader_loses_no_ping() {
    let setup = Setup::new("kube-restart", 1);
    let config = setup.kubernetes.config(&setup.hosts[0]).with("on-stop", "keep");
    let _leader = setup.leader(0);
    let daemon = Daemon::start(&setup.hosts[0], &config);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let pinger = Pinger::start(&setup.client, VIP, Duration::from_millis(10));
    let mut daemon = Some(daemon);
    for _ in 0..5 {
        if let Some(mut daemon) = daemon.take() {
            daemon.process.signal(nix::sys::signal::Signal::SIGTERM);
            daemon.process.wait(SOON);
        }
        let new = Daemon::start(&setup.hosts[0], &config);
        wait_for("the restarted daemon to confirm the VIP", SOON, || new.ready());
        let known = pinger.pings().answers.len();
        wait_for("more answers", SOON, || pinger.pings().answers.len() > known + 50);
        daemon = Some(new);
    }
    let pings = pinger.stop();
    report("pings sent", pings.sent);
    assert_eq!(pings.lost(), 0);
    assert_eq!(setup.observer.intervals(&setup.hosts[0], VIP).len(), 1);
}

/// A record of unknown age is no ground to hold, even if it names this host.
#[test]
fn an_old_record_that_names_this_host_is_no_ground_to_acquire() {
    let setup = Setup::new("kube-old", 1);
    let mut old = annotations("db1", TTL);
    old["renewTime"] = json!("2026-01-01T00:00:00.000000+00:00");
    setup.kubernetes.annotate(KEY, &old);
    let daemon = Daemon::start(&setup.hosts[0], &setup.kubernetes.config(&setup.hosts[0]));
    wait_for("the daemon to be ready", SOON, || daemon.ready());
    pause(Duration::from_secs(3));
    assert!(setup.observer.intervals(&setup.hosts[0], VIP).is_empty(), "it never held the VIP");
    let _leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    wait_logged(&daemon, "acquired");
}
