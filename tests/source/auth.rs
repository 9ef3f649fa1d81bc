//! Users and passwords.

use vip_manager::config::model::{EtcdConfig, Login, Password, Secret};
use vip_manager::source::etcd::Link;

use crate::etcd::{Cluster, Folder};
use crate::wait::{SOON, all_up, until, why_down};
use crate::{KEY, US, change_to, config, read_naming, source};

fn config_of(cluster: &Cluster, user: &str, password: &str) -> EtcdConfig {
    let login = Login { user: user.into(), password: Password::Given(Secret::new(password.into())) };
    EtcdConfig { login: Some(login), ..config(cluster.endpoints()) }
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
    assert_eq!(source.members()[0].link, Link::Up);
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
async fn a_user_without_the_right_to_read_the_key_is_told_how_to_get_it() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let mut source = source(&config_of(&cluster, "stranger", "stranger"));
    let why = why_down(&mut source).await;
    assert!(why.contains("role grant-permission"), "{why}");
}

#[tokio::test]
async fn a_password_in_a_file_is_read_again_when_it_is_changed() {
    let cluster = Cluster::new(1).await;
    cluster.turn_authentication_on("vip", "secret").await;
    let folder = Folder::new();
    let path = folder.write("password", "old and wrong\n");
    let login = Login { user: "vip".into(), password: Password::File(path) };
    let mut source = source(&EtcdConfig { login: Some(login), ..config(cluster.endpoints()) });
    why_down(&mut source).await;
    folder.write("password", "secret\n");
    all_up(&mut source).await;
}

#[tokio::test]
async fn a_password_file_that_is_not_there_is_named() {
    let cluster = Cluster::new(1).await;
    let path = "/nonexistent/password".into();
    let login = Login { user: "vip".into(), password: Password::File(path) };
    let mut source = source(&EtcdConfig { login: Some(login), ..config(cluster.endpoints()) });
    let why = why_down(&mut source).await;
    assert!(why.contains("cannot read etcd-password-file /nonexistent/password: No such file"), "{why}");
}
