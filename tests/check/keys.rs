//! The trigger key: wrong key, wrong value, wrong store. One cluster serves all, each case in a scope of its own.

use etcd_client::Permission;

use crate::support::daemon::{ConfigFile, KEY};
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::host::Host;
use crate::support::lab::Lab;
use crate::support::store::User;
use crate::{Printed, check, run};

struct Setup {
    cluster: Cluster,
    host: Host,
    _lab: Lab,
}

impl Setup {
    fn new(name: &str) -> Self {
        let lab = Lab::new(name);
        let options = ClusterOptions { members: 1, arguments: vec!["--enable-v2".into()], ..ClusterOptions::default() };
        let cluster = Cluster::start_with(&lab, &options);
        let host = lab.host("db1");
        Self { cluster, host, _lab: lab }
    }

    fn asked(&self, key: &str, value: &str) -> Printed {
        let config = ConfigFile::basic(&self.host, &self.cluster).with("trigger-key", key).with("trigger-value", value);
        check(&self.host, &config)
    }

    /// Has the leader key of a scope hold `value`, on a lease, with these members.
    fn scope(&self, scope: &str, value: &str, members: &[&str], ttl: i64) -> String {
        let store = self.cluster.store();
        for member in members {
            store.put(&format!("/service/{scope}/members/{member}"), "{}");
        }
        let key = format!("/service/{scope}/leader");
        if !value.is_empty() {
            let lease = store.grant(ttl);
            store.put_leased(&key, value, lease);
        }
        key
    }
}

/// vip-manager #71 #72 #143 #250 and the rest of "state is false, desired false": #151 #270 #308 #157 #83.
#[test]
fn key_mistakes_are_reported() {
    let setup = Setup::new("keys");
    let store = setup.cluster.store();
    setup.asked("/service/pg/leader", "pg1").shows("store-empty");

    let door = setup.cluster.endpoints().remove(0);
    let set = ["ETCDCTL_API=2", "etcdctl", "--endpoints", &door, "set", "/service/old/leader", "pg1"];
    setup.host.run("env", &set);
    setup.asked("/service/old/leader", "pg1").shows("key-v2");

    store.put("/registry/something", "else");
    setup.asked("/service/pg/leader", "pg1").shows("key-no-scope");

    setup.scope("main", "pg-node1", &["pg-node1", "pg-node2", "pg-node3"], 60);
    setup.asked("/service/hr/leader", "pg-node1").shows("key-other-cluster");
    setup.asked("/service/mian/leader", "pg-node1").shows("key-wrong");
    setup.asked("/service/main/leader", "pg-node-1").shows("key-value-differs");
    setup.asked("/service/main/leader", "PG-Node1").shows("key-value-case");
    setup.asked("/service/main/leader", "pg-node1.example.org").shows("key-value-domain");
    setup.asked("/service/main/leader", "replica").shows("key-value-unknown");
    setup.asked("/service/main/members/pg-node1", "pg-node1").shows("key-not-leader");

    setup.asked("/service/main/leader", "\"'pg-node1'\"").shows("key-value-quotes");
    let key = setup.scope("echo", "pg1\n", &["pg1"], 60);
    setup.asked(&key, "pg1").shows("key-value-blanks");

    let key = setup.scope("headless", "", &["pg1", "pg2"], 30);
    setup.asked(&key, "pg1").shows("key-no-leader");
    let key = setup.scope("hasty", "pg1", &["pg1"], 3);
    setup.asked(&key, "pg1").shows("lease-too-short");
    store.put("/service/manual/leader", "pg1");
    setup.asked("/service/manual/leader", "pg1").shows("key-no-lease");
    store.put("/service/blank/leader", "");
    setup.asked("/service/blank/leader", "pg1").shows("key-empty");
}

#[test]
fn a_misspelled_key_leads_to_the_right_one() {
    let setup = Setup::new("paths");
    setup.scope("hr", "pg1", &["pg1"], 60);
    setup.scope("main", "pg-node1", &["pg-node1"], 60);
    setup.asked("service/main/leader", "pg-node1").shows("key-slashes");
    setup.asked("/service/main", "pg-node1").shows("key-incomplete");
    setup.asked("/db/main/leader", "pg-node1").shows("key-namespace");
}

#[test]
fn missing_read_rights_are_reported() {
    let lab = Lab::new("rights");
    let user = User { name: "root".into(), password: "hunter2".into() };
    let options = ClusterOptions { members: 1, user: Some(user), ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&lab, &options);
    let host = lab.host("db1");
    let made = cluster.store().ask(async |client| {
        client.user_add("vip", "pass", None).await?;
        client.role_add("vip").await?;
        client.user_grant_role("vip", "vip").await.map(|_| ())
    });
    made.unwrap();
    let config = ConfigFile::basic(&host, &cluster).with("etcd-user", "vip").with("etcd-password", "pass");
    check(&host, &config).shows("key-forbidden");

    let granted = cluster
        .store()
        .ask(async |client| client.role_grant_permission("vip", Permission::read(KEY)).await.map(|_| ()));
    granted.unwrap();
    check(&host, &config).shows("key-absent");
    cluster.store().put(KEY, "db2");
    check(&host, &config).shows("key-members-unlisted");
}

#[test]
fn a_healthy_host_passes_as_text_and_as_json() {
    let setup = Setup::new("sound");
    let key = setup.scope("pg", "db1", &["db1", "db2"], 60);
    let config = ConfigFile::basic(&setup.host, &setup.cluster).with("trigger-key", &key);
    let printed = check(&setup.host, &config);
    assert_eq!(printed.status, Some(0), "{}", printed.text);
    assert!(printed.text.contains("which is this host"), "{}", printed.text);
    printed.shows("endpoint-single");
    let json = run(&setup.host, &config, &["--json"]);
    assert!(json.text.starts_with("{\"ok\":true,\"findings\":["), "{}", json.text);
    assert!(json.text.contains("{\"id\":\"key-value\",\"level\":\"ok\","), "{}", json.text);
}
