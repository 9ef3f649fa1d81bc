//! With a claim, the default here, no two hosts hold the VIP, whatever becomes of the leader key.

use std::time::Duration;

use nix::sys::signal::Signal;
use vip_manager::wire::jute::{Acl, Code};

use crate::setup::{SOON, Setup, TTL, wait_logged};
use crate::support::claims::restart_in_both_ways;
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::cut::{Cut, Way};
use crate::support::daemon::{Daemon, KEY};
use crate::support::host::{Host, VIP};
use crate::support::setup::report;
use crate::support::zookeeper::Session;

/// The session of a claim, a tick, and what a busy machine adds.
const CLAIM: Duration = Duration::from_secs(20);
/// What the daemon and a watch need.
const QUICK: Duration = Duration::from_secs(2);
const SCOPE: &str = "/service/pg_cluster";

fn claim_key() -> String {
    format!("{SCOPE}/vip/{VIP}")
}

/// The value of the claim, and the session that it ends with.
fn claim(session: &Session) -> Option<(String, i64)> {
    session.get(&claim_key()).map(|(value, stat)| (value, stat.owner))
}

fn is_claimed_by(session: &Session, host: &Host) -> bool {
    claim(session).is_some_and(|(value, _)| value.contains(&format!("\"host\":\"{}\"", host.name())))
}

/// Three servers, two daemons, and who leads: a session for each host.
fn start(name: &str) -> (Setup, [Session; 2]) {
    let mut setup = Setup::new(name, 3, 2);
    setup.start(|config| config.with("claim", "require"));
    let patronis = [setup.patroni(0, TTL), setup.ensemble.session(1, TTL)];
    setup.wait_held(0);
    (setup, patronis)
}

