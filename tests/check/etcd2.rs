//! The v2 API of etcd, and the v3 store beside it.

use crate::check;
use crate::support::daemon::{ConfigFile, KEY};
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::host::VIP;
use crate::support::lab::Lab;

#[test]
fn the_two_stores_of_an_etcd_are_told_apart() {
    let lab = Lab::new("both");
    let options = ClusterOptions { members: 1, arguments: vec!["--enable-v2".into()], ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&lab, &options);
    let host = lab.host("db1");
    let config = ConfigFile::of_store(&host, "etcd2", &cluster.endpoints());
    check(&host, &config).shows("etcd2-empty");
    cluster.store().put(KEY, "db1");
    check(&host, &config).shows("key-v3");
    let set = |key: &str, more: &[&str]| {
        let door = cluster.endpoints().remove(0);
        let own = ["ETCDCTL_API=2", "etcdctl", "--endpoints", &door, "set", key, "db1"];
        host.run("env", &[&own[..], more].concat())
    };
    set("/service/pg_cluster/members/db1", &[]);
    set(KEY, &["--ttl", "30"]);
    let printed = check(&host, &config);
    assert_eq!(printed.status, Some(0), "{}", printed.text);
    assert!(printed.text.contains("has a lease of 30 s"), "{}", printed.text);
}

#[test]
fn a_missing_right_to_claim_is_reported_with_its_grant() {
    let lab = Lab::new("v2-claimright");
    let options = ClusterOptions { members: 1, arguments: vec!["--enable-v2".into()], ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&lab, &options);
    let host = lab.host("db1");
    let door = cluster.endpoints().remove(0);
    let ask = |method: &str, path: &str, kind: &str, body: &str| {
        let (kind, url) = (format!("Content-Type: {kind}"), format!("{door}/v2/{path}"));
        host.run("curl", &["-s", "-u", "root:hunter2", "-X", method, "-H", &kind, "-d", body, &url])
    };
    let put = |path: &str, body: &str| ask("PUT", path, "application/json", body);
    let claim = format!("keys/service/pg_cluster/vip/{VIP}");
    let look = || ask("GET", &claim, "text/plain", "");
    put("auth/users/root", r#"{"user":"root","password":"hunter2"}"#);
    put("auth/enable", "");
    put("auth/roles/vip", r#"{"role":"vip","permissions":{"kv":{"read":["/service/*"],"write":[]}}}"#);
    put("auth/users/vip", r#"{"user":"vip","password":"secret","roles":["vip"]}"#);
    put("auth/roles/guest", r#"{"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}"#);
    let config = ConfigFile::of_store(&host, "etcd2", &cluster.endpoints());
    let config = config.with("dcs-user", "vip").with("dcs-password", "secret");
    let required = config.clone().with("claim", "require");
    check(&host, &required).shows("etcd2-claim-forbidden");
    let printed = check(&host, &config.with("claim", "auto"));
    assert!(printed.text.contains("so the leader key decides alone (claim: auto)"), "{}", printed.text);
    put("auth/roles/vip", r#"{"role":"vip","grant":{"kv":{"read":[],"write":["/service/pg_cluster/vip/*"]}}}"#);
    let printed = check(&host, &required);
    assert!(printed.text.contains("nobody has it, and this host may claim (claim: require)"), "{}", printed.text);
    assert!(look().contains("Key not found"), "nothing is written: {}", look());
    ask("PUT", &claim, "application/x-www-form-urlencoded", "value=by hand");
    let written = look();
    assert!(written.contains("by hand"), "{written}");
    let printed = check(&host, &required);
    assert!(printed.text.contains("holds \"by hand\""), "{}", printed.text);
    assert_eq!(look(), written, "nothing is written");
}

#[test]
fn a_server_without_the_api_is_reported() {
    let lab = Lab::new("no-v2");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    check(&host, &ConfigFile::of_store(&host, "etcd2", &cluster.endpoints())).shows("etcd2-off");
}
