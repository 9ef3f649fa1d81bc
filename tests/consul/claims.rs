//! With a claim no two hosts hold the VIP, whatever becomes of Patroni's lock: the lock-delay of Consul bounds it.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use vip_manager::time::Moment;

use crate::support::claims::{restart_in_both_ways, wait_handed_over};
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::consul::lock::{LockHolder, Timing};
use crate::support::consul::{Agent, Consul, ConsulOptions};
use crate::support::cut::Cut;
use crate::support::daemon::Daemon;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::ping::Pinger;
use crate::support::setup::{report, wait_logged};
use crate::{KEY, SOON, Setup};

/// Patroni's defaults.
const TIMING: Timing = Timing { ttl: 30, loop_wait: 10, retry_timeout: 10 };
/// The default claim-ttl, which is the lock-delay.
const DELAY: Duration = Duration::from_secs(10);
/// The claim of a host that is gone lasts for two times to live and the lock-delay, 30 s. On a busy machine Consul's
/// servers elect another leader meanwhile, which gives every session its whole time again.
const LONGEST: Duration = Duration::from_secs(120);

fn claim_key() -> String {
    format!("service/pg_cluster/vip/{VIP}")
}

fn claim(setup: &Setup) -> Option<Value> {
    setup.consul.get(&claim_key())
}

fn session(claim: &Value) -> String {
    claim["Session"].as_str().unwrap_or_default().to_owned()
}

fn with_claims(name: &str, servers: usize, hosts: usize) -> Setup {
    let mut setup = Setup::bare(name, servers, hosts);
    setup.start(|config| config.with("claim", "require"));
    setup
}

fn gone(setup: &Setup, host: usize) -> Moment {
    setup.observer.wait_gone(&setup.hosts[host], VIP, SOON).unwrap()
}

fn held(setup: &Setup, host: usize, limit: Duration) -> Moment {
    setup.observer.wait_held(&setup.hosts[host], VIP, limit)
}

#[test]
fn a_switchover_waits_for_the_old_holder_to_release_its_claim() {
    let setup = with_claims("claim-move", 3, 2);
    setup.lead(0);
    wait_logged(&setup.daemons[0], "grade: ");
    for next in [1, 0, 1] {
        let moved = now();
        setup.consul.put(KEY, setup.hosts[next].name());
        let [from, to] = [1 - next, next].map(|host| &setup.hosts[host]);
        let held = wait_handed_over(&setup.observer, [from, to], moved, SOON);
        assert!(held.since(moved) < Duration::from_secs(2));
    }
    assert_eq!(setup.overlap(), Duration::ZERO);
}

/// The trap of Consul: a server on the database host is deregistered long before Patroni's ttl, and its lock with it.
#[test]
fn with_servers_on_the_database_hosts_a_holder_that_is_cut_off_lets_go_before_the_next_can_claim() {
    let lab = Lab::new("claim-servers");
    let hosts: Vec<Host> = (1..=3).map(|number| lab.host(&format!("db{number}"))).collect();
    let consul = Consul::on(&lab, hosts.clone(), &ConsulOptions::default());
    let mut setup = Setup::of(lab, consul, hosts);
    let leader = setup.consul.leader();
    let (holder, next) = ((leader + 1) % 3, (leader + 2) % 3);
    let _lock = LockHolder::start(&setup.hosts[holder], &setup.consul.servers[holder], KEY, TIMING);
    setup.start(|config| config);
    held(&setup, holder, SOON);
    wait_logged(&setup.daemons[holder], "grade: exact");

    let cut = Cut::off(&setup.lab, &setup.hosts[holder]);
    let since = now();
    let lock_gone = wait_until("the end of the lock", LONGEST, || setup.consul.get(KEY).is_none().then(now));
    let _next = LockHolder::start(&setup.hosts[next], &setup.consul.servers[next], KEY, TIMING);
    let (held, gone) = (held(&setup, next, LONGEST), gone(&setup, holder));
    report("after the cut: the VIP was gone", gone.since(since));
    report("after the cut: Patroni's lock was gone", lock_gone.since(since));
    report("after the cut: the next host held the VIP", held.since(since));
    assert!(gone.since(since) < DELAY && gone < held);
    assert!(!setup.daemons[holder].process.logged("may end 5 s after"), "{}", setup.daemons[holder].process.text());
    cut.heal();
    pause(Duration::from_secs(3));
    assert!(setup.holds(next) && !setup.holds(holder));
    assert_eq!(setup.overlap(), Duration::ZERO);
}