#[test]
fn a_switchover_waits_for_the_old_holder_to_delete_its_claim() {
    let (setup, patronis) = start("claim-move");
    for to in [1, 0, 1, 0, 1] {
        let since = now();
        patronis[to].lead(KEY, setup.hosts[to].name());
        let held = setup.observer.wait_held(&setup.hosts[to], VIP, SOON);
        let gone = setup.wait_gone(1 - to, SOON);
        report("released and held after", (gone.since(since), held.since(since)));
        assert!(gone < held && held.since(since) < QUICK, "{:?}", held.since(since));
        wait_for("the claim", SOON, || is_claimed_by(&patronis[to], &setup.hosts[to]));
    }
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn two_hosts_never_hold_the_vip_when_the_key_is_moved_while_the_holder_is_cut_off() {
    for way in [Way::Both, Way::In] {
        let (setup, patronis) = start("claim-cut");
        let cut = Cut::between(&setup.lab, &setup.hosts[0], &setup.ensemble.hosts(), way);
        let moved = now();
        patronis[1].lead(KEY, setup.hosts[1].name());
        wait_for("the next claim", CLAIM, || is_claimed_by(&patronis[1], &setup.hosts[1]));
        let claimed = now();
        let held = setup.observer.wait_held(&setup.hosts[1], VIP, SOON);
        let gone = setup.wait_gone(0, SOON);
        let times = [gone, claimed, held].map(|at| at.since(moved));
        report("cut off: released, claimed elsewhere, held there after", times);
        assert!(gone < held && held.since(claimed) < QUICK);
        cut.heal();
        pause(Duration::from_secs(3));
        assert!(!setup.holds(0) && setup.holds(1) && is_claimed_by(&patronis[1], &setup.hosts[1]));
        assert_eq!(setup.overlap(), Duration::ZERO);
    }
}

/// A follower tells the leader only now and then which sessions it has heard of.
#[test]
fn a_holder_that_is_cut_off_together_with_its_server_is_gone_before_its_claim() {
    let mut setup = Setup::new("claim-rack", 3, 2);
    let leader = setup.ensemble.leader();
    let near = (leader + 1) % 3;
    let endpoint = setup.ensemble.endpoints().swap_remove(near);
    setup.daemons = vec![
        Daemon::start(&setup.hosts[0], &setup.config(0).with("dcs-endpoints", endpoint).with("claim", "require")),
        Daemon::start(&setup.hosts[1], &setup.config(1).with("claim", "require")),
    ];
    let patronis = [setup.ensemble.session(leader, TTL), setup.ensemble.session(leader, TTL)];
    patronis[0].lead(KEY, setup.hosts[0].name());
    setup.wait_held(0);
    // Any moment between two renewals is as likely.
    pause(Duration::from_millis(700));
    let rest: Vec<&Host> =
        setup.ensemble.hosts().into_iter().enumerate().filter(|(at, _)| *at != near).map(|(_, host)| host).collect();
    let _server = Cut::between(&setup.lab, &setup.ensemble.servers[near].host, &rest, Way::Both);
    let _host = Cut::between(&setup.lab, &setup.hosts[0], &rest, Way::Both);
    let cut = now();
    patronis[1].lead(KEY, setup.hosts[1].name());
    let held = setup.observer.wait_held(&setup.hosts[1], VIP, CLAIM);
    let gone = setup.wait_gone(0, SOON);
    report("cut off with its server: released and held elsewhere after", (gone.since(cut), held.since(cut)));
    assert!(gone < held);
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn the_next_host_has_the_vip_soon_after_the_key_of_a_killed_host_ends() {
    let (setup, patronis) = start("claim-killed");
    setup.daemons[0].process.signal(Signal::SIGKILL);
    patronis[0].fall_silent();
    let killed = now();
    let unclaimed = wait_until("the end of the claim", CLAIM, || claim(&patronis[1]).is_none().then(now));
    wait_for("the end of the key", 2 * TTL, || patronis[1].get(KEY).is_none());
    let ended = now();
    patronis[1].lead(KEY, setup.hosts[1].name());
    let held = setup.observer.wait_held(&setup.hosts[1], VIP, SOON);
    let gone = setup.wait_gone(0, SOON);
    report("killed: released, claim ended, key ended after", [gone, unclaimed, ended].map(|at| at.since(killed)));
    report("held after the key ended", held.since(ended));
    assert!(gone < unclaimed && unclaimed <= ended && held.since(ended) < QUICK);
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn a_restart_takes_the_claim_over_and_loses_no_ping() {
    let mut setup = Setup::new("claim-restart", 3, 1);
    setup.start(|config| config.with("claim", "require").with("on-stop", "keep"));
    let patroni = setup.patroni(0, TTL);
    setup.wait_held(0);
    let pinger = setup.ping();
    let config = setup.config(0).with("claim", "require").with("on-stop", "keep");
    restart_in_both_ways(
        &mut setup.daemons[0],
        &config,
        || claim(&patroni),
        |_, before, after| {
            assert!(after.0 != before.0 && after.1 != before.1, "{after:?}");
            let known = pinger.pings().answers.len();
            wait_for("more answers", SOON, || pinger.pings().answers.len() > known + 50);
        },
    );
    let sent = setup.assert_undisturbed(0, pinger);
    report("pings in two restarts, none lost", sent);
}

/// How many connections a host has to each server.
fn connections(setup: &Setup, host: usize) -> Vec<usize> {
    let count = |server: &Host| {
        let to = server.v4().to_string();
        setup.hosts[host].run("ss", &["-Htn", "state", "established", "dst", &to]).lines().count()
    };
    setup.ensemble.hosts().into_iter().map(count).collect()
}

#[test]
fn the_loss_of_the_server_that_has_the_claims_session_is_no_loss_of_the_vip() {
    let mut setup = Setup::new("claim-server", 3, 1);
    setup.start(|config| config.with("claim", "require"));
    // Its session survives every server.
    let patroni = setup.patroni(0, TTL);
    setup.wait_held(0);
    let pinger = setup.ping();
    let before = claim(&patroni).unwrap();
    for silently in [false, true] {
        let near = wait_until("the server with two connections", SOON, || {
            connections(&setup, 0).iter().position(|count| *count == 2)
        });
        let leads = setup.ensemble.leader() == near;
        // Without its leader the ensemble serves nobody for ten seconds, unless the connections break.
        let silently = silently && !leads;
        let server = &mut setup.ensemble.servers[near];
        if silently {
            server.freeze();
        } else {
            server.kill();
        }
        let lost = now();
        wait_for("the claim's session to move", CLAIM, || {
            connections(&setup, 0).iter().enumerate().any(|(at, count)| at != near && *count == 2)
        });
        report("frozen, was the leader, moved after", (silently, leads, now().since(lost)));
        // Longer than the session would have lasted without having moved.
        pause(Duration::from_secs(14));
        let server = &mut setup.ensemble.servers[near];
        if silently {
            server.thaw();
        } else {
            server.restart();
        }
        setup.ensemble.wait_serving(near);
    }
    assert_eq!(claim(&setup.ensemble.session(0, TTL)), Some(before));
    setup.assert_undisturbed(0, pinger);
}

#[test]
fn another_hosts_claim_is_waited_for_by_watch() {
    let mut setup = Setup::new("claim-other", 1, 1);
    let other = setup.ensemble.session(0, TTL);
    assert_eq!(other.create(&claim_key(), "somebody", &[Acl::OPEN], true), Code::OK);
    setup.start(|config| config.with("claim", "require"));
    let _patroni = setup.patroni(0, TTL);
    wait_logged(&setup.daemons[0], "claimed by somebody");
    pause(Duration::from_secs(3));
    assert!(!setup.holds(0));
    assert_eq!(other.delete(&claim_key()), Code::OK);
    let deleted = now();
    let held = setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    report("held after the other claim ended", held.since(deleted));
    assert!(held.since(deleted) < Duration::from_secs(1), "{:?}", held.since(deleted));

    // Somebody takes it away, and gives it back.
    other.lead(&claim_key(), "somebody");
    setup.wait_gone(0, SOON);
    assert_eq!(other.delete(&claim_key()), Code::OK);
    setup.wait_held(0);
    assert!(is_claimed_by(&other, &setup.hosts[0]));
}

#[test]
fn a_stop_deletes_the_claim() {
    let (mut setup, patronis) = start("claim-stop");
    setup.daemons[0].process.signal(Signal::SIGTERM);
    assert_eq!(setup.daemons[0].process.wait(SOON).code(), Some(0));
    wait_for("the end of the claim", QUICK, || claim(&patronis[1]).is_none());
    patronis[1].lead(KEY, setup.hosts[1].name());
    setup.wait_held(1);
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn without_the_right_to_claim_require_does_not_hold_and_auto_does() {
    const READ: Acl<'static> = Acl { permissions: 1, scheme: "world", id: "anyone" };
    let mut setup = Setup::new("claim-right", 1, 1);
    let patroni = setup.ensemble.session(0, TTL);
    assert_eq!(patroni.log_in("digest", "patroni:secret"), Code::OK);
    assert_eq!(patroni.create(SCOPE, "", &[Acl::OWN, READ], false), Code::OK);
    patroni.lead(KEY, setup.hosts[0].name());
    let cure = format!("allow it with zkCli.sh: create {SCOPE}/vip \"\" world:anyone:cdrwa");

    setup.start(|config| config.with("claim", "auto"));
    wait_logged(&setup.daemons[0], &cure);
    wait_logged(&setup.daemons[0], "weaker promise");
    setup.wait_held(0);
    setup.daemons.clear();
    setup.wait_gone(0, SOON);

    setup.start(|config| config.with("claim", "require"));
    wait_logged(&setup.daemons[0], &cure);
    pause(Duration::from_secs(2));
    assert!(!setup.holds(0));
    assert_eq!(patroni.create(&format!("{SCOPE}/vip"), "", &[Acl::OPEN], false), Code::OK);
    setup.wait_held(0);
}
