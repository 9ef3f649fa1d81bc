//! Inspects the endpoints for `vip-manager check`: who they are, what the keys hold and what is around them.
//!
//! It connects as the daemon does, so whatever refuses one refuses the other. It only reads. Plain HTTP on the same
//! port tells an endpoint's time and what the old v2 store holds.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use etcd_client::{GetOptions, KeyValue, ResponseHeader, StatusResponse};
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::DATE;
use serde_json::Value;
use tokio::time::timeout;

use super::error::CallError;
use super::session::{Connector, OpenError, Session, tls_settings};
use crate::config::model::{Endpoint, StoreConfig};
use crate::error::chain;
use crate::source::facts::{
    Answer, Around, EndpointDetail, EndpointFacts, Forbidden, Held, Inspection, KeyDetail, KeyFacts, LeaseFacts,
    Refusal, namespace, scope,
};
use crate::source::secrets::Secrets;
use crate::text::brief;
use crate::time::{Clock, WallTime};
use crate::transport::dial::{DialError, Dialer};
use crate::transport::http::Limits;
use crate::transport::tls::{HandshakeError, TlsSettings};

/// Inspects all endpoints at once, in their order. It returns within about three times `limit`, whatever they do.
pub(crate) async fn inspect(config: &StoreConfig, keys: &[String], limit: Duration, clock: Clock) -> Vec<Inspection> {
    let one = |endpoint: &Endpoint| inspect_endpoint(endpoint.clone(), config.clone(), keys.to_vec(), limit, clock);
    let tasks: Vec<_> = config.endpoints.iter().map(|endpoint| tokio::spawn(one(endpoint))).collect();
    let mut inspections = Vec::new();
    for task in tasks {
        inspections.extend(task.await);
    }
    inspections
}

async fn inspect_endpoint(
    endpoint: Endpoint,
    config: StoreConfig,
    keys: Vec<String>,
    limit: Duration,
    clock: Clock,
) -> Inspection {
    let tls = tls_settings(&config);
    let needless = Arc::new(AtomicBool::new(false));
    let connector = Connector {
        name: endpoint.to_string().into(),
        dialer: Dialer::new(endpoint.clone(), Arc::clone(&tls)),
        tls: endpoint.tls.then(|| Arc::clone(&tls)),
        login: config.login.clone(),
        passwords: Secrets::new(config.names.password_file),
        limit,
        told_needless: Arc::clone(&needless),
    };
    let (answer, pages) =
        tokio::join!(ask(connector, &keys, limit, clock), over_http(&endpoint, &tls, &keys, limit, clock));
    let Pages { version, ahead, mut v2, serves_peers } = pages;
    let (outcome, keys) = match answer {
        Ok((mut answer, keys)) => {
            if answer.version.is_empty() {
                answer.version = version.unwrap_or_default();
            }
            (Ok(answer), Some(keys))
        }
        Err(refusal) => (Err(refusal), None),
    };
    let with_v2 = |(key, facts)| {
        let beside = v2.remove(&key);
        (key, KeyFacts { beside, ..facts })
    };
    Inspection {
        endpoint: EndpointFacts {
            endpoint: endpoint.to_string(),
            outcome,
            ahead,
            detail: EndpointDetail::Etcd { needless_login: needless.load(Ordering::Relaxed), serves_peers },
        },
        keys: keys.map(|keys| keys.into_iter().map(with_v2).collect()),
    }
}

type Keys = BTreeMap<String, KeyFacts>;

async fn ask(
    mut connector: Connector,
    keys: &[String],
    limit: Duration,
    clock: Clock,
) -> Result<(Answer, Keys), Refusal> {
    let tls = connector.tls.clone();
    let (session, _guard) = connector.open().await.map_err(|error| refusal_to_open(&error))?;
    let read = async {
        let started = (clock.now)();
        let status = session.maintenance().status().await.map_err(|error| session.correct(error.into()));
        let took = (clock.now)().since(started);
        let (version, mut cluster) = identity(status).map_err(|error| error.before_any_answer(tls.as_deref()))?;
        let mut found = BTreeMap::new();
        for key in keys {
            let (held, around) = match held(&session, key).await.map_err(|error| session.correct(error.into())) {
                Ok((held, of)) => {
                    cluster = of;
                    (Ok(held), around(&session, key).await)
                }
                Err(CallError::Forbidden) => (Err(Forbidden), Around::default()),
                Err(error) => return Err(error),
            };
            found.insert(key.clone(), KeyFacts { held, around, beside: None, detail: KeyDetail::None });
        }
        Ok::<_, CallError>((Answer { version, cluster, took }, found))
    };
    match timeout(limit, read).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(refusal_of_call(&error)),
        Err(_elapsed) => Err(refusal_of_call(&CallError::Silent { limit })),
    }
}

