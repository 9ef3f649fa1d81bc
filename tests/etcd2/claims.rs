//! With a claim no two hosts hold the VIP, whatever becomes of the leader key.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::claims::{restart_in_both_ways, wait_handed_over};
use crate::support::clock::{now, pause, wait_for};
use crate::support::cut::{Cut, Way};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::host::{Host, VIP};
use crate::support::ping::Pinger;
use crate::support::setup::{report, wait_logged};
use crate::{SOON, Setup};

/// What the daemon and a wait need.
const QUICK: Duration = Duration::from_secs(2);

fn config(setup: &Setup, host: usize) -> ConfigFile {
    setup.config(&setup.hosts[host]).with("claim", "require")
}

fn setup(name: &str, hosts: usize) -> Setup {
    let mut setup = Setup::bare(name, 3, hosts);
    for host in 0..hosts {
        setup.daemons.push(Daemon::start(&setup.hosts[host], &config(&setup, host)));
    }
    for daemon in &setup.daemons {
        wait_for(&format!("{} to be ready", daemon.host.name()), SOON, || daemon.ready());
    }
    setup
}

fn path() -> String {
    format!("v2/keys/service/pg_cluster/vip/{VIP}")
}

fn claim(setup: &Setup) -> Option<Value> {
    let url = format!("{}/{}", setup.cluster.endpoints()[0], path());
    let said = setup.admin.attempt("curl", &["-s", "-m", "5", &url]).ok()?;
    serde_json::from_str::<Value>(&said).ok()?.get("node").cloned()
}

fn is_claimed_by(setup: &Setup, host: usize) -> bool {
    let name = format!("\"host\":\"{}\"", setup.hosts[host].name());
    claim(setup).is_some_and(|claim| claim["value"].as_str().is_some_and(|value| value.contains(&name)))
}

#[test]
fn two_hosts_never_hold_the_vip_when_the_key_is_moved_while_the_holder_is_cut_off() {
    for way in [Way::Both, Way::In] {
        let setup = setup("e2-claim-cut", 2);
        setup.lead(0);
        // Several renewals.
        pause(Duration::from_secs(7));
        assert!(is_claimed_by(&setup, 0));
        let members: Vec<&Host> = setup.cluster.members.iter().map(|member| &member.host).collect();
        let cut = Cut::between(&setup.lab, &setup.hosts[0], &members, way);
        let moved = now();
        setup.put(setup.hosts[1].name(), None);
        wait_handed_over(&setup.observer, [&setup.hosts[0], &setup.hosts[1]], moved, SOON);
        cut.heal();
        pause(Duration::from_secs(4));
        assert!(setup.observer.holds(&setup.hosts[1], VIP) && is_claimed_by(&setup, 1));
        assert_eq!(setup.overlap(), Duration::ZERO);
        assert_eq!(setup.observer.intervals(&setup.hosts[0], VIP).len(), 1);
    }
}

