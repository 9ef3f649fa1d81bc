//! All of etcd is away for longer than anybody may hold on trust, and comes back as it was.
//!
//! Patroni goes on leading meanwhile (its failsafe mode) and never writes its key again; so no event ever comes, and
//! whoever waits for one waits for ever.

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
/// Outlives every blackout here.
const LEASE: i64 = 150;
/// A read every second, and a busy machine.
const LATE: Duration = Duration::from_millis(500);
const EARLY: Duration = Duration::from_millis(2_500);

fn blackout(name: &str, span: Duration, go: impl FnOnce(&mut Cluster), come: impl FnOnce(&mut Cluster)) {
    let mut setup = Setup::new(name, 2);
    let lease = setup.cluster.store().grant(LEASE);
    setup.write(KEY, "db1", lease);
    setup.wait_held(0);
    setup.wait_renewed(0);
    let (watcher, before) = (setup.key_watcher(), setup.entry());
    let _database = EchoServer::on(&setup.hosts[0]);
    let session = TcpClient::connect(&setup.client, VIP).or_fail("connecting to the database");

    go(&mut setup.cluster);
    let dark = now();
    let gone = setup.wait_gone(0, HOLD + SOON);
    wait_for("the client to be told", SOON, || matches!(session.status().state, ConnectionState::Reset(_)));
    pause(span.saturating_sub(now().since(dark)));
    assert!(!setup.holds(0) && !setup.holds(1));
    let coming = now();
    come(&mut setup.cluster);
    setup.cluster.wait_healthy();
    let healthy = now();
    let held = wait_until("the VIP's return", Duration::from_secs(30), || {
        setup.observer.holds(&setup.hosts[0], VIP).then(|| setup.wait_held(0))
    });

    assert_eq!(setup.entry(), before, "the key was never written");
    // The probe that proved the watch is told by each member, by the slower ones after the first.
    let mut told = watcher.changes();
    told.retain(|change| change.key == KEY);
    assert_eq!(told, [], "no event ever came");
    report(&format!(
        "{name}: gone {:.2} s after etcd, back {:.2} s after it was let go on, {:.2} s after it answered again",
        seconds(dark, gone),
        seconds(coming, held),
        seconds(healthy, held)
    ));
    assert!(gone < dark + HOLD + LATE && gone > dark + HOLD - EARLY, "gone after {:.2} s", seconds(dark, gone));
    // Five times what is asked, for the sake of a busy machine.
    assert!(held.since(healthy) < Duration::from_secs(10), "back after {:.2} s", seconds(healthy, held));
    setup.wait_renewed(0);
    assert_eq!(setup.intervals(0).len(), 2, "{:?}", setup.intervals(0));
    assert_eq!(setup.intervals(1), []);
}

/// vip-manager #411, #354.
#[test]
fn etcd_hangs_for_forty_seconds_and_the_vip_goes_at_its_deadline_and_comes_back_without_an_event() {
    let all = |act: fn(&Member)| move |cluster: &mut Cluster| cluster.members.iter().for_each(act);
    blackout("hung", AWAY, all(Member::freeze), all(Member::thaw));
}

#[test]
fn etcd_is_down_for_forty_seconds_and_the_vip_goes_at_its_deadline_and_comes_back_without_an_event() {
    blackout(
        "down",
        AWAY,
        |cluster| cluster.members.iter_mut().for_each(Member::kill),
        |cluster| cluster.members.iter_mut().for_each(Member::restart),
    );
}

/// vip-manager #431: here etcd answers, but every read fails.
#[test]
fn reads_fail_for_half_a_minute_and_the_vip_comes_back_without_an_event() {
    blackout(
        "quorum",
        QUORUM_LOST,
        |cluster| cluster.members[1..].iter_mut().for_each(Member::kill),
        |cluster| cluster.members[1..].iter_mut().for_each(Member::restart),
    );
}
