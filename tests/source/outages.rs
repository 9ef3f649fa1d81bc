//! Members that are silent, gone, late, or back.

use std::collections::BTreeSet;
use std::time::Duration;

use etcd_client::CompactionOptions;
use nix::sys::signal::Signal;
use vip_manager::clock;
use vip_manager::config::model::Endpoint;
use vip_manager::source::{EndpointLink, Report, Source};
use vip_manager::time::Moment;

use crate::etcd::{Cluster, free_port};
use crate::proxy::{Proxy, Wire};
use crate::wait::{SOON, all_up, eventually, until, why_down};
use crate::{CALL_LIMIT, INTERVAL, KEY, US, change_to, config, read_naming, read_of, source};

/// A proxy before the first member.
async fn proxy_to(cluster: &Cluster) -> Proxy {
    let member = ([127, 0, 0, 1], cluster.members[0].port).into();
    Proxy::between(([127, 0, 0, 1], 0).into(), member).await.unwrap()
}

fn endpoint_of(proxy: &Proxy) -> Endpoint {
    Endpoint { tls: false, host: "127.0.0.1".into(), port: proxy.at().port() }
}

/// The longest time between two answers, until `end`.
async fn longest_gap(source: &mut Source, end: Moment) -> Duration {
    let mut last = clock::now();
    let mut longest = Duration::ZERO;
    until(source, "answers", SOON, |report| {
        let now = clock::now();
        if let Report::Read(_) = report {
            longest = longest.max(now.since(last));
            last = now;
        }
        (now >= end).then_some(())
    })
    .await;
    longest
}

#[tokio::test]
async fn one_member_of_three_stops_and_neither_reads_nor_changes_wait_for_it() {
    let cluster = Cluster::new(3).await;
    let mut client = cluster.client().await;
    client.put(KEY, "host2", None).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;

    // Not the member that the test writes through, and not the leader if it can be helped: that is another test.
    let leader = client.status().await.unwrap().leader();
    let own = client.status().await.unwrap().header().unwrap().member_id();
    let stopped = if leader == own { 1 } else { 2 };
    cluster.members[stopped].signal(Signal::SIGSTOP);
    let gap = longest_gap(&mut source, clock::now() + Duration::from_secs(4)).await;
    assert!(gap < Duration::from_secs(1), "{gap:?} without an answer");

    let before = clock::now();
    let _answered_late = tokio::time::timeout(SOON, client.put(KEY, US, None)).await.unwrap();
    until(&mut source, "the change", SOON, change_to(Some(US))).await;
    until(&mut source, "its read", SOON, read_naming(Some(US))).await;
    let took = clock::now().since(before);
    assert!(took < Duration::from_secs(2), "{took:?}");

    cluster.members[stopped].signal(Signal::SIGCONT);
    all_up(&mut source).await;
}

#[tokio::test]
async fn an_endpoint_where_nobody_ever_answers_costs_nothing() {
    let cluster = Cluster::new(1).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut endpoints = cluster.endpoints();
    for port in [silent.local_addr().unwrap().port(), free_port()] {
        endpoints.insert(0, Endpoint { tls: false, host: "127.0.0.1".into(), port });
    }
    let mut source = source(&config(endpoints));
    let gap = longest_gap(&mut source, clock::now() + Duration::from_secs(4)).await;
    assert!(gap < Duration::from_secs(1), "{gap:?} without an answer");
}

#[tokio::test]
async fn a_slow_etcd_still_answers() {
    let cluster = Cluster::new(1).await;
    let proxy = proxy_to(&cluster).await;
    let mut source = source(&config(vec![endpoint_of(&proxy)]));
    all_up(&mut source).await;
    let mut unreachable = 0;
    // Nothing passes for four intervals at a time, which is less than the call limit.
    for _ in 0..3 {
        proxy.set(Wire::Silent);
        let silent_until = clock::now() + INTERVAL * 4;
        let mut count = |report: &Report| unreachable += u32::from(matches!(report, Report::Unreachable { .. }));
        while clock::now() < silent_until {
            if let Ok(Some(report)) = tokio::time::timeout(INTERVAL / 4, source.reports.recv()).await {
                count(&report);
            }
        }
        proxy.set(Wire::Open);
        until(&mut source, "the late answer", INTERVAL, |report| read_of(report, 0)).await;
        assert_eq!(source.endpoints()[0].link, EndpointLink::Up, "no session was given up");
    }
    assert!(unreachable > 0, "four intervals without an answer are worth a word");
}

