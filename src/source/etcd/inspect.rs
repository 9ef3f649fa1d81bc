//! One look at one member, for `vip-manager check`: who it is, what the keys hold and what stands around them.
//!
//! It takes the same way in as the daemon does, so what refuses the one refuses the other. It reads, and nothing else. Plain
//! HTTP on the same port tells the member's time and what the old v2 store holds.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{GetOptions, KeyValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::dial::{DialError, Dialer};
use super::explain::{CallError, chain};
use super::handshake::HandshakeError;
use super::session::{Door, OpenError, Session};
use super::trust::Trust;
use crate::check::key::{Around, Held, Lease, namespace, scope};
use crate::check::member::{Answer, Refusal, http_date};
use crate::config::model::{Endpoint, EtcdConfig};
use crate::daemon::clock;

/// What one member said.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) answer: Result<Told, Refusal>,
    pub(crate) needless_login: bool,
    /// Seconds by which its clock is ahead.
    pub(crate) ahead: Option<i64>,
    /// What the v2 store holds under the keys.
    pub(crate) v2: BTreeMap<String, String>,
}

/// What a member that answers said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) keys: BTreeMap<String, (Option<Held>, Around)>,
}

/// Looks at one member. It comes back within about three times `limit`, whatever the member does.
pub(crate) async fn visit(endpoint: Endpoint, config: EtcdConfig, keys: Vec<String>, limit: Duration) -> Visit {
    let trust = Arc::new(Trust::new(&config));
    let needless = Arc::new(AtomicBool::new(false));
    let door = Door {
        name: endpoint.to_string().into(),
        dialer: Dialer::new(endpoint.clone(), Arc::clone(&trust)),
        trust: endpoint.tls.then(|| Arc::clone(&trust)),
        login: config.login.clone(),
        limit,
        told_needless: Arc::clone(&needless),
    };
    let (answer, (ahead, v2)) = tokio::join!(ask(door, &keys, limit), over_http(&endpoint, &trust, &keys, limit));
    Visit { answer, needless_login: needless.load(Ordering::Relaxed), ahead, v2 }
}

async fn ask(mut door: Door, keys: &[String], limit: Duration) -> Result<Told, Refusal> {
    let trust = door.trust.clone();
    let (session, _keeping) = door.open().await.map_err(|error| refusal_to_open(&error))?;
    let read = async {
        let started = clock::now();
        let first = session.maintenance().status().await;
        let status = first.map_err(|error| session.correct(error.into()).before_any_answer(trust.as_deref()))?;
        let took = clock::now().since(started);
        let cluster = status.header().map_or(0, etcd_client::ResponseHeader::cluster_id);
        let answer = Answer { version: status.version().to_owned(), cluster, took };
        let mut found = BTreeMap::new();
        for key in keys {
            let held = held(&session, key).await.map_err(|error| session.correct(error.into()))?;
            found.insert(key.clone(), (held, around(&session, key).await));
        }
        Ok::<_, CallError>(Told { answer, keys: found })
    };
    match timeout(limit, read).await {
        Ok(Ok(told)) => Ok(told),
        Ok(Err(error)) => Err(refusal_of_call(&error)),
        Err(_elapsed) => Err(refusal_of_call(&CallError::Silent { limit })),
    }
}

async fn held(session: &Session, key: &str) -> Result<Option<Held>, etcd_client::Error> {
    let answer = session.kv().get(key, None).await?;
    let Some(found) = answer.kvs().first() else { return Ok(None) };
    let value = String::from_utf8_lossy(found.value()).into_owned();
    let lease = lease(session, found.lease()).await;
    Ok(Some(Held { value, created: found.create_revision(), changed: found.mod_revision(), lease }))
}

async fn lease(session: &Session, id: i64) -> Lease {
    if id == 0 {
        return Lease::None;
    }
    match session.leases().time_to_live(id, None).await {
        Ok(answer) => Lease::Left { left: answer.ttl(), granted: answer.granted_ttl() },
        Err(_) => Lease::Unknown,
    }
}

/// What else is there. A user who may read the key alone may not list; then nothing is said of it.
async fn around(session: &Session, key: &str) -> Around {
    let mut around = Around { listed: true, ..Around::default() };
    if let Some(scope) = scope(key) {
        match names(session, scope).await {
            Some(names) => {
                let members = format!("{scope}members/");
                around.members =
                    names.iter().filter_map(|name| name.strip_prefix(&members)).map(str::to_owned).collect();
                around.scope = !names.is_empty();
            }
            None => return Around::default(),
        }
    }
    if !around.scope {
        let within = match namespace(key) {
            Some(namespace) => names(session, namespace).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let all = names(session, "").await;
        around.listed = all.is_some();
        let all = all.unwrap_or_default();
        around.anything = !all.is_empty();
        around.leaders = within.into_iter().chain(all).filter(|name| name.ends_with("/leader")).collect();
        around.leaders.sort();
        around.leaders.dedup();
    }
    around
}

async fn names(session: &Session, prefix: &str) -> Option<Vec<String>> {
    let options = GetOptions::new().with_keys_only().with_serializable().with_limit(MOST_NAMES);
    let options = if prefix.is_empty() { options.with_all_keys() } else { options.with_prefix() };
    let answer = session.kv().get(prefix, Some(options)).await.ok()?;
    let name = |found: &KeyValue| String::from_utf8_lossy(found.key()).into_owned();
    Some(answer.kvs().iter().map(name).collect())
}

/// The member's time, and the keys in its v2 store.
async fn over_http(
    endpoint: &Endpoint,
    trust: &Arc<Trust>,
    keys: &[String],
    limit: Duration,
) -> (Option<i64>, BTreeMap<String, String>) {
    let mut v2 = BTreeMap::new();
    let Some(page) = http(endpoint, trust, "/version", limit).await else { return (None, v2) };
    let date = page.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| http_date(value)).flatten()
    });
    let ahead = date.map(|theirs| theirs - i64::try_from(clock::stamp().0.as_secs()).unwrap_or(i64::MAX));
    for key in keys.iter().filter(|key| key.starts_with('/') && key.bytes().all(is_harmless)) {
        let page = http(endpoint, trust, &format!("/v2/keys{key}"), limit).await.unwrap_or_default();
        if let Some(value) = v2_value(&page) {
            v2.insert(key.clone(), value);
        }
    }
    (ahead, v2)
}

