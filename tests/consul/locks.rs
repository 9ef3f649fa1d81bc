//! Locks that end, without a claim: the bound that is assumed for them, where Patroni's session is on a client agent and where it is not.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::clock::{now, wait_until};
use crate::support::consul::lock::{LockHolder, Timing};
use crate::support::consul::{Consul, ConsulOptions};
use crate::support::cut::Cut;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::setup::{report, wait_logged};
use crate::{KEY, SETTINGS, SOON, Setup};

const TIMING: Timing = Timing { ttl: 20, loop_wait: 5, retry_timeout: 5 };

/// Waits until the store has let go of the lock, and says when.
fn lock_gone(setup: &Setup, limit: Duration) -> Moment {
    wait_until("the end of the lock", limit, || setup.consul.get(KEY).is_none().then(now))
}

fn with_settings(setup: &Setup) {
    let Timing { ttl, loop_wait, retry_timeout } = TIMING;
    let settings = format!("{{\"ttl\":{ttl},\"loop_wait\":{loop_wait},\"retry_timeout\":{retry_timeout}}}");
    setup.consul.put(SETTINGS, &settings);
}

#[test]
fn the_holders_host_is_cut_off_and_lets_go_before_its_lock_ends() {
    let mut setup = Setup::bare("cut", 3, 2);
    with_settings(&setup);
    let agents: Vec<_> = setup.hosts.iter().map(|host| setup.consul.client(host)).collect();
    let lock = LockHolder::start(&setup.hosts[0], &agents[0], KEY, TIMING);
    setup.start(|config| config.with("claim", "off"));
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    wait_logged(&setup.daemons[0], "grade: assumed");
    setup.wait_held_for_long(0);
    assert!(!setup.daemons[0].process.logged("may end 5 s after"), "{}", setup.daemons[0].process.text());

    let cut = Cut::off(&setup.lab, &setup.hosts[0]);
    let since = now();
    let released = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    let ended = lock_gone(&setup, Duration::from_secs(60));
    report("released after the cut", released.since(since));
    report("the lock ended after the cut", ended.since(since));
    assert!(released < lock.renewed() + Duration::from_secs(TIMING.ttl), "too late");
    assert!(released < ended);
    // 10 s assumed, less 3 s margin.
    assert!(released.since(since) < Duration::from_secs(9), "{:?}", released.since(since));
    assert!(released.since(since) > Duration::from_secs(3), "{:?}", released.since(since));

    let second = LockHolder::start(&setup.hosts[1], &agents[1], KEY, TIMING);
    let _kept = second;
    setup.observer.wait_held(&setup.hosts[1], VIP, SOON);
    cut.heal();
    assert_eq!(setup.overlap(), Duration::ZERO);
}

/// The trap: the lock is gone long before Patroni's ttl, and so must be the address.
#[test]
fn a_lock_on_a_server_agent_is_held_for_two_and_a_half_seconds_only() {
    let lab = Lab::new("server");
    let hosts: Vec<Host> = (1..=3).map(|number| lab.host(&format!("db{number}"))).collect();
    let consul = Consul::on(&lab, hosts.clone(), &ConsulOptions::default());
    let mut setup = Setup::of(lab, consul, hosts);
    with_settings(&setup);
    // Not the leader of Consul: an election gives every session its whole time again.
    let holder = (setup.consul.leader() + 1) % 3;
    let agent = &setup.consul.servers[holder];
    let _lock = LockHolder::start(&setup.hosts[holder], agent, KEY, TIMING);
    setup.start(|config| config.with("claim", "off"));
    setup.observer.wait_held(&setup.hosts[holder], VIP, SOON);
    wait_logged(&setup.daemons[holder], "may end 5 s after its host is cut off");
    let told = setup.daemons[holder].process.text().matches("may end 5 s after its host is cut off").count();
    assert_eq!(told, 1, "once is enough");

    let _cut = Cut::off(&setup.lab, &setup.hosts[holder]);
    let since = now();
    let released = setup.observer.wait_gone(&setup.hosts[holder], VIP, SOON).unwrap();
    report("released after the cut", released.since(since));
    assert!(released.since(since) < Duration::from_secs(4), "{:?}", released.since(since));
}

#[test]
fn a_lock_with_checks_is_held_for_two_and_a_half_seconds_only() {
    let mut setup = Setup::bare("checks", 1, 1);
    with_settings(&setup);
    let agent = setup.consul.client(&setup.hosts[0]);
    let _lock = LockHolder::start_with(&setup.hosts[0], &agent, KEY, TIMING, &["serfHealth"]);
    setup.start(|config| config.with("claim", "off"));
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    wait_logged(&setup.daemons[0], "its session has checks (serfHealth)");
    let _cut = Cut::off(&setup.lab, &setup.hosts[0]);
    let since = now();
    let released = setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    report("released after the cut", released.since(since));
    assert!(released.since(since) < Duration::from_secs(4), "{:?}", released.since(since));
}

#[test]
fn patroni_dies_and_the_next_leader_is_followed_without_an_overlap() {
    let mut setup = Setup::bare("death", 1, 2);
    with_settings(&setup);
    let agents: Vec<_> = setup.hosts.iter().map(|host| setup.consul.client(host)).collect();
    let mut lock = LockHolder::start(&setup.hosts[0], &agents[0], KEY, TIMING);
    setup.start(|config| config.with("claim", "off"));
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    lock.die();
    let _next = LockHolder::start(&setup.hosts[1], &agents[1], KEY, TIMING);
    setup.observer.wait_held(&setup.hosts[1], VIP, SOON);
    setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();
    // The store tells both at the same instant.
    report("overlap", setup.overlap());
    assert!(setup.overlap() < Duration::from_millis(20), "{:?}", setup.overlap());
}
