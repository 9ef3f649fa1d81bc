//! All of etcd is unavailable for longer than the hold-timeout and then comes back unchanged.
//!
//! Patroni keeps leading meanwhile (its failsafe mode) and never writes its key again. So no watch event ever comes, and
//! a daemon that waited for one would wait forever.

use std::time::Duration;

use super::measure::{report, seconds};
use super::setup::{HOLD, SOON, Setup};
use super::support::clock::{now, pause, wait_for, wait_until};
use super::support::daemon::KEY;
use super::support::etcd::{Cluster, Member};
use super::support::fail::OrFail;
use super::support::host::VIP;
use super::support::tcp::{ConnectionState, EchoServer, TcpClient};

const AWAY: Duration = Duration::from_secs(40);
const QUORUM_LOST: Duration = Duration::from_secs(30);
/// Longer than every outage here.
const LEASE: i64 = 150;
/// Tolerance for a busy machine.
const LATE: Duration = Duration::from_millis(500);
const EARLY: Duration = Duration::from_millis(2_500);

fn outage(name: &str, span: Duration, stop: impl FnOnce(&mut Cluster), start: impl FnOnce(&mut Cluster)) {
    let mut setup = Setup::new(name, 2);
    let lease = setup.cluster.store().grant(LEASE);
    setup.write(KEY, "db1", lease);
    setup.wait_held(0);
    setup.wait_renewed(0);
    let (watcher, before) = (setup.key_watcher(), setup.entry());
    let _database = EchoServer::on(&setup.hosts[0]);
    let session = TcpClient::connect(&setup.client, VIP).or_fail("connecting to the database");

    stop(&mut setup.cluster);
    let stopped = now();
    let gone = setup.wait_gone(0, HOLD + SOON);
    wait_for("the client's connection to be reset", SOON, || {
        matches!(session.status().state, ConnectionState::Reset(_))
    });
    pause(span.saturating_sub(now().since(stopped)));
    assert!(!setup.holds(0) && !setup.holds(1));
    let started = now();
    start(&mut setup.cluster);
    setup.cluster.wait_healthy();
    let healthy = now();
    let held = wait_until("the VIP's return", Duration::from_secs(30), || {
        setup.observer.holds(&setup.hosts[0], VIP).then(|| setup.wait_held(0))
    });

    assert_eq!(setup.entry(), before, "the key was never written");
    // Each member reports the probe that proved the watch, the slower ones late.
    let mut changes = watcher.changes();
    changes.retain(|change| change.key == KEY);
    assert_eq!(changes, [], "no watch event came");
    report(&format!(
        "{name}: released after {:.2} s, acquired again {:.2} s after etcd was started, {:.2} s after it answered",
        seconds(stopped, gone),
        seconds(started, held),
        seconds(healthy, held)
    ));
    assert!(
        gone < stopped + HOLD + LATE && gone > stopped + HOLD - EARLY,
        "gone after {:.2} s",
        seconds(stopped, gone)
    );
    // Five times the requirement, because the machine may be busy.
    assert!(held.since(healthy) < Duration::from_secs(10), "back after {:.2} s", seconds(healthy, held));
    setup.wait_renewed(0);
    assert_eq!(setup.intervals(0).len(), 2, "{:?}", setup.intervals(0));
    assert_eq!(setup.intervals(1), []);
}

/// vip-manager #411, #354.
#[test]
fn vip_is_released_at_its_deadline_when_etcd_hangs_and_comes_back_without_a_watch_event() {
    let all = |act: fn(&Member)| move |cluster: &mut Cluster| cluster.members.iter().for_each(act);
    outage("hung", AWAY, all(Member::freeze), all(Member::thaw));
}

#[test]
fn vip_is_released_at_its_deadline_when_etcd_is_down_and_comes_back_without_a_watch_event() {
    outage(
        "down",
        AWAY,
        |cluster| cluster.members.iter_mut().for_each(Member::kill),
        |cluster| cluster.members.iter_mut().for_each(Member::restart),
    );
}

/// vip-manager #431: etcd answers, but every read fails.
#[test]
fn vip_is_released_when_the_quorum_is_lost_and_comes_back_without_a_watch_event() {
    outage(
        "quorum",
        QUORUM_LOST,
        |cluster| cluster.members[1..].iter_mut().for_each(Member::kill),
        |cluster| cluster.members[1..].iter_mut().for_each(Member::restart),
    );
}
