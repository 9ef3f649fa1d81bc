//! With a claim no two hosts hold the VIP, whatever becomes of the leader key.

use std::time::Duration;

use etcd_client::{Permission, PermissionType};
use nix::sys::signal::Signal;

use super::measure::{report, seconds};
use super::setup::{SOON, Setup};
use super::support::claims::restart_in_both_ways;
use super::support::clock::{now, wait_for};
use super::support::cut::Way;
use super::support::daemon::{ConfigFile, KEY};
use super::support::etcd::{Cluster, ClusterOptions};
use super::support::fail::OrFail;
use super::support::host::VIP;
use super::support::store::{Entry, User};

/// The default claim-ttl, and what etcd and a busy machine add to it.
const CLAIM: Duration = Duration::from_secs(15);
/// What the daemon and a watch need.
const QUICK: Duration = Duration::from_secs(2);

fn setup(name: &str) -> Setup {
    Setup::with(name, 2, &ClusterOptions::default(), |_, config| config.with("claim", "require"))
}

fn claim_key() -> String {
    format!("/service/pg_cluster/vip/{VIP}")
}

fn claim(setup: &Setup) -> Option<Entry> {
    setup.cluster.store().get(&claim_key())
}

fn is_claimed_by(setup: &Setup, host: usize) -> bool {
    claim(setup).is_some_and(|claim| claim.value.contains(&format!("\"host\":\"{}\"", setup.hosts[host].name())))
}

#[test]
fn two_hosts_never_hold_the_vip_when_the_key_is_moved_while_the_holder_is_cut_off() {
    for way in [Way::Both, Way::In] {
        let setup = setup("claim-cut");
        setup.lead(0);
        let cut = setup.cut_etcd(0, way);
        let moved = setup.set_leader(1);
        let held = setup.observer.wait_held(&setup.hosts[1], VIP, CLAIM);
        let gone = setup.wait_gone(0, SOON);
        report(&format!("gone {:.2} s and held {:.2} s after the move", seconds(moved, gone), seconds(moved, held)));
        assert!(gone < held);
        cut.heal();
        setup.assert_stays_released(0, Duration::from_secs(4));
        assert!(setup.holds(1) && is_claimed_by(&setup, 1));
        assert_eq!(setup.overlap(), Duration::ZERO);
    }
}