/// What needs no quoting in the first line of a request.
fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte)
}

fn v2_value(page: &str) -> Option<String> {
    let (head, body) = page.split_once("\r\n\r\n")?;
    let found = head.lines().next()?.contains(" 200 ");
    let (_, value) = body.split_once("\"value\":\"").filter(|_| found)?;
    value.split('"').next().map(str::to_owned)
}

/// One small request by HTTP/1, and the beginning of what came back.
async fn http(endpoint: &Endpoint, trust: &Arc<Trust>, path: &str, limit: Duration) -> Option<String> {
    let ask = async {
        let mut stream = Dialer::new(endpoint.clone(), Arc::clone(trust)).dial_plainly(limit).await.ok()?;
        let host = if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{}\r\nConnection: close\r\n\r\n", endpoint.port);
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut page = Vec::new();
        // What came before the connection broke is good enough.
        let _broken = stream.take(MOST_BYTES).read_to_end(&mut page).await;
        Some(String::from_utf8_lossy(&page).into_owned())
    };
    timeout(limit, ask).await.ok().flatten()
}

fn refusal_to_open(error: &OpenError) -> Refusal {
    let cure = match error {
        OpenError::Dial(DialError::Resolve { host, .. } | DialError::NoAddress { host }) => {
            format!("correct the name in dcs-endpoints, or have it resolved (getent hosts {host})")
        }
        OpenError::Dial(DialError::Tcp { .. }) => {
            "start etcd there, and have it listen on that address (listen-client-urls)".to_owned()
        }
        OpenError::Dial(DialError::TcpSilent { .. } | DialError::Silent { phase: "TCP", .. }) => {
            "is the host up, and does a firewall drop what goes to this port?".to_owned()
        }
        OpenError::Dial(DialError::Handshake(HandshakeError::Broken { .. })) => {
            return Refusal {
                cure: "does it speak TLS at all? if not, set http:// in dcs-endpoints".to_owned(),
                ..told(error)
            };
        }
        OpenError::Login(error) => return refusal_of_call(error),
        OpenError::Dial(_) | OpenError::Password { .. } => return told(error),
    };
    Refusal { why: chain(error), cure }
}

fn refusal_of_call(error: &CallError) -> Refusal {
    match error {
        CallError::NotNow(why) if why.contains("no leader") => Refusal {
            why: "answers, and sees no leader of the etcd cluster: most members are gone or cut off".to_owned(),
            cure: "bring the other members back (etcdctl endpoint status --cluster)".to_owned(),
        },
        CallError::Silent { limit } => Refusal {
            why: format!("is connected and does not answer within {limit:.1?}: hung, overloaded, or without a quorum"),
            cure: "look at that member's log and disk (etcdctl endpoint status --cluster)".to_owned(),
        },
        other => told(other),
    }
}

/// The errors of the daemon end with the cure; what lies below them tells more of the cause.
fn told(error: &(dyn Error + 'static)) -> Refusal {
    let (told, whole) = (error.to_string(), chain(error));
    let below = whole.strip_prefix(&told).unwrap_or_default();
    let (why, cure) = told.split_once("; ").unwrap_or((&told, "look at that file, or at the log of that member"));
    Refusal { why: format!("{why}{below}"), cure: cure.to_owned() }
}

const MOST_NAMES: i64 = 1000;
const MOST_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_old_store_is_read_and_a_refusal_is_none() {
        let page = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"action\":\"get\",\"node\":{\"key\":\"/service/pg/leader\",\"value\":\"pg1\"}}";
        assert_eq!(v2_value(page).as_deref(), Some("pg1"));
        assert_eq!(v2_value("HTTP/1.1 404 Not Found\r\n\r\n{\"value\":\"x\"}"), None);
    }

    #[test]
    fn an_error_is_parted_into_cause_and_cure() {
        let refusal = refusal_of_call(&CallError::UserDemanded);
        assert_eq!(
            (refusal.why.as_str(), refusal.cure.as_str()),
            ("etcd demands a user", "set etcd-user and etcd-password")
        );
    }
}
