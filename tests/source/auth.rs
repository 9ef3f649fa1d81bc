//! Users and passwords.

use etcd_client::{Client, Permission};
use tokio::time::timeout;
use vip_manager::config::model::{Login, Password, Secret, StoreConfig};
use vip_manager::source::{EndpointLink, Report, Source};

use crate::etcd::{Cluster, Folder, hang};
use crate::telling::Lines;
use crate::wait::{SOON, all_up, eventually, until, why_down};
use crate::{
    INTERVAL, KEY, US, change_of, change_to, config, read_naming, read_of, source, start, unreadable, watched,
};

fn config_of(cluster: &Cluster, user: &str, password: &str) -> StoreConfig {
    let login = Login { user: user.into(), password: Password::Given(Secret::new(password.into())) };
    StoreConfig { login: Some(login), ..config(cluster.endpoints()) }
}

#[tokio::test]
async fn a_user_with_its_password_is_let_in() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut source = source(&config_of(&cluster, "vip", "secret"));
    all_up(&mut source).await;
    cluster.client_of("root", "root").await.put(KEY, US, None).await.unwrap();
    until(&mut source, "the change", SOON, change_to(Some(US))).await;
    until(&mut source, "the read", SOON, read_naming(Some(US))).await;
}

#[tokio::test]
async fn a_member_that_restarts_forgets_our_login_and_is_told_again() {
    let mut cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut source = source(&config_of(&cluster, "vip", "secret"));
    all_up(&mut source).await;
    cluster.members[0].kill();
    why_down(&mut source).await;
    cluster.members[0].start();
    all_up(&mut source).await;
}

#[tokio::test]
async fn authentication_that_is_turned_on_under_us_is_survived() {
    let cluster = Cluster::new(1).await;
    let mut source = source(&config_of(&cluster, "vip", "secret"));
    all_up(&mut source).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut client = cluster.client_of("root", "root").await;
    client.put(KEY, US, None).await.unwrap();
    until(&mut source, "the read", SOON, read_naming(Some(US))).await;
    all_up(&mut source).await;
    client.put(KEY, "host2", None).await.unwrap();
    until(&mut source, "the change", SOON, change_to(Some("host2"))).await;
}

#[tokio::test]
async fn a_user_that_etcd_does_not_ask_for_does_no_harm() {
    let cluster = Cluster::new(1).await;
    let mut source = source(&config_of(&cluster, "vip", "secret"));
    all_up(&mut source).await;
    assert_eq!(source.endpoints()[0].link, EndpointLink::Up);
}

#[tokio::test]
async fn a_wrong_password_is_called_one() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut source = source(&config_of(&cluster, "vip", "wrong-word"));
    let why = why_down(&mut source).await;
    assert!(why.contains("refuses the user or the password"), "{why}");
    assert!(!why.contains("wrong-word"), "{why}");
}

#[tokio::test]
async fn a_missing_user_is_called_one() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut source = source(&config(cluster.endpoints()));
    let why = why_down(&mut source).await;
    assert!(why.contains("demands a user; set etcd-user"), "{why}");
}

#[tokio::test]
async fn a_user_who_may_not_read_the_key_is_told_how_to_get_the_permission() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut source = source(&config_of(&cluster, "stranger", "stranger"));
    let why = until(&mut source, "the refusal", SOON, |report| unreadable(report, 0)).await;
    assert!(why.contains(&format!("role grant-permission ROLE read {KEY}")), "{why}");
    all_up(&mut source).await;
}

const OTHER: &str = "/other/leader";

/// Two keys of the same user; it may read the first.
async fn two_keys(cluster: &Cluster) -> (Client, Source) {
    cluster.turn_authentication_on("vip", "secret").await;
    let source = start(&config_of(cluster, "vip", "secret"), INTERVAL, vec![watched(KEY), watched(OTHER)]);
    (cluster.client_of("root", "root").await, source)
}

async fn grant_other(root: &mut Client) {
    root.role_grant_permission("reader", Permission::read(OTHER)).await.unwrap();
}

