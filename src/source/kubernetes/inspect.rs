//! Inspects the API servers for `vip-manager check`: who they are, what the object says, and what is around it.
//!
//! It connects as the daemon does, so whatever refuses one refuses the other. It only reads.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::DATE;
use serde_json::Value;
use tokio::time::timeout;

use super::access::{Means, Server, servers};
use super::object::{Listing, Summary, summaries};
use super::path::ObjectPath;
use super::record::Record;
use super::refusal::AnswerError;
use super::requests::Requests;
use crate::config::model::StoreConfig;
use crate::source::client::Failure;
use crate::source::facts::{
    Answer, Around, EndpointDetail, EndpointFacts, Forbidden, Held, Inspection, KeyDetail, KeyFacts, LeaseFacts,
    Refusal,
};
use crate::text::brief;
use crate::time::{Clock, WallTime};

/// In characters. Patroni's names are shorter.
const MAX_VALUE: usize = 1024;

/// Inspects all API servers at once, in their order. It returns within about three times `limit`, whatever they do.
pub(crate) async fn inspect(config: &StoreConfig, keys: &[String], limit: Duration, clock: Clock) -> Vec<Inspection> {
    let means = Means { limit, clock: clock.now };
    let inspected = servers(config, means).into_iter().map(|(name, server)| {
        let keys = keys.to_vec();
        tokio::spawn(async move { inspect_server(&name, server, keys, limit, clock).await })
    });
    let tasks: Vec<_> = inspected.collect();
    let mut inspections = Vec::new();
    for task in tasks {
        inspections.extend(task.await);
    }
    inspections
}

async fn inspect_server(
    name: &str,
    mut server: Server,
    keys: Vec<String>,
    limit: Duration,
    clock: Clock,
) -> Inspection {
    let asked = timeout(limit * 3, ask(&mut server, &keys, clock)).await;
    let (outcome, ahead, keys) = match asked {
        Ok(Ok((answer, ahead, found))) => (Ok(answer), ahead, Some(found)),
        Ok(Err(failure)) => (Err(refusal(failure)), None, None),
        Err(_elapsed) => {
            let why = format!("does not answer within {:.1?}: hung, overloaded, or without its etcd", limit * 3);
            (Err(Refusal { why, cure: "check the log of that API server".to_owned() }), None, None)
        }
    };
    let endpoint = EndpointFacts { endpoint: name.to_owned(), outcome, ahead, detail: EndpointDetail::None };
    Inspection { endpoint, keys }
}

type Asked = (Answer, Option<i64>, BTreeMap<String, KeyFacts>);

async fn ask(server: &mut Server, keys: &[String], clock: Clock) -> Result<Asked, Failure> {
    let requests = Requests::connect(&server.reach().await?).await?;
    let version = requests.version().await?;
    let ahead = version.headers().get(DATE).and_then(|date| ahead(date.to_str().ok()?, (clock.wall_time)()));
    let mut answer = Answer { version: of_version(&version), cluster: 0, took: Duration::ZERO };
    let mut found = BTreeMap::new();
    for key in keys {
        let Some(path) = ObjectPath::parse(key) else { continue };
        let started = (clock.now)();
        let listed = requests.list(&path, clock.wall_time).await;
        answer.took = (clock.now)().since(started);
        let facts = match listed {
            Ok((_, now, listing)) => key_facts(&requests, &path, listing, now).await,
            Err(AnswerError::Forbidden(_)) => {
                let (around, detail) = (Around::default(), KeyDetail::None);
                KeyFacts { held: Err(Forbidden), around, beside: None, detail }
            }
            Err(AnswerError::Failed(failure)) => return Err(failure),
        };
        found.insert(key.clone(), facts);
    }
    Ok((answer, ahead, found))
}

