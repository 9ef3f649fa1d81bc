//! Answers with a 200 that is no ground to hold, and one without a lock that is.

use std::time::Duration;

use vip_manager::clock::wall_time;

use crate::Cluster;
use crate::support::clock::{now, pause};
use crate::support::setup::{report, wait_logged};

const UNLOCKED: &str = "\"cluster_unlocked\": true, ";

fn unix_time() -> u64 {
    wall_time().0.as_secs()
}

/// The last good answer allows three more seconds.
fn assert_runs_out(cluster: &Cluster, log: &str) {
    let said = now();
    let gone = cluster.wait_gone(0).since(said);
    report(log, gone);
    assert!(gone > Duration::from_secs(2) && gone < Duration::from_secs(5), "{gone:?}");
    wait_logged(&cluster.daemons[0], log);
}

#[test]
fn in_pause_without_a_lock_the_deadline_runs() {
    let cluster = Cluster::leading("rest-pause");
    cluster.apis[0].say(|said| said.more = "\"pause\": true, ".to_owned());
    pause(Duration::from_secs(5));
    assert!(cluster.holds(0), "the lock is still there");
    cluster.apis[0].say(|said| said.more = format!("\"pause\": true, {UNLOCKED}"));
    assert_runs_out(&cluster, "Patroni is in pause and sees no leader's lock");
    cluster.apis[0].say(|said| said.more = String::new());
    cluster.wait_held(0);
}

#[test]
fn without_a_lock_the_deadline_runs() {
    let cluster = Cluster::leading("rest-unlocked");
    cluster.apis[0].say(|said| said.more = UNLOCKED.to_owned());
    assert_runs_out(&cluster, "Patroni sees no leader's lock, and failsafe mode is not active");
}

#[test]
fn an_active_failsafe_mode_keeps_the_vip_although_the_store_is_gone() {
    let cluster = Cluster::leading("rest-failsafe");
    cluster.apis[0].say(|said| {
        // Of 10 s that are left in the ordinary case, six remain.
        said.timing = Some([30, 10, 10]);
        said.frozen_at = Some(unix_time());
        said.more = format!("\"failsafe_mode_is_active\": true, {UNLOCKED}");
    });
    pause(Duration::from_secs(15));
    assert_eq!((cluster.holds(0), cluster.times_held(0)), (true, 1));
    cluster.apis[0].lead(false);
    cluster.wait_gone(0);
}

#[test]
fn a_loop_that_stands_still_is_noticed_after_a_round() {
    let cluster = Cluster::leading("rest-frozen");
    cluster.apis[0].say(|said| said.frozen_at = Some(unix_time()));
    let frozen = now();
    let gone = cluster.wait_gone(0).since(frozen);
    report("released after Patroni's loop stood still for", gone);
    // ttl − loop_wait − lease-margin, since the second in which it last read: in time even if it hung before a renewal.
    assert!(gone > Duration::from_secs(4) && gone < Duration::from_millis(8_500), "{gone:?}");
    wait_logged(&cluster.daemons[0], "Patroni has not read from its store for more than 4.0 s");
    let lines = cluster.daemons[0].process.lines();
    let told = lines.iter().filter(|line| line.text.contains("cannot read the key")).count();
    assert_eq!(told, 1, "once, not with every poll");
    cluster.apis[0].say(|said| said.frozen_at = None);
    cluster.wait_held(0);
}

#[test]
fn what_is_not_patroni_is_never_followed() {
    let mut cluster = Cluster::new("rest-other", 1);
    cluster.apis[0].say(|said| said.raw = Some("HTTP/1.0 200 OK\r\n\r\nhello"));
    cluster.start_daemons(&crate::config());
    wait_logged(&cluster.daemons[0], "its answer is not Patroni's; is this the REST API of Patroni?");
    cluster.apis[0].say(|said| said.raw = Some("HTTP/1.0 404 Not Found\r\n\r\n"));
    wait_logged(&cluster.daemons[0], "it answers 404; is this the REST API of Patroni?");
    assert_eq!(cluster.times_held(0), 0);
}
