//! Claims through the engine: what is asked, when, and what is reported.

use super::*;
use crate::keeper::{ClaimReport, ClaimWish};
use crate::source::claim::Owner;
use crate::source::report::ClaimSpec;

const KEY: &str = "/vip";
const TTL: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(10);

/// A source of the process `instance` of this boot, which wants the claim.
fn start_claiming(store: &Store, boot: &str, instance: &str) -> Source {
    let keys = memory::KEYS.map(|key| Watched { key: key.into(), value: "us".into(), limits: vec![LIMITS] });
    let owner = Owner { host: "us".into(), boot: boot.into() };
    let value = owner.value(instance, "today").into();
    let claim = ClaimSpec { key: KEY.into(), leader: 0, ttl: TTL, owner, value };
    let settings = Settings { pace: Pace::steady(INTERVAL), call_limit: LIMIT, clock, seed: 7 };
    let source = engine::start(settings, Arc::new(Keys::new(keys.into()).with_claims(vec![claim])), store.connectors());
    source.want(KEY, ClaimWish::Hold);
    source
}

async fn told(source: &mut Source, limit: Duration) -> ClaimReport {
    next(source, limit, |report| match report {
        Report::Claim(0, report) => Some(report),
        _ => None,
    })
    .await
}

/// When the renewal was sent that is reported next.
async fn held(source: &mut Source, limit: Duration) -> Moment {
    match told(source, limit).await {
        ClaimReport::Held { sent_at, bound, .. } => {
            assert_eq!(bound, TTL);
            sent_at
        }
        other => panic!("{other:?}"),
    }
}

fn claimed_by(store: &Store, instance: &str) -> bool {
    store.claim(KEY).is_some_and(|claim| claim.value.contains(&format!("\"instance\":\"{instance}\"")))
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_created_followed_by_a_read_and_renewed_every_fifth_of_its_time_to_live() {
    let store = Store::new(2);
    store.put("/a", "us");
    let mut source = start_claiming(&store, "b1", "1");
    let created = held(&mut source, INTERVAL * 2).await;
    assert!(claimed_by(&store, "1"));
    let later = next(&mut source, SOON, |report| match report {
        Report::Read(reads) => reads.into_iter().find(|(key, read)| *key == 0 && read.sent_at >= created),
        _ => None,
    });
    assert_eq!(later.await.1.names, Names::Us);
    let token = store.claim(KEY).unwrap().token;
    let mut before = created;
    for _ in 0..5 {
        let renewed = held(&mut source, TTL).await;
        assert!(renewed.since(before) >= TTL / 5 && renewed.since(before) < TTL / 5 + SOON);
        before = renewed;
    }
    assert_eq!(store.claim(KEY).unwrap().token, token);
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_not_created_while_the_leader_key_names_another() {
    let store = Store::new(2);
    store.put("/a", "other");
    let mut source = start_claiming(&store, "b1", "1");
    let silent = timeout(INTERVAL * 5, told(&mut source, TTL)).await;
    assert!(silent.is_err() && store.claim(KEY).is_none(), "{silent:?}");
    store.put("/a", "us");
    held(&mut source, INTERVAL * 2).await;
}

#[tokio::test(start_paused = true)]
async fn another_hosts_claim_is_waited_for_by_watch() {
    let store = Store::new(2);
    store.put("/a", "us");
    store.set_claim(KEY, Some("{\"host\":\"pg2\",\"boot\":\"b2\"}"));
    let mut source = start_claiming(&store, "b1", "1");
    let taken = ClaimReport::Taken { by: "pg2".into(), at_most: Some(TTL) };
    for _ in 0..5 {
        assert_eq!(told(&mut source, INTERVAL * 2).await, taken);
    }
    store.set_claim(KEY, None);
    held(&mut source, SOON).await;
    assert!(claimed_by(&store, "1"));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_gone_is_lost_and_created_again() {
    let store = Store::new(1);
    store.put("/a", "us");
    let mut source = start_claiming(&store, "b1", "1");
    held(&mut source, INTERVAL * 2).await;
    store.set_claim(KEY, None);
    assert!(matches!(told(&mut source, TTL / 4).await, ClaimReport::Lost { .. }));
    held(&mut source, SOON).await;
    store.set_claim(KEY, Some("somebody"));
    let taken = ClaimReport::Taken { by: "somebody".into(), at_most: Some(TTL) };
    assert_eq!(told(&mut source, TTL / 4).await, taken);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_with_its_cure_and_tried_again() {
    let store = Store::new(2);
    store.put("/a", "us");
    store.refuse_claims(true);
    let mut source = start_claiming(&store, "b1", "1");
    let refused = ClaimReport::Refused { why: "nobody may claim".into(), cure: Some("allow it".into()) };
    assert_eq!(told(&mut source, INTERVAL * 2).await, refused);
    assert_eq!(told(&mut source, TTL + INTERVAL).await, refused);
    store.refuse_claims(false);
    held(&mut source, TTL + INTERVAL).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_process_takes_the_claim_over_without_a_gap_and_another_boot_does_not() {
    let store = Store::new(1);
    store.put("/a", "us");
    let mut first = start_claiming(&store, "b1", "1");
    held(&mut first, INTERVAL * 2).await;
    drop(first);
    assert!(claimed_by(&store, "1"), "it is left");
    let mut second = start_claiming(&store, "b1", "2");
    held(&mut second, INTERVAL * 2).await;
    assert!(claimed_by(&store, "2"));
    drop(second);
    let mut booted = start_claiming(&store, "b2", "3");
    assert!(matches!(told(&mut booted, INTERVAL * 2).await, ClaimReport::Taken { .. }));
    assert!(claimed_by(&store, "2"));
}

#[tokio::test(start_paused = true)]
async fn renewals_go_on_while_one_endpoint_is_slow() {
    let store = Store::new(2);
    store.put("/a", "us");
    let mut source = start_claiming(&store, "b1", "1");
    let mut before = held(&mut source, INTERVAL * 2).await;
    for slow in [0, 1] {
        store.set(slow, |endpoint| endpoint.delay = TTL);
        store.set(1 - slow, |endpoint| endpoint.delay = Duration::ZERO);
        for _ in 0..3 {
            let renewed = loop {
                match told(&mut source, TTL).await {
                    ClaimReport::Held { sent_at, .. } => break sent_at,
                    ClaimReport::Unknown { why } => assert!(why.starts_with("no answer within"), "{why}"),
                    other => panic!("{other:?}"),
                }
            };
            assert!(renewed.since(before) < TTL / 2, "{:?}", renewed.since(before));
            before = renewed;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_given_up_is_deleted_unless_another_host_has_it() {
    let store = Store::new(1);
    store.put("/a", "us");
    let mut source = start_claiming(&store, "b1", "1");
    held(&mut source, INTERVAL * 2).await;
    source.want(KEY, ClaimWish::Delete);
    assert_eq!(told(&mut source, SOON).await, ClaimReport::Absent);
    assert_eq!(store.claim(KEY), None);
    drop(source);

    store.set_claim(KEY, Some("somebody"));
    let mut source = start_claiming(&store, "b1", "2");
    source.want(KEY, ClaimWish::Delete);
    assert!(matches!(told(&mut source, INTERVAL * 2).await, ClaimReport::Taken { .. }));
    assert!(timeout(TTL, source.reports.recv()).await.is_ok() && store.claim(KEY).is_some());
}
