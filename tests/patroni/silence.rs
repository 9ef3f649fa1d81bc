//! Patroni does not answer, or is not there.

use std::time::Duration;

use vip_manager::clock::wall_time;

use crate::support::clock::{now, pause, wait_for};
use crate::support::host::VIP;
use crate::support::setup::report;
use crate::{Cluster, SOON, config};

/// The settings say that 6 s are left of the lock, of which the margin takes three.
const HOLD: Duration = Duration::from_secs(3);

#[test]
fn a_patroni_that_hangs_keeps_the_vip_until_the_deadline_and_gets_it_back() {
    let cluster = Cluster::leading("rest-hangs");
    cluster.apis[0].say(|said| said.hangs = true);
    let hung = now();
    let gone = cluster.wait_gone(0).since(hung);
    report("released after Patroni hung for", gone);
    assert!(gone + Duration::from_secs(1) > HOLD && gone < HOLD + Duration::from_secs(2), "{gone:?}");
    cluster.apis[0].say(|said| said.hangs = false);
    cluster.wait_held(0);
}

#[test]
fn a_patroni_that_has_ended_keeps_the_vip_for_two_seconds() {
    let mut cluster = Cluster::new("rest-ended", 1);
    // The deadline alone would be ten seconds away.
    cluster.apis[0].say(|said| said.timing = Some([60, 10, 10]));
    cluster.apis[0].lead(true);
    cluster.start_daemons(&config());
    cluster.wait_held(0);
    cluster.apis[0].end();
    let ended = now();
    let gone = cluster.wait_gone(0).since(ended);
    report("released after Patroni ended", gone);
    assert!(gone > Duration::from_millis(1_500) && gone < Duration::from_millis(3_500), "{gone:?}");
    cluster.apis[0].listen();
    cluster.wait_held(0);
}

#[test]
fn a_patroni_that_restarts_within_its_two_seconds_does_not_lose_the_vip() {
    let mut cluster = Cluster::leading("rest-restarts");
    for restarts in 1..=5 {
        cluster.apis[0].end();
        pause(Duration::from_secs(1));
        cluster.apis[0].listen();
        wait_for("another confirmation", SOON, || {
            let lines = cluster.daemons[0].process.lines();
            lines.iter().filter(|line| line.text.contains("confirmed again")).count() == restarts
        });
    }
    assert_eq!((cluster.holds(0), cluster.times_held(0)), (true, 1));
}

#[test]
fn without_settings_a_hold_lasts_five_seconds() {
    let mut cluster = Cluster::new("rest-untold", 1);
    cluster.apis[0].say(|said| said.timing = None);
    cluster.apis[0].lead(true);
    cluster.start_daemons(&config());
    cluster.wait_held(0);
    cluster.apis[0].say(|said| said.hangs = true);
    let hung = now();
    let gone = cluster.wait_gone(0).since(hung);
    report("released after Patroni hung for", gone);
    assert!(gone > Duration::from_secs(4) && gone < Duration::from_secs(7), "{gone:?}");
}

/// A query in PostgreSQL belongs to each answer.
#[test]
fn slow_answers_are_answers() {
    let cluster = Cluster::leading("rest-slow");
    for _ in 0..6 {
        cluster.apis[0].say(|said| said.hangs = true);
        pause(Duration::from_millis(1_200));
        cluster.apis[0].say(|said| said.hangs = false);
        pause(Duration::from_millis(400));
    }
    assert_eq!((cluster.holds(0), cluster.times_held(0)), (true, 1));
    assert!(!cluster.daemons[0].process.logged("unconfirmed"), "{}", cluster.daemons[0].process.text());
}

/// The loop hangs between its read of the store and its renewal of the lock, the API answers until just before the lock
/// ends, and then hangs as well.
#[test]
fn a_loop_and_an_api_that_hang_release_before_the_lock_ends() {
    let mut cluster = Cluster::new("rest-double", 2);
    // The last renewal was one round before: the lock ends after 7 s.
    cluster.apis.iter().for_each(|api| api.say(|said| said.timing = Some([10, 3, 3])));
    cluster.apis[0].lead(true);
    cluster.start_daemons(&config());
    cluster.wait_held(0);
    let seen = wall_time().0.as_secs();
    cluster.apis[0].say(|said| said.frozen_at = Some(seen));
    pause(Duration::from_millis(5_800));
    cluster.apis[0].say(|said| said.hangs = true);
    pause(Duration::from_millis(1_200));
    cluster.apis[1].lead(true);
    cluster.wait_held(1);
    cluster.wait_gone(0);
    assert_eq!(cluster.observer.overlap(&cluster.hosts[0], &cluster.hosts[1], VIP), Duration::ZERO);
}