#[tokio::test]
async fn etcd_goes_away_and_comes_back_and_nothing_has_to_be_restarted() {
    let mut cluster = Cluster::new(1).await;
    cluster.client().await.put(KEY, US, None).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;

    cluster.members[0].kill();
    let why = until(&mut source, "blind", SOON, |report| match report {
        Report::Unreachable { why, .. } if why.contains("refused") => Some(why.to_string()),
        Report::Unreachable { .. }
        | Report::Unreadable(_)
        | Report::Read(_)
        | Report::Claim(..)
        | Report::Changed(_) => None,
    })
    .await;
    assert!(why.starts_with(&cluster.members[0].url()), "{why}");

    cluster.members[0].start();
    until(&mut source, "the key again, without any event", SOON, read_naming(Some(US))).await;
    all_up(&mut source).await;
    cluster.client().await.put(KEY, "host2", None).await.unwrap();
    until(&mut source, "a change, on the new watch", SOON, change_to(Some("host2"))).await;
}

#[tokio::test]
async fn blindness_is_told_once_an_interval_and_no_more() {
    let endpoint = Endpoint { tls: false, host: "127.0.0.1".into(), port: free_port() };
    let mut source = source(&config(vec![endpoint]));
    let began = clock::now();
    let mut times = 0;
    until(&mut source, "blind", SOON, |report| {
        times += u32::from(matches!(report, Report::Unreachable { .. }));
        (clock::now().since(began) > INTERVAL * 10).then_some(())
    })
    .await;
    assert!((8..=12).contains(&times), "{times} in ten intervals");
}

#[tokio::test]
async fn etcd_that_starts_after_us_is_found() {
    let mut cluster = Cluster::new(1).await;
    cluster.members[0].kill();
    let mut source = source(&config(cluster.endpoints()));
    let why = why_down(&mut source).await;
    assert!(why.contains("refused"), "{why}");
    cluster.members[0].start();
    until(&mut source, "a read", SOON, read_naming(None)).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let endpoint = Endpoint { tls: false, host: "no-such-host.invalid".into(), port: 2379 };
    let mut source = source(&config(vec![endpoint]));
    let why = why_down(&mut source).await;
    assert!(why.contains("cannot resolve the name no-such-host.invalid"), "{why}");
}

#[tokio::test]
async fn a_compaction_during_a_cut_hides_no_change() {
    let cluster = Cluster::new(1).await;
    let mut client = cluster.client().await;
    client.put(KEY, US, None).await.unwrap();
    let proxy = proxy_to(&cluster).await;
    let mut source = source(&config(vec![endpoint_of(&proxy)]));
    all_up(&mut source).await;

    proxy.set(Wire::Cut);
    why_down(&mut source).await;
    let mut revision = 0;
    for number in 0..20 {
        let answer = client.put(KEY, format!("holder{number}"), None).await.unwrap();
        revision = answer.header().unwrap().revision();
    }
    client.compact(revision, Some(CompactionOptions::new().with_physical())).await.unwrap();
    proxy.set(Wire::Open);
    until(&mut source, "the last value", SOON, read_naming(Some("holder19"))).await;
    all_up(&mut source).await;
    client.put(KEY, US, None).await.unwrap();
    until(&mut source, "the watch works on", SOON, change_to(Some(US))).await;
}

#[tokio::test]
async fn a_connection_that_dies_without_a_word_is_given_up_and_made_anew() {
    let cluster = Cluster::new(1).await;
    let proxy = proxy_to(&cluster).await;
    let mut source = source(&config(vec![endpoint_of(&proxy)]));
    all_up(&mut source).await;
    proxy.set(Wire::Silent);
    let before = clock::now();
    let why = why_down(&mut source).await;
    assert!(why.contains("no answer within") || why.contains("no sign of life"), "{why}");
    assert!(clock::now().since(before) < CALL_LIMIT + INTERVAL * 5, "{:?}", clock::now().since(before));
    proxy.set(Wire::Open);
    all_up(&mut source).await;
}

#[tokio::test]
async fn a_member_without_its_cluster_is_no_observer() {
    let mut cluster = Cluster::new(3).await;
    cluster.client().await.put(KEY, US, None).await.unwrap();
    let mut source = source(&config(cluster.endpoints()));
    all_up(&mut source).await;
    cluster.members[1].kill();
    cluster.members[2].kill();
    let why = until(&mut source, "blind", SOON, |report| match report {
        Report::Unreachable { why, .. } => Some(why.to_string()),
        Report::Unreadable(_) | Report::Read(_) | Report::Claim(..) | Report::Changed(_) => None,
    })
    .await;
    assert!(cluster.members.iter().all(|member| why.contains(&member.url())), "each member has its cause: {why}");

    // What was under way is over; from here on the one that is left cannot have answered.
    until(&mut source, "blind again", SOON, |report| matches!(report, Report::Unreachable { .. }).then_some(())).await;
    for _ in 0..5 {
        until(&mut source, "blind, and never a read", SOON, |report| match report {
            Report::Unreachable { .. } => Some(()),
            Report::Read(_) => panic!("read without a quorum: {report:?}"),
            Report::Unreadable(_) | Report::Claim(..) | Report::Changed(_) => None,
        })
        .await;
    }
    cluster.members[1].start();
    until(&mut source, "a read with the quorum back", SOON, read_naming(Some(US))).await;
}

