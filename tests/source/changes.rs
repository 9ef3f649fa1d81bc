//! What a watch says, and the read that follows it.

use std::collections::BTreeSet;
use std::time::Duration;

use etcd_client::PutOptions;
use vip_manager::keeper::Version;
use vip_manager::source::Report;

use crate::etcd::{Cluster, connections_to};
use crate::wait::{SOON, all_up, eventually, until};
use crate::{KEY, US, change_of, change_to, config, read_naming, read_of, source, start, watched};

#[tokio::test]
async fn a_change_is_told_at_once_and_followed_by_a_read_long_before_the_interval_is_over() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let hour = Duration::from_secs(3600);
    let mut source = start(&config(cluster.endpoints()), hour, vec![watched(KEY)]);
    until(&mut source, "the key is read as absent", SOON, read_naming(None)).await;
    all_up(&mut source).await;

    let written = client.put(KEY, US, None).await.unwrap().header().unwrap().revision();
    let change = until(&mut source, "the change", SOON, change_to(Some(US))).await;
    assert_eq!(change.version, Some(Version(written)));
    let read = until(&mut source, "the read", SOON, read_naming(Some(US))).await;
    assert_eq!(read.modified, Some(Version(written)));
    assert!(read.version >= Some(Version(written)) && read.answered_at > read.sent_at);
    assert_eq!(&*read.from, cluster.members[0].url());
}

#[tokio::test]
async fn nothing_falls_between_the_first_read_and_the_watch() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let hour = Duration::from_secs(3600);
    for attempt in 0..20 {
        let mut source = start(&config(cluster.endpoints()), hour, vec![watched(KEY)]);
        // Written while the source connects, reads and begins to watch; no read of the interval ever comes to help.
        let last = format!("holder-{attempt}-9");
        for number in 0..10 {
            client.put(KEY, format!("holder-{attempt}-{number}"), None).await.unwrap();
        }
        let read = until(&mut source, "the last value", SOON, read_naming(Some(&last))).await;
        assert_eq!(read.names.value(US), Some(last.as_str()));
    }
}

#[tokio::test]
async fn a_deleted_key_is_told_and_read_as_absent() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    client.put(KEY, US, None).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    until(&mut source, "the key", SOON, read_naming(Some(US))).await;
    all_up(&mut source).await;

    client.delete(KEY, None).await.unwrap();
    until(&mut source, "the deletion", SOON, change_to(None)).await;
    let read = until(&mut source, "the read", SOON, read_naming(None)).await;
    assert_eq!(read.modified, Some(Version(0)));
}

#[tokio::test]
async fn a_lease_that_ends_is_told_as_the_end_of_its_key() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let lease = client.lease_grant(2, None).await.unwrap().id();
    client.put(KEY, US, Some(PutOptions::new().with_lease(lease))).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    until(&mut source, "the key", SOON, read_naming(Some(US))).await;
    until(&mut source, "the end", SOON, change_to(None)).await;
}

#[tokio::test]
async fn three_members_tell_a_change_once() {
    let cluster = Cluster::new(3).await;
    let mut client = cluster.client().await;
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;
    let mut changes = 0;
    for number in 0..20 {
        client.put(KEY, format!("holder{number}"), None).await.unwrap();
    }
    until(&mut source, "the last of them", SOON, |report| {
        changes += usize::from(change_of(report, 0).is_some());
        read_of(report, 0).filter(|sighting| sighting.names.value(US) == Some("holder19"))
    })
    .await;
    assert!((1..=20).contains(&changes), "{changes}");
}

#[tokio::test]
async fn a_thousand_keys_that_change_together_are_all_told_and_all_read() {
    const COUNT: usize = 1_000;
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    let keys = (0..COUNT).map(|number| watched(&format!("/service/{number}/leader"))).collect();
    let hour = Duration::from_secs(3600);
    let mut source = start(&config(cluster.endpoints()), hour, keys);
    all_up(&mut source).await;
    let lease = client.lease_grant(600, None).await.unwrap().id();
    for chunk in (0..COUNT).collect::<Vec<_>>().chunks(128) {
        let options = PutOptions::new().with_lease(lease);
        let puts = chunk
            .iter()
            .map(|number| etcd_client::TxnOp::put(format!("/service/{number}/leader"), US, Some(options.clone())));
        client.txn(etcd_client::Txn::new().and_then(puts.collect::<Vec<_>>())).await.unwrap();
    }
    let (mut told, mut read) = (BTreeSet::new(), BTreeSet::new());
    until(&mut source, "all of them", SOON, |report| {
        match report {
            Report::Changed(changes) => told.extend(changes.iter().map(|(key, _)| *key)),
            Report::Read(seen) => {
                read.extend(seen.iter().filter(|(_, seen)| seen.names.value(US) == Some(US)).map(|(key, _)| *key));
            }
            Report::Claim(..) | Report::Unreadable(_) | Report::Unreachable { .. } => panic!("{report:?}"),
        }
        (told.len() == COUNT && read.len() == COUNT).then_some(())
    })
    .await;
    let transactions = crate::etcd::handled(&cluster.members[0], "Txn").await;
    // Eight of the test's own, eight of the first read; the rest are the reads of the changes.
    assert!(transactions <= 16 + 24, "{transactions} transactions");
}

#[tokio::test]
async fn dropping_the_source_closes_its_connections() {
    let cluster = Cluster::new(1).await;
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;
    let port = cluster.members[0].port;
    assert_eq!(connections_to(port).len(), 1, "one connection a member");
    drop(source);
    eventually("no connection is left", SOON, async || connections_to(port).is_empty().then_some(())).await;
}
