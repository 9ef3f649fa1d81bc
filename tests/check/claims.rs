//! Claims: who has one, and the right that is missing.

use etcd_client::{Permission, PermissionType};

use crate::check;
use crate::support::daemon::{ConfigFile, KEY};
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::host::VIP;
use crate::support::lab::Lab;
use crate::support::store::User;

#[test]
fn who_has_the_claim_is_reported() {
    let lab = Lab::new("claims");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let store = cluster.store();
    let plain = ConfigFile::basic(&host, &cluster);
    let printed = check(&host, &plain);
    assert!(printed.text.contains("✓ claim: is off: the leader key decides alone"), "{}", printed.text);
    let config = plain.with("claim", "require");
    let key = format!("/service/pg_cluster/vip/{VIP}");
    let printed = check(&host, &config);
    assert!(printed.text.contains("nobody has it, and this host may claim (claim: require)"), "{}", printed.text);
    let revision = |key: &str| store.get(key).map(|entry| entry.mod_revision);
    assert_eq!(revision(&key), None, "nothing is written");

    store.put("/service/pg_cluster/members/db1", "{}");
    store.put(KEY, "db1");
    let lease = store.grant(60);
    store.put_leased(&key, r#"{"host":"db2","boot":"another"}"#, lease);
    check(&host, &config).shows("claim-taken");
    store.put(KEY, "db2");
    let printed = check(&host, &config);
    assert!(printed.text.contains("db2 has it, for at most"), "{}", printed.text);
    store.put(&key, "by hand");
    check(&host, &config).shows("claim-foreign");
}

#[test]
fn a_missing_right_to_claim_is_reported_with_its_grant() {
    let lab = Lab::new("claimright");
    let user = User { name: "root".into(), password: "hunter2".into() };
    let options = ClusterOptions { members: 1, user: Some(user), ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&lab, &options);
    let host = lab.host("db1");
    let key = format!("/service/pg_cluster/vip/{VIP}");
    let readable = key.clone();
    let made = cluster.store().ask(async move |client| {
        client.user_add("vip", "pass", None).await?;
        client.role_add("vip").await?;
        client.role_grant_permission("vip", Permission::read(KEY)).await?;
        // To read the claim is not enough.
        client.role_grant_permission("vip", Permission::read(readable.as_str())).await?;
        client.user_grant_role("vip", "vip").await.map(|_| ())
    });
    made.unwrap();
    let config = ConfigFile::basic(&host, &cluster).with("etcd-user", "vip").with("etcd-password", "pass");
    check(&host, &config.clone().with("claim", "require")).shows("claim-forbidden");
    check(&host, &config.clone().with("claim", "auto")).shows("claim-forbidden-auto");
    let granted = cluster.store().ask(async move |client| {
        let write = Permission::new(PermissionType::Readwrite, key.as_str());
        client.role_grant_permission("vip", write).await.map(|_| ())
    });
    granted.unwrap();
    let printed = check(&host, &config.with("claim", "require"));
    assert!(printed.text.contains("nobody has it, and this host may claim"), "{}", printed.text);
}
