//! Consul: endpoints, tokens, and what Patroni's lock hangs on.

use crate::support::consul::lock::{LockHolder, Timing};
use crate::support::consul::{Agent, Consul, ConsulOptions};
use crate::support::daemon::ConfigFile;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::{Printed, check};

const KEY: &str = "service/pg_cluster/leader";
const TIMING: Timing = Timing { ttl: 30, loop_wait: 10, retry_timeout: 10 };

/// Without a claim, so that the lock decides alone.
fn config(host: &Host, consul: &Consul) -> ConfigFile {
    ConfigFile::of_store(host, "consul", &consul.endpoints()).with("claim", "off")
}

fn locked(host: &Host, agent: &Agent, checks: &[&str], look: impl Fn() -> Printed) -> Printed {
    let _lock = LockHolder::start_with(host, agent, KEY, TIMING, checks);
    look()
}

#[test]
fn what_a_lock_hangs_on_is_reported() {
    let lab = Lab::new("locks");
    let consul = Consul::start(&lab, 1);
    let host = lab.host("db1");
    let agent = consul.client(&host);
    consul.put("service/pg_cluster/members/db1", "{}");
    let look = || check(&host, &config(&host, &consul));
    look().shows("consul-no-leader-key");
    let printed = locked(&host, &agent, &[], look);
    assert!(printed.text.contains("without checks (grade assumed): the VIP is held for 7 s"), "{}", printed.text);
    consul.request(0, "DELETE", &format!("/v1/kv/{KEY}"), "");
    locked(&host, &consul.servers[0], &[], look).shows("consul-server-session");
    consul.request(0, "DELETE", &format!("/v1/kv/{KEY}"), "");
    consul.put("service/pg_cluster/config", r#"{"ttl":10,"loop_wait":3,"retry_timeout":3}"#);
    let printed = locked(&host, &agent, &["serfHealth"], look);
    printed.shows("consul-session-checks");
    printed.shows("consul-short-ttl");
    let gossip = format!("http://{}:8300", consul.servers[0].host.v4());
    check(&host, &config(&host, &consul).with("dcs-endpoints", gossip)).shows("consul-port");
    consul.servers[0].freeze();
    look().shows("consul-hung");
}

#[test]
fn missing_rights_are_reported_with_their_rules() {
    let lab = Lab::new("rules");
    let consul = Consul::start_with(&lab, 1, &ConsulOptions { acl: true, ..ConsulOptions::default() });
    let host = lab.host("db1");
    consul.put("service/pg_cluster/members/db1", "{}");
    consul.put("service/pg_cluster/config", "{}");
    let _lock = LockHolder::start(&host, &consul.servers[0], KEY, TIMING);
    let with = |token: &str| check(&host, &config(&host, &consul).with("consul-token", token));
    check(&host, &config(&host, &consul)).shows("consul-forbidden");
    with("5d1c2a70-1d3b-4f0e-9a0f-00000000dead").shows("consul-token-unknown");
    let token = consul.token("vip", &format!("key \"{KEY}\" {{ policy = \"read\" }}"));
    let printed = with(&token);
    printed.shows("consul-session-unknown");
    printed.shows("consul-settings-unknown");
    assert!(!printed.text.contains(&token), "{}", printed.text);
}

#[test]
fn a_missing_right_to_claim_is_reported_with_its_rules() {
    let lab = Lab::new("claimrules");
    let consul = Consul::start_with(&lab, 1, &ConsulOptions { acl: true, ..ConsulOptions::default() });
    let host = lab.host("db1");
    consul.put(KEY, "db1");
    consul.put("service/pg_cluster/members/db1", "{}");
    let read = "key_prefix \"service/\" { policy = \"read\" } agent_prefix \"\" { policy = \"read\" }";
    let token = consul.token("vip", read);
    let claimed = ConfigFile::of_store(&host, "consul", &consul.endpoints()).with("consul-token", &token);
    let required = || check(&host, &claimed.clone().with("claim", "require"));
    required().shows("consul-claim-forbidden");
    let printed = check(&host, &claimed);
    assert!(printed.text.contains("so the leader key decides alone (claim: auto)"), "{}", printed.text);
    let key = format!("key \"service/pg_cluster/vip/{VIP}\" {{ policy = \"write\" }}");
    consul.set_rules("vip", &format!("{read} {key}"));
    // Sessions are missing.
    required().shows("consul-claim-forbidden");
    consul.set_rules("vip", &format!("{read} {key} session_prefix \"\" {{ policy = \"write\" }}"));
    let printed = required();
    assert!(printed.text.contains("nobody has it, and this host may claim (claim: require)"), "{}", printed.text);
    assert_eq!(consul.request(0, "GET", "/v1/session/list", "").body.trim(), "[]", "nothing is written");
}
