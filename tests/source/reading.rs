//! What a read says, what it costs, and what it says of leases.

use std::time::Duration;

use etcd_client::PutOptions;
use tokio::time::sleep;
use vip_manager::keeper::{Names, Tenure};
use vip_manager::source::Report;

use crate::etcd::{Cluster, handled};
use crate::wait::{SOON, all_up, until};
use crate::{INTERVAL, KEY, US, config, read_naming, source, start, watched};

#[tokio::test]
async fn a_key_that_names_us_says_what_its_lease_has_left() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let lease = client.lease_grant(30, None).await.unwrap().id();
    client.put(KEY, US, Some(PutOptions::new().with_lease(lease))).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    for _ in 0..3 {
        let read = until(&mut source, "the read", SOON, read_naming(Some(US))).await;
        let Tenure::AtLeast(left) = read.tenure else { panic!("{:?}", read.tenure) };
        assert!((Duration::from_secs(25)..=Duration::from_secs(30)).contains(&left), "{left:?}");
    }
}

#[tokio::test]
async fn what_the_lease_has_left_shrinks_when_nobody_renews_it() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let lease = client.lease_grant(6, None).await.unwrap().id();
    client.put(KEY, US, Some(PutOptions::new().with_lease(lease))).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    let mut shortest = Duration::MAX;
    until(&mut source, "the key is gone", SOON, |report| {
        let read = crate::read_of(report, 0)?;
        if let (Some(_), Tenure::AtLeast(left)) = (read.names.value(US), read.tenure) {
            shortest = shortest.min(left);
        }
        (read.names == Names::Nobody).then_some(())
    })
    .await;
    assert!(shortest <= Duration::from_secs(1), "{shortest:?}");
}

#[tokio::test]
async fn a_key_without_a_lease_says_so_and_one_of_another_host_is_not_asked_about() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    client.put(KEY, US, None).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    let read = until(&mut source, "ours", SOON, read_naming(Some(US))).await;
    assert_eq!(read.tenure, Tenure::NoLease);

    let lease = client.lease_grant(30, None).await.unwrap().id();
    client.put(KEY, "host2", Some(PutOptions::new().with_lease(lease))).await.unwrap();
    let read = until(&mut source, "theirs", SOON, read_naming(Some("host2"))).await;
    assert_eq!(read.tenure, Tenure::Unknown);
    assert_eq!(handled(&cluster.members[0], "LeaseTimeToLive").await, 0);
}

#[tokio::test]
async fn three_hundred_keys_cost_three_transactions_an_interval_and_few_questions_for_their_lease() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let lease = client.lease_grant(600, None).await.unwrap().id();
    for number in 0..300 {
        let options = PutOptions::new().with_lease(lease);
        client.put(format!("/service/{number}/leader"), US, Some(options)).await.unwrap();
    }
    let keys = (0..300).map(|number| watched(&format!("/service/{number}/leader"))).collect();
    let mut source = start(&config(cluster.endpoints()), INTERVAL, keys);
    all_up(&mut source).await;

    // The reports tell the intervals: each read gives every key once.
    let member = &cluster.members[0];
    let before = counts(member).await;
    let mut seen = 0;
    until(&mut source, "ten intervals", SOON, |report| {
        if let Report::Read(keys) = report {
            seen += keys.len();
        }
        (seen >= 3_000).then_some(())
    })
    .await;
    let after = counts(member).await;
    let (transactions, leases, watches) = (after.0 - before.0, after.1 - before.1, after.2);
    assert!((27..=36).contains(&transactions), "{transactions} transactions in ten intervals");
    // It has 10 minutes left, and 13 s are enough.
    assert_eq!(leases, 0, "questions in ten intervals");
    assert_eq!(watches, 1, "one stream");
}

async fn counts(member: &crate::etcd::Member) -> (u64, u64, u64) {
    (handled(member, "Txn").await, handled(member, "LeaseTimeToLive").await, handled(member, "Watch").await)
}

#[tokio::test]
async fn the_members_are_asked_in_turn() {
    let cluster = Cluster::new(3).await;
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;
    let mut from = Vec::new();
    until(&mut source, "nine reads", SOON, |report| {
        from.push(crate::read_of(report, 0)?.from);
        (from.len() == 9).then_some(())
    })
    .await;
    for member in &cluster.members {
        let times = from.iter().filter(|from| ***from == *member.url()).count();
        assert_eq!(times, 3, "{from:?}");
    }
}

#[tokio::test]
async fn a_key_named_twice_is_told_twice() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let mut source = start(&config(cluster.endpoints()), INTERVAL, vec![watched(KEY), watched(KEY)]);
    all_up(&mut source).await;
    client.put(KEY, US, None).await.unwrap();
    for key in [0, 1] {
        let named = |report: &_| crate::read_of(report, key).filter(|read| read.names != Names::Nobody);
        until(&mut source, "each place", SOON, named).await;
    }
    sleep(Duration::ZERO).await;
}
