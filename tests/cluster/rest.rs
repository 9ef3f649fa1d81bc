//! The daemons ask the REST API of their host's Patroni.
//!
//! Patroni's settings are ttl 20, loop_wait 1 and retry_timeout 3: an answer holds for ten seconds, the hold-timeout.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::deployment::{Deployment, LIMIT, Options};
use crate::stores::Kind;
use crate::support::clock::{now, pause, wait_for};
use crate::support::host::VIP;
use crate::support::setup::report;

/// How long an answer holds.
const HOLD: Duration = Duration::from_secs(10);
/// Longer than the lock of a dead leader lasts.
const OUTAGE: Duration = Duration::from_secs(30);

fn start(name: &str, failsafe: bool) -> Deployment {
    Deployment::start_with(name, Options { kind: Kind::Rest, failsafe })
}

#[test]
fn the_vip_follows_a_switchover() {
    let mut deployment = start("rest-switch", false);
    let mut times = Vec::new();
    for turn in 0..4 {
        let (from, to) = (turn % 2, (turn + 1) % 2);
        deployment.wait_replicates(to);
        let asked = now();
        deployment.switch_over(from, to);
        times.push(deployment.observer.wait_held(&deployment.hosts[to], VIP, LIMIT).since(asked));
        deployment.wait_leads(to);
    }
    report("from the command to the VIP on the new leader", times);
    report("two hosts had the VIP for", deployment.overlap());
    assert_eq!(deployment.overlap(), Duration::ZERO);
    assert_eq!(deployment.holds(), [3, 2, 0], "each leader held the VIP once");
    deployment.assert_running();
}

#[test]
fn a_patroni_that_is_killed_and_restarted_in_pause_brings_the_vip_back() {
    let mut deployment = start("rest-pause", false);
    deployment.pause(0, true);
    deployment.patronis[0].kill();
    let killed = now();
    let gone = deployment.observer.wait_gone(&deployment.hosts[0], VIP, LIMIT);
    report("released after Patroni was killed", gone.map(|gone| gone.since(killed)));
    deployment.restart_patroni(0);
    let back = deployment.observer.wait_held(&deployment.hosts[0], VIP, LIMIT);
    report("back after Patroni was killed", back.since(killed));
    // One that is restarted at once.
    deployment.patronis[0].kill();
    let killed = now();
    deployment.restart_patroni(0);
    deployment.wait_leads(0);
    let back = deployment.observer.wait_held(&deployment.hosts[0], VIP, LIMIT);
    report("a restart at once took the VIP away", deployment.holds()[0] == 3);
    report("held again, or still, after", back.since(killed));
    deployment.pause(0, false);
    assert_eq!(deployment.holds()[1..], [0, 0], "one holder throughout");
}

#[test]
fn a_patroni_that_is_stopped_gives_the_vip_away_before_its_lock_ends() {
    let deployment = start("rest-stopped", false);
    deployment.patronis[0].signal(Signal::SIGSTOP);
    let stopped = now();
    let gone = deployment.observer.wait_gone(&deployment.hosts[0], VIP, LIMIT).map(|gone| gone.since(stopped));
    report("released after Patroni was stopped", gone);
    assert!(gone.is_some_and(|gone| gone < HOLD + Duration::from_secs(1)), "{gone:?}");
    wait_for("another holder", LIMIT, || deployment.holder().is_some());
    report("another host has the VIP after", now().since(stopped));
    deployment.patronis[0].signal(Signal::SIGCONT);
    pause(Duration::from_secs(5));
    assert_eq!(deployment.overlap(), Duration::ZERO);
    assert_eq!(deployment.holds()[0], 1);
}

#[test]
fn in_failsafe_mode_the_vip_stays_although_etcd_is_gone() {
    let mut deployment = start("rest-failsafe", true);
    deployment.store.etcd().members.iter().for_each(crate::support::etcd::Member::freeze);
    pause(OUTAGE);
    assert_eq!((deployment.holder(), deployment.holds()), (Some(0), vec![1, 0, 0]), "{}", deployment.log(0));
    deployment.store.etcd().members.iter().for_each(crate::support::etcd::Member::thaw);
    deployment.store.etcd().wait_healthy();
    // The lock has ended meanwhile, and Patroni answers 503 until it has taken it again.
    pause(HOLD);
    wait_for("the VIP", LIMIT, || deployment.holder() == Some(0));
    report("how often the leader acquired the VIP", deployment.holds()[0]);
    assert_eq!(deployment.holds()[1..], [0, 0], "{}", deployment.log(0));
    deployment.assert_running();
}

#[test]
fn without_failsafe_mode_the_vip_goes_with_etcd_and_returns_with_a_leader() {
    let deployment = start("rest-outage", false);
    deployment.store.etcd().members.iter().for_each(crate::support::etcd::Member::freeze);
    let gone_at = now();
    let gone = deployment.observer.wait_gone(&deployment.hosts[0], VIP, LIMIT).map(|gone| gone.since(gone_at));
    report("released after etcd was gone", gone);
    pause(Duration::from_secs(10));
    assert_eq!(deployment.holder(), None);
    deployment.store.etcd().members.iter().for_each(crate::support::etcd::Member::thaw);
    wait_for("a holder", LIMIT, || deployment.holder().is_some());
    assert_eq!(deployment.overlap(), Duration::ZERO);
}

/// In pause Patroni goes on answering 200 by PostgreSQL's role, long after its lock has ended.
#[test]
fn in_pause_the_vip_goes_when_the_lock_has_ended() {
    let deployment = start("rest-role", false);
    deployment.pause(0, true);
    deployment.store.etcd().members.iter().for_each(crate::support::etcd::Member::freeze);
    let gone_at = now();
    let gone = deployment.observer.wait_gone(&deployment.hosts[0], VIP, LIMIT).map(|gone| gone.since(gone_at));
    report("released after etcd was gone, in pause", gone);
    assert!(gone.is_some_and(|gone| gone < Duration::from_secs(20)), "{gone:?}");
    deployment.store.etcd().members.iter().for_each(crate::support::etcd::Member::thaw);
    deployment.observer.wait_held(&deployment.hosts[0], VIP, LIMIT);
    assert_eq!(deployment.holds()[1..], [0, 0]);
}