async fn key_facts(requests: &Requests, path: &ObjectPath, listing: Listing, now: WallTime) -> KeyFacts {
    let record = listing.object.as_ref().map(|object| &object.record);
    let around = around(requests, path, record).await;
    let beside = if record.is_some() { None } else { other_kind(requests, path).await };
    let detail = match may_watch(requests, path, listing.version).await {
        Ok(()) => KeyDetail::None,
        Err(why) => KeyDetail::Unwatched { why },
    };
    let held = listing.object.filter(|object| object.record.leader().is_some()).map(|object| Held {
        value: brief(object.record.leader().unwrap_or_default(), MAX_VALUE),
        changed: object.version,
        lease: lease(&object.record, now),
    });
    KeyFacts { held: Ok(held), around, beside, detail }
}

/// What the record has left by the wall clocks of two hosts.
fn lease(record: &Record, now: WallTime) -> LeaseFacts {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    match (record.ttl(), record.renewed()) {
        (Some(ttl), Some(WallTime(renewed))) => {
            let left = seconds(ttl).saturating_sub(seconds(now.0.saturating_sub(renewed)));
            LeaseFacts::Left { left, granted: seconds(ttl) }
        }
        (Some(_) | None, _) => LeaseFacts::Unknown,
    }
}

/// Whether the object may be watched. A watch that ends at once is enough to see that.
async fn may_watch(requests: &Requests, path: &ObjectPath, version: i64) -> Result<(), String> {
    match requests.try_watch(path, version).await {
        Err(AnswerError::Forbidden(failure)) => Err(failure.why),
        Ok(()) | Err(AnswerError::Failed(_)) => Ok(()),
    }
}

/// The key of the other kind of object, if Patroni keeps its leader there.
async fn other_kind(requests: &Requests, path: &ObjectPath) -> Option<String> {
    let other = path.of_other_kind()?;
    let all = list(requests, &other.all()).await?;
    let leads = |object: &&Summary| object.name == other.name() && object.record.leader().is_some();
    all.iter().find(leads).map(|_| other.key())
}

/// What else the namespace holds, as far as this user may list it.
async fn around(requests: &Requests, path: &ObjectPath, record: Option<&Record>) -> Around {
    let mut around = Around::default();
    let pods = list(requests, &format!("/api/v1/namespaces/{}/pods", path.namespace())).await;
    around.members = pods.map(|pods| pods.into_iter().filter(|pod| pod.is_member).map(|pod| pod.name).collect());
    around.scope = record.is_some();
    if !around.scope
        && let Some(all) = list(requests, &path.all()).await
    {
        around.listed = true;
        around.anything = all.iter().any(|object| object.record.leader().is_some());
        let leads = |object: &&Summary| object.record.leader().is_some();
        around.leaders = all.iter().filter(leads).map(|object| path.named(&object.name).key()).collect();
    }
    around
}

async fn list(requests: &Requests, path: &str) -> Option<Vec<Summary>> {
    let answer = requests.get(&format!("{path}?limit={MAX_NAMES}")).await.ok()?;
    answer.status().is_success().then(|| summaries(answer.body()).ok()).flatten()
}

fn of_version(answer: &Response<Bytes>) -> String {
    let page: Option<Value> = serde_json::from_slice(answer.body()).ok();
    page.and_then(|page| page["gitVersion"].as_str().map(|text| brief(text, 64))).unwrap_or_default()
}

/// The seconds by which an HTTP date is ahead of `now`.
fn ahead(date: &str, now: WallTime) -> Option<i64> {
    let theirs = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(i64::try_from(theirs.as_secs()).ok()? - i64::try_from(now.0.as_secs()).ok()?)
}

fn refusal(failure: Failure) -> Refusal {
    let cure = failure.cure.unwrap_or_else(|| {
        match failure.kind {
            "connect" | "connection" => "is the API server up there, and does a firewall drop packets to this port?",
            "timeout" | "unavailable" => "check the log of that API server, and its etcd",
            _ => "is this a Kubernetes API server?",
        }
        .to_owned()
    });
    Refusal { why: failure.why, cure }
}

const MAX_NAMES: u32 = 500;
