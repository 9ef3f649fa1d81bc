//! With a Lease as a claim no two hosts hold the VIP, whatever becomes of Patroni's record.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::claims::{restart_in_both_ways, wait_handed_over};
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::cut::{Cut, Way};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::host::VIP;
use crate::support::kubernetes::claim_path;
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, report, wait_logged};
use crate::{LOOP, Setup, TTL};

/// The default claim-ttl with what a watcher waits beyond it, and what a busy machine adds.
const CLAIM: Duration = Duration::from_secs(20);
/// What the daemon and a watch need.
const QUICK: Duration = Duration::from_secs(2);

fn config(setup: &Setup, host: usize) -> ConfigFile {
    setup.kubernetes.config(&setup.hosts[host]).with("claim", "require")
}

fn daemons(setup: &Setup) -> Vec<Daemon> {
    (0..setup.hosts.len()).map(|host| Daemon::start(&setup.hosts[host], &config(setup, host))).collect()
}

fn holder(setup: &Setup) -> Option<String> {
    setup.kubernetes.claim()?["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

fn overlap(setup: &Setup) -> Duration {
    setup.observer.overlap(&setup.hosts[0], &setup.hosts[1], VIP)
}

#[test]
fn two_hosts_never_hold_the_vip_when_the_record_is_moved_while_the_holder_is_cut_off() {
    for way in [Way::Both, Way::In] {
        let setup = Setup::new("kube-claim-cut", 2);
        let _daemons = daemons(&setup);
        let first = setup.leader(0);
        setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
        first.die();
        let cut = Cut::between(&setup.lab, &setup.hosts[0], &[&setup.kubernetes.host], way);
        let moved = now();
        let _second = setup.leader(1);
        wait_handed_over(&setup.observer, [&setup.hosts[0], &setup.hosts[1]], moved, CLAIM);
        cut.heal();
        pause(Duration::from_secs(4));
        assert!(setup.observer.holds(&setup.hosts[1], VIP) && !setup.observer.holds(&setup.hosts[0], VIP));
        assert_eq!((overlap(&setup), holder(&setup).as_deref()), (Duration::ZERO, Some("db2")));
    }
}

#[test]
fn a_switchover_waits_for_the_old_holder_to_give_its_claim_up() {
    let setup = Setup::new("kube-claim-move", 2);
    let daemons = daemons(&setup);
    let mut leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    wait_logged(&daemons[0], "grade: exact");
    for place in [1, 0, 1] {
        drop(leader);
        let moved = now();
        leader = setup.leader(place);
        let held = setup.observer.wait_held(&setup.hosts[place], VIP, SOON);
        report("held after the move", held.since(moved));
        assert!(held.since(moved) < QUICK, "{:?}", held.since(moved));
    }
    assert_eq!(overlap(&setup), Duration::ZERO);
}

#[test]
fn the_claim_of_a_killed_daemon_is_over_for_a_host_that_has_looked_at_it_before() {
    let setup = Setup::new("kube-claim-killed", 2);
    let daemons = daemons(&setup);
    let first = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    wait_for("the claim of the first host", SOON, || holder(&setup).as_deref() == Some("db1"));
    daemons[0].process.signal(Signal::SIGKILL);
    let killed = now();
    first.die();
    // No host may take the record before its ttl has passed.
    pause(Duration::from_secs(TTL));
    let _second = setup.leader(1);
    let moved = now();
    let held = setup.observer.wait_held(&setup.hosts[1], VIP, CLAIM);
    let gone = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    report("gone after the kill", gone.since(killed));
    report("held after the record was free", held.since(moved));
    assert!(held.since(moved) < QUICK, "{:?}", held.since(moved));
    assert_eq!(overlap(&setup), Duration::ZERO);
}

#[test]
fn another_hosts_claim_is_waited_for_until_it_is_over_or_given_up() {
    let setup = Setup::new("kube-claim-foreign", 1);
    setup.kubernetes.set_claim(Some("somebody"), 3);
    let daemon = Daemon::start(&setup.hosts[0], &config(&setup, 0));
    wait_for("the daemon to be ready", SOON, || daemon.ready());
    let leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    leader.die();
    setup.kubernetes.annotate(crate::support::kubernetes::KEY, &json!({"leader": null}));
    setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    wait_for("the claim to be given up", SOON, || holder(&setup).is_none());

    setup.kubernetes.set_claim(Some("somebody"), 60);
    let _leader = setup.leader(0);
    wait_logged(&daemon, "claimed by somebody, at most ");
    pause(Duration::from_secs(5));
    assert!(!setup.observer.holds(&setup.hosts[0], VIP));
    setup.kubernetes.set_claim(None, 60);
    let given_up = now();
    let held = setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    report("held after it was given up", held.since(given_up));
    assert!(held.since(given_up) < QUICK, "{:?}", held.since(given_up));
}

#[test]
fn a_claim_that_is_deleted_or_taken_by_hand_releases_the_vip() {
    let setup = Setup::new("kube-claim-lost", 1);
    let _daemons = daemons(&setup);
    let _leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    setup.kubernetes.set_claim(Some("somebody"), 600);
    setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    setup.kubernetes.delete(&claim_path());
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    assert_eq!(holder(&setup).as_deref(), Some("db1"));
}

#[test]
fn a_restart_takes_the_claim_over_and_loses_no_ping_and_a_stop_gives_it_up() {
    let setup = Setup::new("kube-claim-restart", 1);
    let keep = config(&setup, 0).with("on-stop", "keep");
    let mut daemon = Daemon::start(&setup.hosts[0], &keep);
    let _leader = setup.leader(0);
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let pinger = Pinger::start(&setup.client, VIP, Duration::from_millis(10));
    wait_for("the first answers", SOON, || pinger.pings().answers.len() > 5);
    let written = |setup: &Setup| setup.kubernetes.claim().map(|claim| claim["metadata"]["annotations"].clone());
    restart_in_both_ways(
        &mut daemon,
        &keep,
        || written(&setup),
        |daemon, _, _| {
            wait_for("the restarted daemon to confirm the VIP", SOON, || daemon.ready());
            let known = pinger.pings().answers.len();
            wait_for("more answers", SOON, || pinger.pings().answers.len() > known + 50);
        },
    );
    let pings = pinger.stop();
    report("pings lost", pings.lost());
    report("pings sent", pings.sent);
    assert_eq!((pings.lost(), setup.observer.intervals(&setup.hosts[0], VIP).len()), (0, 1));

    daemon.rewrite_config(&config(&setup, 0));
    daemon.process.signal(Signal::SIGHUP);
    wait_logged(&daemon, "configuration reloaded");
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert_eq!(holder(&setup), None, "it is given up");
    assert!(!setup.observer.holds(&setup.hosts[0], VIP));
}

#[test]
fn without_the_right_to_claim_require_does_not_hold_and_auto_does() {
    for mode in ["require", "auto"] {
        let setup = Setup::new("kube-claim-right", 1);
        setup.kubernetes.forbid_claims();
        let daemon = Daemon::start(&setup.hosts[0], &config(&setup, 0).with("claim", mode));
        let _leader = setup.leader(0);
        wait_logged(
            &daemon,
            "kubectl -n pg create role vip-manager-claim --verb=get,create,update,watch \
             --resource=leases.coordination.k8s.io && kubectl -n pg create rolebinding vip-manager-claim \
             --role=vip-manager-claim --serviceaccount=pg:vip",
        );
        if mode == "auto" {
            setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
            wait_logged(&daemon, "weaker promise");
        } else {
            pause(LOOP);
            assert!(!setup.observer.holds(&setup.hosts[0], VIP));
        }
        setup.kubernetes.allow_claims();
        let granted = wait_until("the claim", 3 * SOON, || holder(&setup));
        assert_eq!(granted, "db1");
        setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    }
}