/// The version of an endpoint and the id of its cluster; empty and zero where this user may not ask for them, as
/// etcd 3.5.28 and 3.6.9 allow it to root only.
fn identity(status: Result<StatusResponse, CallError>) -> Result<(String, u64), CallError> {
    match status {
        Ok(status) => Ok((status.version().to_owned(), status.header().map_or(0, ResponseHeader::cluster_id))),
        Err(CallError::Forbidden) => Ok((String::new(), 0)),
        Err(error) => Err(error),
    }
}

/// What the key holds, and the id of the cluster that says so.
async fn held(session: &Session, key: &str) -> Result<(Option<Held>, u64), etcd_client::Error> {
    let answer = session.kv().get(key, None).await?;
    let cluster = answer.header().map_or(0, ResponseHeader::cluster_id);
    let Some(found) = answer.kvs().first() else { return Ok((None, cluster)) };
    let value = brief(&String::from_utf8_lossy(found.value()), MAX_VALUE);
    let lease = lease(session, found.lease()).await;
    Ok((Some(Held { value, changed: found.mod_revision(), lease }), cluster))
}

async fn lease(session: &Session, id: i64) -> LeaseFacts {
    if id == 0 {
        return LeaseFacts::None;
    }
    match session.leases().time_to_live(id, None).await {
        Ok(answer) => LeaseFacts::Left { left: answer.ttl(), granted: answer.granted_ttl() },
        Err(_) => LeaseFacts::Unknown,
    }
}

/// What else the store holds, as far as this user may list it.
async fn around(session: &Session, key: &str) -> Around {
    let mut around = Around::default();
    if let Some(scope) = scope(key) {
        let directory = format!("{scope}members/");
        let strip = |name: &String| name.strip_prefix(&directory).map(str::to_owned);
        around.members = names(session, &directory).await.map(|names| names.iter().filter_map(strip).collect());
        let known = around.members.as_ref().is_some_and(|names| !names.is_empty());
        around.scope = known || names(session, scope).await.is_some_and(|names| !names.is_empty());
    }
    if !around.scope {
        let all = names(session, "").await;
        around.listed = all.is_some();
        let mut known = all.unwrap_or_default();
        around.anything = !known.is_empty();
        // If there are more keys than were listed, Patroni's may be among the rest.
        for namespace in namespace(key).into_iter().chain(NAMESPACES) {
            known.extend(names(session, namespace).await.unwrap_or_default());
        }
        around.leaders = known.into_iter().filter(|name| name.ends_with("/leader")).collect();
        around.leaders.sort();
        around.leaders.dedup();
    }
    around
}

async fn names(session: &Session, prefix: &str) -> Option<Vec<String>> {
    let options = GetOptions::new().with_keys_only().with_serializable().with_limit(MAX_NAMES);
    let options = if prefix.is_empty() { options.with_all_keys() } else { options.with_prefix() };
    let answer = session.kv().get(prefix, Some(options)).await.ok()?;
    let name = |found: &KeyValue| String::from_utf8_lossy(found.key()).into_owned();
    Some(answer.kvs().iter().map(name).collect())
}

/// What plain HTTP told.
#[derive(Default)]
struct Pages {
    version: Option<String>,
    ahead: Option<i64>,
    v2: BTreeMap<String, String>,
    serves_peers: bool,
}

/// The endpoint's time, the keys in its v2 store, and whether it is a peer port.
async fn over_http(
    endpoint: &Endpoint,
    tls: &Arc<TlsSettings>,
    keys: &[String],
    limit: Duration,
    clock: Clock,
) -> Pages {
    let mut pages = Pages::default();
    let dialer = Dialer::new(endpoint.clone(), Arc::clone(tls));
    let limits = Limits { time: limit, body: MAX_BODY };
    let Ok(version) = dialer.get("/version", limits).await else { return pages };
    pages.version = json(&version).and_then(|version| version["etcdserver"].as_str().map(str::to_owned));
    pages.ahead = version.headers().get(DATE).and_then(|date| ahead(date.to_str().ok()?, (clock.wall_time)()));
    let members = dialer.get("/members", limits).await.ok();
    pages.serves_peers = members.and_then(|page| json(&page)).is_some_and(|members| !members[0]["peerURLs"].is_null());
    for key in keys.iter().filter(|key| key.starts_with('/') && key.bytes().all(is_plain)) {
        let page = dialer.get(&format!("/v2/keys{key}"), limits).await.ok();
        if let Some(value) = page.and_then(|page| v2_value(&page)) {
            pages.v2.insert(key.clone(), value);
        }
    }
    pages
}

