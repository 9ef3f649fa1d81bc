//! etcd with authentication: the daemon logs in as a user that may only read the leader key.

use std::time::Duration;

use etcd_client::{Permission, PermissionType};

use super::measure::{report, seconds};
use super::setup::{SOON, Setup};
use super::support::clock::now;
use super::support::daemon::{ConfigFile, KEY};
use super::support::etcd::{Cluster, ClusterOptions, Member};
use super::support::fail::OrFail;
use super::support::store::User;

const NAME: &str = "vip";
const PASSWORD: &str = "read only";

fn setup(name: &str) -> Setup {
    let root = User { name: "root".to_owned(), password: "correct horse".to_owned() };
    let options = ClusterOptions { user: Some(root), ..ClusterOptions::default() };
    let setup = Setup::with(name, 2, &options, as_reader);
    setup.lead(0);
    setup
}

/// Gives the daemons a user with the least privileges that they need.
fn as_reader(cluster: &Cluster, config: ConfigFile) -> ConfigFile {
    // Created for the first daemon; the others use the same user.
    let known = cluster.store().ask(async |client| client.user_get(NAME).await.map(|_| ())).is_ok();
    if !known {
        let made = cluster.store().ask(async |client| {
            client.role_add("leader-reader").await?;
            let read = Permission::new(PermissionType::Read, KEY);
            client.role_grant_permission("leader-reader", read).await?;
            client.user_add(NAME, PASSWORD, None).await?;
            client.user_grant_role(NAME, "leader-reader").await.map(|_| ())
        });
        made.or_fail("making a user that may read");
    }
    config.with("etcd-user", NAME).with("etcd-password", PASSWORD)
}

#[test]
fn a_user_that_may_only_read_the_key_is_sufficient() {
    let setup = setup("reader");
    let moved = setup.set_leader(1);
    let held = setup.wait_held(1);
    let gone = setup.wait_gone(0, SOON);
    report(&format!("held {:.1} ms after the change", seconds(moved, held) * 1_000.0));
    assert!(held.max(gone).since(moved) < Duration::from_secs(1));
    assert!(!setup.daemons[0].process.text().contains(PASSWORD), "a password was logged");
}

/// etcd's simple tokens live in the member's memory. Without a new login every call fails with "invalid auth token".
#[test]
fn vip_is_kept_when_each_member_in_turn_loses_its_tokens() {
    let mut setup = setup("tokens");
    let pinger = setup.ping();
    for place in 0..setup.cluster.members.len() {
        setup.cluster.members[place].kill();
        setup.wait_renewed(0);
        setup.cluster.members[place].restart();
        setup.cluster.wait_member(place);
        setup.wait_renewed(0);
    }
    setup.assert_undisturbed(0, pinger);
    let moved = setup.set_leader(1);
    let held = setup.wait_held(1);
    setup.wait_gone(0, SOON);
    report(&format!("after three lost tokens: held {:.1} ms after the change", seconds(moved, held) * 1_000.0));
    assert!(held.since(moved) < Duration::from_secs(2));
}

#[test]
fn vip_is_kept_when_all_members_lose_their_tokens_at_once() {
    let mut setup = setup("all-tokens");
    let pinger = setup.ping();
    let killed = now();
    setup.cluster.members.iter_mut().for_each(Member::kill);
    setup.cluster.members.iter_mut().for_each(Member::restart);
    setup.set_leader(0);
    setup.wait_renewed(0);
    report(&format!("etcd and all tokens were away, confirmed again {:.2} s later", now().since(killed).as_secs_f64()));
    setup.assert_undisturbed(0, pinger);
}
