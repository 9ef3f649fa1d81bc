//! The cluster falls apart, and the old holder finds itself with the members that are too few.

use std::time::Duration;

use etcd_client::GetOptions;

use super::failover::Failover;
use super::support::cut::{Cut, Way};
use super::support::daemon::KEY;

/// The lone member led, so it is the slowest of all to find out that it does not any more; and to those who do not
/// insist it goes on telling the past.
#[test]
fn a_holder_that_only_reaches_a_member_without_a_quorum_lets_go() {
    let failover = Failover::begin("split");
    let setup = &failover.setup;
    let lone = setup.cluster.leader();
    let (with_it, mut away) = (setup.members()[lone], setup.members());
    away.remove(lone);
    let everybody_else: Vec<_> = away.iter().copied().chain([&setup.hosts[1]]).collect();
    let door = setup.cluster.plain_endpoints()[lone].clone();
    let store = setup.cluster.store_from(&setup.hosts[0]);

    let of_member = Cut::between(&setup.lab, with_it, &everybody_else, Way::Both);
    let of_holder = Cut::between(&setup.lab, &setup.hosts[0], &away, Way::Both);
    failover.succession();
    let told = store
        .ask_one(&door, async |client| {
            let answer = client.get(KEY, Some(GetOptions::new().with_serializable())).await?;
            Ok(answer.kvs().first().map(|kv| String::from_utf8_lossy(kv.value()).into_owned()))
        })
        .unwrap();
    assert_eq!(told.as_deref(), Some("db1"), "the lone member knows nothing of the new leader");
    failover.check(failover.earliest_end());

    drop((of_member, of_holder));
    setup.assert_stays_released(0, Duration::from_secs(4));
    assert!(setup.holds(1));
}
