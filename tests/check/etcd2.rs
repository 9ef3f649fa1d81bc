//! The v2 API of etcd, and the v3 store beside it.

use crate::check;
use crate::support::daemon::{ConfigFile, KEY};
use crate::support::etcd::{Cluster, ClusterOptions};
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
fn a_server_without_the_api_is_reported() {
    let lab = Lab::new("no-v2");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    check(&host, &ConfigFile::of_store(&host, "etcd2", &cluster.endpoints())).shows("etcd2-off");
}