#[test]
fn a_switchover_waits_for_the_old_holder_to_delete_its_claim() {
    let setup = setup("claim-move");
    setup.lead(0);
    for (from, to) in [(0, 1), (1, 0), (0, 1)] {
        let moved = setup.set_leader(to);
        let held = setup.wait_held(to);
        let gone = setup.wait_gone(from, SOON);
        report(&format!("gone {:.1} ms, held {:.1} ms", 1e3 * seconds(moved, gone), 1e3 * seconds(moved, held)));
        assert!(held.since(moved) < QUICK);
    }
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn the_next_host_has_the_vip_soon_after_the_key_of_a_killed_host_ends() {
    let setup = setup("claim-killed");
    let lease = setup.cluster.store().grant(20);
    setup.cluster.store().put_leased(KEY, setup.hosts[0].name(), lease);
    setup.wait_held(0);
    setup.daemons[0].process.signal(Signal::SIGKILL);
    let killed = now();
    wait_for("the end of the key's lease", Duration::from_secs(30), || setup.cluster.store().get(KEY).is_none());
    let ended = now();
    setup.set_leader(1);
    let held = setup.wait_held(1);
    let gone = setup.wait_gone(0, SOON);
    report(&format!(
        "gone {:.2} s after the kill, key ended after {:.2} s, held {:.3} s after that",
        seconds(killed, gone),
        seconds(killed, ended),
        seconds(ended, held)
    ));
    assert!(held.since(ended) < QUICK);
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn another_hosts_claim_is_waited_for_by_watch() {
    let setup = setup("claim-foreign");
    let lease = setup.cluster.store().grant(60);
    setup.cluster.store().put_leased(&claim_key(), "somebody", lease);
    setup.set_leader(0);
    let daemon = &setup.daemons[0].process;
    wait_for("a line about the claim", SOON, || daemon.logged("claimed by somebody, at most "));
    setup.assert_stays_released(0, Duration::from_secs(3));
    setup.cluster.store().delete(&claim_key());
    let deleted = now();
    let held = setup.wait_held(0);
    report(&format!("held {:.1} ms after the claim was deleted", 1e3 * seconds(deleted, held)));
    assert!(held.since(deleted) < Duration::from_secs(1) && is_claimed_by(&setup, 0));
}

#[test]
fn a_claim_that_is_deleted_by_hand_releases_the_vip_until_it_is_claimed_again() {
    let setup = setup("claim-lost");
    setup.lead(0);
    setup.cluster.store().put(&claim_key(), "somebody");
    setup.wait_gone(0, SOON);
    setup.cluster.store().delete(&claim_key());
    setup.wait_held(0);
    assert!(is_claimed_by(&setup, 0));
}

#[test]
fn a_restart_takes_the_claim_over_and_loses_no_ping() {
    let keep = |_: &Cluster, config: ConfigFile| config.with("claim", "require").with("on-stop", "keep");
    let mut setup = Setup::with("claim-restart", 1, &ClusterOptions::default(), keep);
    setup.lead(0);
    let config = keep(&setup.cluster, ConfigFile::basic(&setup.hosts[0], &setup.cluster));
    let pinger = setup.ping();
    let mut daemon = setup.daemons.remove(0);
    restart_in_both_ways(
        &mut daemon,
        &config,
        || claim(&setup),
        |_, before, after| {
            assert_ne!((after.lease, &after.value), (before.lease, &before.value));
            setup.wait_renewed(0);
        },
    );
    setup.daemons.insert(0, daemon);
    let pings = setup.assert_undisturbed(0, pinger);
    report(&format!("0 of {} pings lost in two restarts", pings.sent));
}

#[test]
fn a_stop_deletes_the_claim() {
    let mut setup = setup("claim-stop");
    setup.lead(0);
    setup.daemons[0].process.signal(Signal::SIGTERM);
    assert_eq!(setup.daemons[0].process.wait(SOON).code(), Some(0));
    assert_eq!(claim(&setup), None);
    let moved = setup.set_leader(1);
    let held = setup.wait_held(1);
    assert!(held.since(moved) < QUICK);
    assert_eq!(setup.overlap(), Duration::ZERO);
}

/// Gives the daemon a user that may only read the leader key.
fn as_reader(cluster: &Cluster, config: ConfigFile) -> ConfigFile {
    let made = cluster.store().ask(async |client| {
        client.role_add("vip").await?;
        client.role_grant_permission("vip", Permission::new(PermissionType::Read, KEY)).await?;
        client.user_add("vip", "secret", None).await?;
        client.user_grant_role("vip", "vip").await.map(|_| ())
    });
    made.or_fail("making a user that may read");
    config.with("etcd-user", "vip").with("etcd-password", "secret")
}

#[test]
fn without_the_right_to_claim_require_does_not_hold_and_auto_does() {
    for mode in ["require", "auto"] {
        let root = User { name: "root".to_owned(), password: "correct horse".to_owned() };
        let options = ClusterOptions { user: Some(root), ..ClusterOptions::default() };
        let setup =
            Setup::with("claim-right", 1, &options, |cluster, config| as_reader(cluster, config).with("claim", mode));
        setup.set_leader(0);
        let cure = format!("etcdctl role grant-permission ROLE readwrite {}", claim_key());
        let daemon = &setup.daemons[0].process;
        wait_for("the cure", SOON, || daemon.logged(&cure));
        if mode == "auto" {
            setup.wait_held(0);
            assert!(daemon.logged("weaker promise"), "{}", daemon.text());
            continue;
        }
        setup.assert_stays_released(0, Duration::from_secs(2));
        let key = claim_key();
        let granted = setup.cluster.store().ask(async move |client| {
            let write = Permission::new(PermissionType::Readwrite, key.as_str());
            client.role_grant_permission("vip", write).await.map(|_| ())
        });
        granted.or_fail("granting the right");
        setup.observer.wait_held(&setup.hosts[0], VIP, 2 * SOON);
    }
}