/// The seconds by which an HTTP date is ahead of `now`.
fn ahead(date: &str, now: WallTime) -> Option<i64> {
    let theirs = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(i64::try_from(theirs.as_secs()).ok()? - i64::try_from(now.0.as_secs()).ok()?)
}

/// Whether a byte needs no escape in a request's path.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte)
}

fn v2_value(page: &Response<Bytes>) -> Option<String> {
    json(page)?["node"]["value"].as_str().map(|value| brief(value, MAX_VALUE))
}

/// The JSON of an answer that is not a refusal.
fn json(page: &Response<Bytes>) -> Option<Value> {
    page.status().is_success().then(|| serde_json::from_slice(page.body()).ok()).flatten()
}

fn refusal_to_open(error: &OpenError) -> Refusal {
    let cure = match error {
        OpenError::Dial(DialError::Resolve { host, .. } | DialError::NoAddress { host }) => {
            format!("correct the name in dcs-endpoints, or make it resolvable (getent hosts {host})")
        }
        OpenError::Dial(DialError::Tcp { .. }) => {
            "start etcd there, listening on that address (listen-client-urls)".to_owned()
        }
        OpenError::Dial(DialError::TcpSilent { .. } | DialError::Silent { phase: "TCP", .. }) => {
            "is the host up, and does a firewall drop packets to this port?".to_owned()
        }
        OpenError::Dial(DialError::Handshake(HandshakeError::Broken { .. })) => {
            return Refusal {
                cure: "does it speak TLS at all? if not, set http:// in dcs-endpoints".to_owned(),
                ..split(error)
            };
        }
        OpenError::Login(error) => return refusal_of_call(error),
        OpenError::Dial(_) | OpenError::Secret(_) => return split(error),
    };
    Refusal { why: chain(error), cure }
}

fn refusal_of_call(error: &CallError) -> Refusal {
    match error {
        CallError::NotNow(why) if why.contains("no leader") => Refusal {
            why: "answers but sees no leader of the etcd cluster: most members are down or unreachable".to_owned(),
            cure: "restore the other members (etcdctl endpoint status --cluster)".to_owned(),
        },
        CallError::Silent { limit } => Refusal {
            why: format!(
                "accepts connections but does not answer within {limit:.1?}: hung, overloaded, or without a quorum"
            ),
            cure: "check that member's log and disk (etcdctl endpoint status --cluster)".to_owned(),
        },
        other => split(other),
    }
}

/// The daemon's errors end with the cure; their sources tell more of the cause.
fn split(error: &(dyn Error + 'static)) -> Refusal {
    let (top, whole) = (error.to_string(), chain(error));
    let sources = whole.strip_prefix(&top).unwrap_or_default();
    let (why, cure) = top.split_once("; ").unwrap_or((&top, "check that file, or that member's log"));
    Refusal { why: format!("{why}{sources}"), cure: cure.to_owned() }
}

/// Common prefixes of Patroni's namespaces: its default, Spilo's, and typos of them.
const NAMESPACES: [&str; 4] = ["/service/", "/db/", "service/", "//"];
const MAX_NAMES: i64 = 1000;
/// In characters. Patroni's names are shorter.
const MAX_VALUE: usize = 1024;
const MAX_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_v2_store_is_read_and_a_refusal_is_not() {
        let page = |status, body: &'static str| Response::builder().status(status).body(Bytes::from(body)).unwrap();
        let found = r#"{"action":"get","node":{"key":"/service/pg/leader","value":"p\"g1"}}"#;
        assert_eq!(v2_value(&page(200, found)).as_deref(), Some("p\"g1"));
        assert_eq!(v2_value(&page(404, found)), None);
        assert_eq!(v2_value(&page(200, r#"{"node":{"dir":true}}"#)), None);
    }

    #[test]
    fn an_endpoint_that_tells_its_status_to_root_only_is_no_failure() {
        let refused = |message| Err(CallError::from(tonic::Status::permission_denied(message)));
        assert_eq!(identity(refused("etcdserver: permission denied")).unwrap(), (String::new(), 0));
        assert!(identity(Err(CallError::LoginLost)).is_err());
    }

    #[test]
    fn a_date_is_compared_with_this_hosts_time() {
        let now = WallTime(Duration::from_secs(1_795_270_800));
        assert_eq!(ahead("Sat, 21 Nov 2026 14:20:20 GMT", now), Some(20));
        assert_eq!(ahead("yesterday", now), None);
    }

    #[test]
    fn an_error_is_split_into_cause_and_cure() {
        let refusal = refusal_of_call(&CallError::UserDemanded);
        assert_eq!(
            (refusal.why.as_str(), refusal.cure.as_str()),
            ("etcd demands a user", "set etcd-user and etcd-password")
        );
    }
}