/// Servers keep the lock-delay in memory, each by itself.
#[test]
fn the_lock_delay_outlives_the_leader_of_consul() {
    let mut setup = with_claims("claim-election", 3, 2);
    setup.lead(0);
    // It does not renew, and cannot ask for the claim again.
    setup.daemons[0].process.signal(Signal::SIGSTOP);
    setup.consul.put(KEY, setup.hosts[1].name());
    let before = claim(&setup).unwrap();
    let ended = now();
    setup.consul.request(0, "PUT", &format!("/v1/session/destroy/{}", session(&before)), "");
    assert_eq!(claim(&setup), None);
    let leader = setup.consul.leader();
    setup.consul.servers[leader].kill();
    setup.consul.leader();
    report("a new leader of Consul after", now().since(ended));
    let (held, gone) = (held(&setup, 1, LONGEST), gone(&setup, 0));
    report("gone after the end of the session", gone.since(ended));
    report("held after the end of the session", held.since(ended));
    assert!(held.since(ended) + Duration::from_millis(100) > DELAY, "{:?}", held.since(ended));
    assert_eq!(setup.overlap(), Duration::ZERO);
}

/// As a host that loses its power: Patroni and the daemon end at the same instant.
#[test]
fn the_claim_of_a_host_that_died_ends_about_when_its_leader_key_does() {
    let mut setup = Setup::bare("claim-died", 3, 2);
    let agents: Vec<Agent> = setup.hosts.iter().map(|host| setup.consul.client(host)).collect();
    let mut lock = LockHolder::start(&setup.hosts[0], &agents[0], KEY, TIMING);
    setup.start(|config| config);
    held(&setup, 0, SOON);
    wait_for("a claim", SOON, || claim(&setup).is_some());
    pause(Duration::from_secs(3));
    setup.daemons[0].process.kill();
    lock.die();
    let died = now();
    let renewed = lock.renewed();
    let lock_gone = wait_until("the end of the lock", LONGEST, || setup.consul.get(KEY).is_none().then(now));
    let _next = LockHolder::start(&setup.hosts[1], &agents[1], KEY, TIMING);
    let (held, gone) = (held(&setup, 1, LONGEST), gone(&setup, 0));
    report("Patroni's last renewal before the death", died.since(renewed));
    report("after the death: the VIP was gone", gone.since(died));
    report("after the death: the leader key was gone", lock_gone.since(died));
    report("after the death: the next host held the VIP", held.since(died));
    assert!(gone.since(died) < DELAY && gone < held);
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn a_claim_whose_session_is_ended_is_lost_and_comes_back_after_the_lock_delay() {
    let setup = with_claims("claim-lost", 1, 1);
    setup.lead(0);
    let before = claim(&setup).unwrap();
    setup.consul.request(0, "PUT", &format!("/v1/session/destroy/{}", session(&before)), "");
    let ended = now();
    gone(&setup, 0);
    let held = held(&setup, 0, SOON);
    report("held again after the end of the session", held.since(ended));
    assert!(held.since(ended) + Duration::from_millis(100) > DELAY && held.since(ended) < DELAY + SOON);
    wait_logged(&setup.daemons[0], "the lock-delay of its last holder");
}

#[test]
fn another_hosts_claim_is_waited_for_by_watch() {
    let setup = with_claims("claim-foreign", 1, 1);
    setup.consul.put(&claim_key(), "somebody");
    setup.consul.put(KEY, setup.hosts[0].name());
    wait_logged(&setup.daemons[0], "claimed by somebody");
    pause(Duration::from_secs(2));
    assert!(!setup.holds(0));
    let deleted = now();
    setup.consul.request(0, "DELETE", &format!("/v1/kv/{}", claim_key()), "");
    let held = held(&setup, 0, SOON);
    report("held after the claim was deleted", held.since(deleted));
    assert!(held.since(deleted) < Duration::from_secs(1));
}

#[test]
fn a_restart_takes_the_claim_over_and_loses_no_ping() {
    let mut setup = Setup::bare("claim-restart", 3, 1);
    let client = setup.lab.host("client");
    setup.start(|config| config.with("claim", "require").with("on-stop", "keep"));
    setup.lead(0);
    let config = setup.config(&setup.hosts[0]).with("claim", "require").with("on-stop", "keep");
    let pinger = Pinger::start(&client, VIP, Duration::from_millis(20));
    wait_for("the first answers", SOON, || pinger.pings().answers.len() > 5);
    let mut daemon = setup.daemons.remove(0);
    restart_in_both_ways(
        &mut daemon,
        &config,
        || claim(&setup),
        |_, before, after| {
            assert!(session(after) != session(before) && after["Value"] != before["Value"], "{after}");
            // Longer than the address lasts without a renewal.
            pause(Duration::from_secs(8));
        },
    );
    let pings = pinger.stop();
    assert_eq!((pings.lost(), setup.times_held(0)), (0, 1), "{:?}", pings.outages());
    report("pings lost in two restarts, of", pings.sent);
}

#[test]
fn a_stop_deletes_the_claim_and_ends_its_session() {
    let mut setup = with_claims("claim-stop", 1, 2);
    setup.lead(0);
    setup.daemons[0].process.signal(Signal::SIGTERM);
    assert_eq!(setup.daemons[0].process.wait(SOON).code(), Some(0));
    assert_eq!(claim(&setup), None);
    assert_eq!(setup.consul.request(0, "GET", "/v1/session/list", "").body.trim(), "[]");
    let moved = now();
    setup.consul.put(KEY, setup.hosts[1].name());
    assert!(held(&setup, 1, SOON).since(moved) < Duration::from_secs(2), "there is no lock-delay");
}

#[test]
fn without_the_right_to_claim_require_does_not_hold_and_auto_does() {
    let lab = Lab::new("claim-right");
    let consul = Consul::start_with(&lab, 1, &ConsulOptions { acl: true, ..ConsulOptions::default() });
    let hosts = vec![lab.host("db1")];
    let setup = Setup::of(lab, consul, hosts);
    setup.consul.put(KEY, "db1");
    let read = "key_prefix \"service/\" { policy = \"read\" }".to_owned();
    let rules =
        format!("key \"{}\" {{ policy = \"write\" }} session_prefix \"\" {{ policy = \"write\" }}", claim_key());
    let token = setup.consul.token("vip", &read);
    let config = setup.config(&setup.hosts[0]).with("consul-token", &token);

    let daemon = Daemon::start(&setup.hosts[0], &config);
    wait_logged(&daemon, &format!("add these rules to its policy: {rules}"));
    wait_logged(&daemon, "weaker promise");
    held(&setup, 0, SOON);
    drop(daemon);
    setup.observer.wait_gone(&setup.hosts[0], VIP, SOON).unwrap();

    let daemon = Daemon::start(&setup.hosts[0], &config.clone().with("claim", "require"));
    wait_logged(&daemon, &format!("add these rules to its policy: {rules}"));
    pause(Duration::from_secs(2));
    assert!(!setup.holds(0));
    // Half of the right is not enough.
    setup.consul.set_rules("vip", &format!("{read} key \"{}\" {{ policy = \"write\" }}", claim_key()));
    pause(Duration::from_secs(12));
    assert!(!setup.holds(0));
    setup.consul.set_rules("vip", &format!("{read} {rules}"));
    held(&setup, 0, 2 * SOON);
    assert!(!daemon.process.text().contains(&token), "the token is in the log");
}
