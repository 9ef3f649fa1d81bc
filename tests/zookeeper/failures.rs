//! Servers, sessions and networks that fail.

use std::time::Duration;

use crate::setup::{SOON, Setup, TTL, wait_logged};
use crate::support::clock::{now, pause, wait_for};
use crate::support::cut::{Cut, Way};
use crate::support::daemon::KEY;
use crate::support::setup::report;

/// `sync` and a read would go on to be answered for some eleven seconds.
#[test]
fn without_a_quorum_nothing_confirms_the_vip() {
    let mut setup = Setup::new("quorum", 3, 1);
    setup.start(|config| config.with("hold-timeout", "3s"));
    let _patroni = setup.patroni(0, TTL);
    setup.wait_held(0);
    let leader = setup.ensemble.leader();
    let since = now();
    let followers = (0..3).filter(|place| *place != leader);
    for follower in followers.clone() {
        setup.ensemble.servers[follower].freeze();
    }
    // The leader of the ensemble serves, and shows the key as it was.
    let gone = setup.wait_gone(0, SOON);
    let serves = setup.ensemble.servers[leader].mode();
    report("released after", gone.since(since));
    assert!(gone.since(since) < Duration::from_millis(4_500), "{:?}", gone.since(since));
    assert_eq!(serves.as_deref(), Some("leader"), "it still answers");
    pause(Duration::from_secs(2));
    assert!(!setup.holds(0), "nothing that it says lets us acquire");
    for follower in followers {
        setup.ensemble.servers[follower].thaw();
    }
    setup.wait_held(0);
}

#[test]
fn the_loss_of_any_server_is_no_loss_of_the_vip() {
    let mut setup = Setup::new("killed", 3, 1);
    setup.start(|config| config);
    let _patroni = setup.patroni(0, TTL);
    setup.wait_held(0);
    let pinger = setup.ping();
    for place in 0..3 {
        let led = setup.ensemble.leader() == place;
        setup.ensemble.servers[place].kill();
        wait_logged(&setup.daemons[0], &format!("{}:2181", setup.ensemble.servers[place].host.v4()));
        pause(Duration::from_secs(2));
        setup.ensemble.servers[place].restart();
        setup.ensemble.wait_serving(place);
        report("killed, and was the leader", led);
    }
    setup.assert_undisturbed(0, pinger);
}

#[test]
fn a_session_that_expires_takes_the_vip_with_it() {
    let mut setup = Setup::new("expired", 1, 2);
    setup.start(|config| config);
    let (first, second) = (setup.patroni(0, Duration::from_secs(6)), setup.ensemble.session(0, TTL));
    setup.wait_held(0);
    first.fall_silent();
    wait_for("the end of the leader key", SOON, || second.get(KEY).is_none());
    let ended = now();
    second.lead(KEY, "db2");
    setup.wait_held(1);
    let gone = setup.wait_gone(0, SOON);
    report("released this long after the session's end was seen", gone.since(ended));
    assert_eq!(setup.overlap(), Duration::ZERO);
}

/// The host is cut off with its Patroni: the address must be gone before the session can end, and somebody else leads.
#[test]
fn a_holder_that_is_cut_off_releases_before_its_session_can_end() {
    let mut setup = Setup::new("cut", 3, 2);
    setup.ensemble.session(0, TTL).put("/service/pg_cluster/config", r#"{"ttl": 10, "loop_wait": 4}"#);
    setup.start(|config| config);
    let ttl = Duration::from_secs(10);
    let patroni = setup.ensemble.session_from(&setup.hosts[0], 0, ttl);
    patroni.lead(KEY, "db1");
    setup.wait_held(0);
    let second = setup.ensemble.session(1, ttl);
    let cut = Cut::between(&setup.lab, &setup.hosts[0], &setup.ensemble.hosts(), Way::Both);
    let since = now();
    wait_for("the end of the leader key", SOON, || second.get(KEY).is_none());
    let ended = now();
    second.lead(KEY, "db2");
    setup.wait_held(1);
    let gone = setup.wait_gone(0, SOON);
    report("released after", gone.since(since));
    report("before the session ended, by", ended.since(gone));
    assert!(gone < ended, "the session ended after {:?}, released after {:?}", ended.since(since), gone.since(since));
    assert_eq!(setup.overlap(), Duration::ZERO);
    cut.heal();
    pause(Duration::from_secs(2));
    assert!(!setup.holds(0) && setup.holds(1));
}

#[test]
fn a_server_that_is_alone_says_so() {
    let mut setup = Setup::new("alone", 3, 1);
    for place in [1, 2] {
        setup.ensemble.servers[place].kill();
    }
    wait_for("the last one to notice", Duration::from_secs(40), || setup.ensemble.servers[0].mode().is_none());
    let endpoint = setup.ensemble.endpoints().remove(0);
    setup.start(|config| config.with("dcs-endpoints", &endpoint));
    wait_logged(&setup.daemons[0], "it sees no quorum, or has too many connections");
    // Refused sessions are not asked for again and again.
    let known = setup.daemons[0].process.lines().len();
    pause(Duration::from_secs(3));
    assert!(setup.daemons[0].process.lines().len() < known + 10);
    for place in [1, 2] {
        setup.ensemble.servers[place].restart();
    }
    wait_logged(&setup.daemons[0], "endpoint answers");
}