/// Reads and changes of the first key, while the other one cannot be read.
async fn first_key_is_read_and_watched(root: &mut Client, source: &mut Source) {
    for _ in 0..5 {
        until(source, "reads of the first key", SOON, |report| {
            assert!(!matches!(report, Report::Unreachable { .. }) && unreadable(report, 0).is_none(), "{report:?}");
            read_of(report, 0)
        })
        .await;
    }
    for value in ["host2", US] {
        root.put(KEY, value, None).await.unwrap();
        until(source, "the change", SOON, change_to(Some(value))).await;
        until(source, "its read", SOON, read_naming(Some(value))).await;
    }
    assert_eq!(source.endpoints()[0].link, EndpointLink::Up);
}

#[tokio::test]
async fn a_key_whose_permission_is_revoked_fails_alone() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut root = cluster.client_of("root", "root").await;
    grant_other(&mut root).await;
    let keys = vec![watched(KEY), watched(OTHER)];
    let mut source = start(&config_of(&cluster, "vip", "secret"), INTERVAL, keys);
    all_up(&mut source).await;
    until(&mut source, "the other key", SOON, |report| read_of(report, 1)).await;

    let (lines, _guard) = Lines::listen();
    root.role_revoke_permission("reader", OTHER, None).await.unwrap();
    let why = until(&mut source, "the refusal", SOON, |report| unreadable(report, 1)).await;
    assert!(why.contains(&format!("role grant-permission ROLE read {OTHER}")), "{why}");
    first_key_is_read_and_watched(&mut root, &mut source).await;
    let told = lines.take();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("WARN") && told[0].contains(OTHER), "{told:#?}");

    grant_other(&mut root).await;
    until(&mut source, "the other key again", SOON, |report| read_of(report, 1)).await;
    root.put(OTHER, US, None).await.unwrap();
    until(&mut source, "its change", SOON, |report| change_of(report, 1)).await;
    let told = lines.take();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("INFO") && told[0].contains(OTHER), "{told:#?}");
}

#[tokio::test]
async fn a_key_that_may_be_read_later_is_watched_from_then_on() {
    let cluster = Cluster::new(1).await;
    let (mut root, mut source) = two_keys(&cluster).await;
    all_up(&mut source).await;
    until(&mut source, "the refusal", SOON, |report| unreadable(report, 1)).await;
    first_key_is_read_and_watched(&mut root, &mut source).await;

    grant_other(&mut root).await;
    until(&mut source, "the other key", SOON, |report| read_of(report, 1)).await;
    eventually("its watch", SOON, async || {
        root.put(OTHER, US, None).await.unwrap();
        let report = timeout(INTERVAL, source.reports.recv()).await.ok().flatten();
        report.and_then(|report| change_of(&report, 1))
    })
    .await;
    assert_eq!(source.endpoints()[0].link, EndpointLink::Up);
}

#[tokio::test]
async fn a_password_in_a_file_is_read_again_when_it_is_changed() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let folder = Folder::new();
    let path = folder.write("password", "old and wrong\n");
    let login = Login { user: "vip".into(), password: Password::File(path) };
    let mut source = source(&StoreConfig { login: Some(login), ..config(cluster.endpoints()) });
    why_down(&mut source).await;
    folder.write("password", "secret\n");
    all_up(&mut source).await;
}

#[tokio::test]
async fn a_password_file_that_is_not_there_is_named() {
    let cluster = Cluster::new(1).await;
    let path = "/nonexistent/password".into();
    let login = Login { user: "vip".into(), password: Password::File(path) };
    let mut source = source(&StoreConfig { login: Some(login), ..config(cluster.endpoints()) });
    let why = why_down(&mut source).await;
    assert!(why.contains("cannot read etcd-password-file /nonexistent/password: No such file"), "{why}");
}

#[tokio::test]
async fn a_password_file_that_hangs_leaves_us_with_the_last_password() {
    let mut cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let folder = Folder::new();
    let path = folder.write("password", "secret\n");
    let login = Login { user: "vip".into(), password: Password::File(path.clone()) };
    let config = StoreConfig { login: Some(login), ..config(cluster.endpoints()) };
    let mut known = source(&config);
    all_up(&mut known).await;
    hang(&path);
    let mut unknown = source(&config);
    let why = why_down(&mut unknown).await;
    assert!(why.contains("cannot read etcd-password-file") && why.contains("does its file system hang?"), "{why}");

    cluster.members[0].kill();
    why_down(&mut known).await;
    cluster.members[0].start();
    all_up(&mut known).await;
}