#[tokio::test]
async fn an_endpoint_of_another_cluster_is_not_believed() {
    let (ours, other) = (Cluster::new(2).await, Cluster::new(1).await);
    ours.client().await.put(KEY, US, None).await.unwrap();
    other.client().await.put(KEY, "host2", None).await.unwrap();
    let late = proxy_to(&other).await;
    late.set(Wire::Silent);
    let mut endpoints = ours.endpoints();
    endpoints.push(endpoint_of(&late));
    let mut source = source(&config(endpoints));
    until(&mut source, "ours", SOON, read_naming(Some(US))).await;
    late.set(Wire::Open);
    let refused = async {
        loop {
            if let EndpointLink::Down { why } = &source.endpoints()[2].link
                && why.contains("another etcd cluster")
            {
                return;
            }
            let report = tokio::time::timeout(INTERVAL, source.reports.recv()).await;
            let read = report.ok().flatten().and_then(|report| read_of(&report, 0));
            assert!(read.is_none_or(|read| read.names.value(US) == Some(US)));
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
}

/// Who is named by the reads of a while.
async fn named(source: &mut Source, span: Duration) -> BTreeSet<String> {
    let (mut named, end) = (BTreeSet::new(), clock::now() + span);
    while clock::now() < end {
        let report = tokio::time::timeout(INTERVAL, source.reports.recv()).await;
        let read = report.ok().flatten().and_then(|report| read_of(&report, 0));
        named.extend(read.and_then(|read| read.names.value(US).map(str::to_owned)));
    }
    named
}

/// Two members of one cluster and a foreign endpoint; all connections break, and the foreign one is back first.
#[tokio::test]
async fn an_outage_does_not_make_a_foreign_cluster_believed() {
    let (mut ours, other) = (Cluster::new(2).await, Cluster::new(1).await);
    ours.client().await.put(KEY, "host2", None).await.unwrap();
    other.client().await.put(KEY, US, None).await.unwrap();
    let foreign = proxy_to(&other).await;
    let mut endpoints = ours.endpoints();
    endpoints.push(endpoint_of(&foreign));
    let mut source = source(&config(endpoints));
    until(&mut source, "ours", SOON, read_naming(Some("host2"))).await;

    foreign.set(Wire::Cut);
    ours.members.iter_mut().for_each(crate::etcd::Member::kill);
    until(&mut source, "an outage", SOON, |report| matches!(report, Report::Unreachable { .. }).then_some(())).await;
    foreign.set(Wire::Open);
    assert_eq!(named(&mut source, CALL_LIMIT * 2).await, BTreeSet::new());
    let EndpointLink::Down { why } = &source.endpoints()[2].link else { panic!("{:?}", source.endpoints()) };
    assert!(why.contains("another etcd cluster"), "{why}");

    ours.members.iter_mut().for_each(crate::etcd::Member::start);
    until(&mut source, "ours again", SOON, read_naming(Some("host2"))).await;
}

#[tokio::test]
async fn of_two_clusters_without_a_majority_neither_is_believed() {
    let (ours, other) = (Cluster::new(1).await, Cluster::new(1).await);
    ours.client().await.put(KEY, "host2", None).await.unwrap();
    other.client().await.put(KEY, US, None).await.unwrap();
    let mut source = source(&config(vec![ours.members[0].endpoint(), other.members[0].endpoint()]));
    assert_eq!(named(&mut source, CALL_LIMIT * 2).await, BTreeSet::new());
    for endpoint in source.endpoints() {
        let EndpointLink::Down { why } = &endpoint.link else { panic!("{endpoint:?}") };
        assert!(why.contains("neither has the majority"), "{why}");
    }
}

/// A cluster that was set up anew on the same endpoints has another id.
#[tokio::test]
async fn a_cluster_that_replaces_another_is_believed_once_the_majority_belongs_to_it() {
    let (old, new) = (Cluster::new(1).await, Cluster::new(1).await);
    old.client().await.put(KEY, "host2", None).await.unwrap();
    new.client().await.put(KEY, US, None).await.unwrap();
    let proxy = proxy_to(&old).await;
    let mut source = source(&config(vec![endpoint_of(&proxy)]));
    until(&mut source, "the old", SOON, read_naming(Some("host2"))).await;
    let port = proxy.at();
    drop(proxy);
    let target = ([127, 0, 0, 1], new.members[0].port).into();
    let _moved = eventually("the port is free", SOON, async || Proxy::between(port, target).await.ok()).await;
    until(&mut source, "the new", SOON, read_naming(Some(US))).await;
}
