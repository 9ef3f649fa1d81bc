//! etcd is partitioned, and the holder reaches only the minority.

use std::time::Duration;

use etcd_client::GetOptions;

use super::failover::Failover;
use super::support::cut::{Cut, Way};
use super::support::daemon::KEY;

/// The lone member was etcd's leader, so it notices last that it no longer is. To serializable reads it keeps returning
/// the old leader key.
#[test]
fn vip_is_released_when_the_holder_reaches_only_a_member_without_quorum() {
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
    let stale = store
        .ask_one(&door, async |client| {
            let answer = client.get(KEY, Some(GetOptions::new().with_serializable())).await?;
            Ok(answer.kvs().first().map(|kv| String::from_utf8_lossy(kv.value()).into_owned()))
        })
        .unwrap();
    assert_eq!(stale.as_deref(), Some("db1"), "the lone member still returns the old leader");
    failover.check(failover.earliest_end());

    drop((of_member, of_holder));
    setup.assert_stays_released(0, Duration::from_secs(4));
    assert!(setup.holds(1));
}