#[test]
fn a_switchover_waits_for_the_claim_to_be_deleted_and_a_killed_daemons_claim_ends() {
    let setup = setup("e2-claim-move", 2);
    setup.lead(0);
    for next in [1, 0, 1] {
        let moved = now();
        setup.put(setup.hosts[next].name(), None);
        let held = setup.observer.wait_held(&setup.hosts[next], VIP, SOON);
        report("held after the move", held.since(moved));
        assert!(held.since(moved) < QUICK, "{:?}", held.since(moved));
    }
    setup.daemons[1].process.signal(Signal::SIGKILL);
    let killed = now();
    setup.put(setup.hosts[0].name(), None);
    let held = setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    let gone = setup.observer.wait_gone(&setup.hosts[1], VIP, SOON).unwrap();
    report("gone after the kill", gone.since(killed));
    report("held after the kill", held.since(killed));
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn a_restart_takes_the_claim_over_and_loses_no_ping_and_a_stop_deletes_it() {
    let mut setup = setup("e2-claim-restart", 1);
    setup.lead(0);
    let keep = config(&setup, 0).with("on-stop", "keep");
    let reload = |setup: &Setup, config: &ConfigFile| {
        setup.daemons[0].rewrite_config(config);
        setup.daemons[0].process.signal(Signal::SIGHUP);
        wait_logged(&setup.daemons[0], "configuration reloaded");
    };
    reload(&setup, &keep);
    let pinger = Pinger::start(&setup.admin, VIP, Duration::from_millis(10));
    wait_for("the first answers", SOON, || pinger.pings().answers.len() > 5);
    let mut daemon = setup.daemons.remove(0);
    let value = || claim(&setup).map(|claim| claim["value"].clone());
    restart_in_both_ways(&mut daemon, &keep, value, |_, _, _| {
        let known = pinger.pings().answers.len();
        wait_for("more answers", SOON, || pinger.pings().answers.len() > known + 50);
    });
    setup.daemons.push(daemon);
    let pings = pinger.stop();
    report("pings lost", pings.lost());
    report("pings sent", pings.sent);
    assert_eq!((pings.lost(), setup.observer.intervals(&setup.hosts[0], VIP).len()), (0, 1));
    reload(&setup, &config(&setup, 0));
    setup.daemons[0].process.signal(Signal::SIGTERM);
    assert_eq!(setup.daemons[0].process.wait(SOON).code(), Some(0));
    assert_eq!(claim(&setup), None);
}

#[test]
fn a_claim_that_somebody_has_is_waited_for_and_one_that_is_replaced_by_hand_releases_the_vip() {
    let setup = setup("e2-claim-foreign", 1);
    let by_hand = |ttl: &str| drop(setup.request(&["-X", "PUT", "-d", "value=somebody", "-d", ttl], &path()[3..]));
    by_hand("ttl=60");
    setup.put(setup.hosts[0].name(), None);
    wait_logged(&setup.daemons[0], "claimed by somebody, at most ");
    pause(Duration::from_secs(3));
    assert!(!setup.observer.holds(&setup.hosts[0], VIP));
    setup.request(&["-X", "DELETE"], &path()[3..]);
    let deleted = now();
    let held = setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    report("held after it was deleted", held.since(deleted));
    assert!(held.since(deleted) < QUICK);
    by_hand("ttl=5");
    setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    assert!(is_claimed_by(&setup, 0));
}

#[test]
fn without_the_right_to_claim_require_does_not_hold_and_auto_does() {
    for mode in ["require", "auto"] {
        let setup = Setup::bare("e2-claim-right", 1, 1);
        setup.put("db1", None);
        let json = ["-H", "Content-Type: application/json", "-X", "PUT", "-d"];
        let root = ["-u", "root:hunter2"];
        setup.request(&[&json[..], &[r#"{"user":"root","password":"hunter2"}"#]].concat(), "auth/users/root");
        setup.request(&["-X", "PUT"], "auth/enable");
        let role = r#"{"role":"vip","permissions":{"kv":{"read":["/service/*"],"write":[]}}}"#;
        setup.request(&[&json[..], &[role], &root[..]].concat(), "auth/roles/vip");
        let user = r#"{"user":"vip","password":"secret","roles":["vip"]}"#;
        setup.request(&[&json[..], &[user], &root[..]].concat(), "auth/users/vip");
        let guest = r#"{"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}"#;
        setup.request(&[&json[..], &[guest], &root[..]].concat(), "auth/roles/guest");
        let config = config(&setup, 0).with("claim", mode).with("dcs-user", "vip").with("dcs-password", "secret");
        let daemon = Daemon::start(&setup.hosts[0], &config);
        wait_logged(
            &daemon,
            &format!("ETCDCTL_API=2 etcdctl role grant ROLE --path /service/pg_cluster/vip/{VIP} --readwrite"),
        );
        if mode == "auto" {
            setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
            wait_logged(&daemon, "weaker promise");
            continue;
        }
        pause(Duration::from_secs(2));
        assert!(!setup.observer.holds(&setup.hosts[0], VIP));
        let grant = r#"{"role":"vip","grant":{"kv":{"read":[],"write":["/service/pg_cluster/vip/*"]}}}"#;
        setup.request(&[&json[..], &[grant], &root[..]].concat(), "auth/roles/vip");
        setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    }
}
