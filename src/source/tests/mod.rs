//! The engine on a store held in memory: no etcd, no network, and time that only passes when nothing else happens.

mod claims;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{advance, timeout};

use self::memory::{Store, clock};
use crate::endpoint::EndpointLink;
use crate::keeper::{Limits, Names, Tenure};
use crate::pace::Pace;
use crate::source::engine::{self, Settings, Source};
use crate::source::keys::Keys;
use crate::source::report::{Report, Watched};
use crate::time::Moment;

const INTERVAL: Duration = Duration::from_secs(1);
const LIMITS: Limits = Limits { hold_timeout: Duration::from_secs(10), lease_margin: Duration::from_secs(3) };
const LIMIT: Duration = Duration::from_secs(3);

fn start(store: &Store) -> Source {
    start_with(store, Pace::steady(INTERVAL))
}

fn start_with(store: &Store, pace: Pace) -> Source {
    let keys = memory::KEYS.map(|key| Watched { key: key.into(), value: "us".into(), limits: vec![LIMITS] });
    let settings = Settings { pace, call_limit: LIMIT, clock, seed: 7 };
    engine::start(settings, Arc::new(Keys::new(keys.into())), store.connectors())
}

/// The next report that is wanted; no later than `limit` of the paused time.
async fn next<T>(source: &mut Source, limit: Duration, mut wanted: impl FnMut(Report) -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = wanted(source.reports.recv().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(limit, waiting).await.unwrap()
}

/// Who answers the next read of the first key that names `names`.
async fn read(source: &mut Source, limit: Duration, names: &Names) -> Arc<str> {
    next(source, limit, |report| {
        let Report::Read(reads) = report else { return None };
        reads.into_iter().find(|(key, read)| *key == 0 && read.names == *names).map(|(_, read)| read.from)
    })
    .await
}

async fn settle(source: &mut Source) {
    while source.endpoints().iter().any(|endpoint| endpoint.link != EndpointLink::Up) {
        source.reports.recv().await;
    }
    while source.reports.try_recv().is_ok() {}
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_at_once_and_followed_by_a_read() {
    let store = Store::new(2);
    let mut source = start(&store);
    settle(&mut source).await;
    store.put("/a", "us");
    let soon = Duration::from_millis(10);
    let changed = next(&mut source, soon, |report| match report {
        Report::Changed(changes) => Some(changes),
        _ => None,
    });
    let changed = changed.await;
    assert_eq!((changed.len(), changed[0].0, &changed[0].1.names), (1, 0, &Names::Us));
    read(&mut source, soon, &Names::Us).await;
}

#[tokio::test(start_paused = true)]
async fn two_endpoints_tell_a_change_once() {
    let store = Store::new(2);
    let mut source = start(&store);
    settle(&mut source).await;
    store.put("/a", "us");
    advance(INTERVAL * 3).await;
    let mut changes = 0;
    while let Ok(Some(report)) = timeout(Duration::from_millis(1), source.reports.recv()).await {
        changes += usize::from(matches!(report, Report::Changed(_)));
    }
    assert_eq!(changes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_connections_is_unreachable_once_per_interval() {
    let store = Store::new(2);
    store.set(0, |endpoint| endpoint.refuses = true);
    store.set(1, |endpoint| endpoint.refuses = true);
    let mut source = start(&store);
    let mut told = Vec::new();
    let _over = timeout(INTERVAL * 5 + INTERVAL / 2, async {
        while let Some(Report::Unreachable { why, .. }) = source.reports.recv().await {
            told.push(why);
        }
    })
    .await;
    assert_eq!(told.len(), 5, "{told:?}");
    assert_eq!(&*told[4], "e0: it refuses connections; e1: it refuses connections");
}

#[tokio::test(start_paused = true)]
async fn a_slow_endpoint_does_not_delay_a_read_and_is_asked_last_from_then_on() {
    let store = Store::new(2);
    let mut source = start(&store);
    settle(&mut source).await;
    store.set(0, |endpoint| endpoint.delay = Duration::from_secs(2));
    store.put("/a", "us");
    // Wherever the read goes first, the hedge brings the other endpoint's answer.
    assert_eq!(&*read(&mut source, Duration::from_millis(300), &Names::Us).await, "e1");
    assert_eq!(&*read(&mut source, INTERVAL, &Names::Us).await, "e1");
    store.put("/a", "other");
    assert_eq!(&*read(&mut source, Duration::from_millis(300), &Names::Other("other".into())).await, "e1");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_read_fails_alone() {
    let store = Store::new(1);
    store.put("/a", "us");
    store.set(0, |endpoint| endpoint.forbidden = Some("/b"));
    let mut source = start(&store);
    let refused = next(&mut source, INTERVAL, |report| match report {
        Report::Unreadable(keys) => Some(keys),
        _ => None,
    });
    let refused = refused.await;
    assert_eq!((refused.len(), refused[0].0, &*refused[0].1), (1, 1, "not this key; ask for it"));
    read(&mut source, INTERVAL * 2, &Names::Us).await;
    assert_eq!((&*source.errors()[0].0.endpoint, source.errors()[0].0.kind), ("e0", "login"));

    store.set(0, |endpoint| endpoint.forbidden = None);
    let found = |report| matches!(report, Report::Read(reads) if reads.iter().any(|(key, _)| *key == 1));
    next(&mut source, INTERVAL * 2, |report| found(report).then_some(())).await;
    assert_eq!(source.endpoints()[0].link, EndpointLink::Up);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_is_followed_by_one_that_begins_with_a_read() {
    let store = Store::new(1);
    let mut source = start(&store);
    settle(&mut source).await;
    store.set(0, |endpoint| endpoint.refuses = true);
    store.set(0, |endpoint| endpoint.changes.send(None)).unwrap();
    next(&mut source, INTERVAL * 2, |report| matches!(report, Report::Unreachable { .. }).then_some(())).await;
    assert!(source.endpoints()[0].link.is_down());
    store.put("/a", "us");
    store.set(0, |endpoint| endpoint.refuses = false);
    read(&mut source, Duration::from_secs(2), &Names::Us).await;
    settle(&mut source).await;
    store.put("/a", "other");
    read(&mut source, Duration::from_millis(10), &Names::Other("other".into())).await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_a_sign_of_life_gets_a_new_session() {
    let store = Store::new(1);
    let mut source = start(&store);
    settle(&mut source).await;
    store.set(0, |endpoint| endpoint.mute = true);
    let _reads_go_on = timeout(INTERVAL * 12, async { while source.reports.recv().await.is_some() {} }).await;
    assert!(store.set(0, |endpoint| endpoint.sessions) > 1, "the reads are answered, but the watch is dead");
}

#[tokio::test(start_paused = true)]
async fn where_the_lease_is_not_told_the_next_endpoint_is_asked() {
    let store = Store::new(2);
    let mut source = start(&store);
    settle(&mut source).await;
    store.set(0, |endpoint| endpoint.leaseless = true);
    for _ in 0..4 {
        let told = |report| match report {
            Report::Read(reads) => reads.into_iter().find(|(_, read)| read.tenure != Tenure::Unknown),
            report => panic!("{report:?}"),
        };
        let (_, read) = next(&mut source, INTERVAL + INTERVAL / 2, told).await;
        assert_eq!(&*read.from, "e1");
    }
    assert_eq!(source.errors()[0].0.kind, "lease");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_tells_no_leases_is_unreachable_though_reads_are_answered() {
    let store = Store::new(2);
    let mut source = start(&store);
    settle(&mut source).await;
    (0..2).for_each(|endpoint| store.set(endpoint, |endpoint| endpoint.leaseless = true));
    for _ in 0..3 {
        let told = |report| match report {
            Report::Unreachable { why, .. } => Some(why),
            _ => None,
        };
        let why = next(&mut source, INTERVAL * 3, told).await;
        assert_eq!(&*why, "e0: it knows no leases; e1: it knows no leases");
    }
}

/// As a proxy of etcd, which drops the question.
#[tokio::test(start_paused = true)]
async fn where_a_sign_of_life_is_never_given_a_read_is_one() {
    let store = Store::new(1);
    store.set(0, |endpoint| endpoint.signless = true);
    let mut source = start(&store);
    settle(&mut source).await;
    let _time_passes = timeout(INTERVAL * 60, async { while source.reports.recv().await.is_some() {} }).await;
    assert_eq!(
        store.set(0, |endpoint| endpoint.sessions),
        2,
        "the second session shows that the first was no accident"
    );
    assert_eq!(source.endpoints()[0].link, EndpointLink::Up);
}

/// The longest time between two reads that name us, of some.
async fn longest_gap(source: &mut Source, reads: u32) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..reads {
        let before = clock();
        read(source, INTERVAL * 60, &Names::Us).await;
        longest = longest.max(clock().since(before));
    }
    longest
}

#[tokio::test(start_paused = true)]
async fn a_long_interval_does_not_let_the_deadline_pass() {
    let store = Store::new(1);
    store.put("/a", "us");
    let long = Duration::from_secs(30);
    let mut source = start_with(&store, Pace::steady(long));
    settle(&mut source).await;
    let gap = longest_gap(&mut source, 5).await;
    assert!(gap > LIMITS.hold_timeout / 2 && gap < LIMITS.hold_timeout * 3 / 4, "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_store_is_read_seldom_and_at_the_full_pace_after_a_doubt() {
    let store = Store::new(2);
    let pace = Pace { full: INTERVAL, longest: INTERVAL * 10 };
    let mut source = start_with(&store, pace);
    settle(&mut source).await;
    let _becoming_quiet = timeout(INTERVAL * 20, async { while source.reports.recv().await.is_some() {} }).await;
    let unnamed = async |source: &mut Source| {
        let before = clock();
        read(source, INTERVAL * 60, &Names::Nobody).await;
        clock().since(before)
    };
    unnamed(&mut source).await;
    let gap = unnamed(&mut source).await;
    assert!(gap > INTERVAL * 8 && gap < INTERVAL * 12, "{gap:?}");

    store.put("/a", "us");
    read(&mut source, Duration::from_millis(10), &Names::Us).await;
    let gap = longest_gap(&mut source, 8).await;
    assert!(gap > INTERVAL * 3 / 2 && gap < INTERVAL * 5 / 2, "{gap:?}: a fifth of the deadline");
    store.set(0, |endpoint| endpoint.changes.send(None)).unwrap();
    read(&mut source, INTERVAL + INTERVAL / 10, &Names::Us).await;
    let gap = longest_gap(&mut source, 2).await;
    assert!(gap < INTERVAL + INTERVAL / 10, "{gap:?}: a session was lost");
}

/// All watches die without a word, on connections that live.
#[tokio::test(start_paused = true)]
async fn a_change_that_no_watch_tells_is_found_by_the_slow_read_and_the_watches_are_replaced() {
    let store = Store::new(2);
    let pace = Pace { full: INTERVAL, longest: INTERVAL * 10 };
    let mut source = start_with(&store, pace);
    settle(&mut source).await;
    let _becoming_quiet = timeout(INTERVAL * 20, async { while source.reports.recv().await.is_some() {} }).await;
    (0..2).for_each(|endpoint| store.set(endpoint, |endpoint| endpoint.mute = true));
    store.put("/a", "us");
    let changed_at = clock();
    read(&mut source, INTERVAL * 45 / 4, &Names::Us).await;
    assert!(clock().since(changed_at) > INTERVAL, "it was quiet");
    let replaced = timeout(INTERVAL * 6, async {
        while (0..2).any(|endpoint| store.set(endpoint, |endpoint| endpoint.sessions) < 2) {
            source.reports.recv().await;
        }
    });
    replaced.await.expect("every watch was asked for a sign of life");
}
