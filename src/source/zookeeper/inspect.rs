//! Inspects the servers for `vip-manager check`: who they are, what the keys hold and what is around them.
//!
//! It connects as the daemon does, so whatever refuses one refuses the other. It only reads.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connection::Connection;
use super::error::{CallError, OpenError};
use super::exhibitor::{self, ExhibitorError};
use super::read::{passed_quorum, read_terms, within};
use super::session::{Opened, Opener, name, tls_settings};
use super::tenure::{config_path, left};
use crate::config::model::{Endpoint, StoreConfig};
use crate::error::chain;
use crate::source::facts::{
    Answer, Around, EndpointDetail, EndpointFacts, Forbidden, Held, Inspection, KeyDetail, KeyFacts, LeaseFacts,
    Refusal, SessionFacts, namespace, scope,
};
use crate::text::brief;
use crate::time::Clock;
use crate::transport::dial::{DialError, Dialer};
use crate::transport::tls::{HandshakeError, TlsSettings};
use crate::wire::jute::{Code, Operation, Request};

/// Inspects all servers at once, in their order. It returns within about three times `limit`, whatever they do.
pub(crate) async fn inspect(config: &StoreConfig, keys: &[String], limit: Duration, clock: Clock) -> Vec<Inspection> {
    let tls = tls_settings(config);
    let one = |endpoint: &Endpoint| {
        let opener = Opener::new(endpoint, config, &tls, limit);
        inspect_server(opener, endpoint.clone(), Arc::clone(&tls), root(config), keys.to_vec(), clock)
    };
    let tasks: Vec<_> = config.endpoints.iter().map(|endpoint| tokio::spawn(one(endpoint))).collect();
    let mut inspections = Vec::new();
    for task in tasks {
        inspections.extend(task.await);
    }
    inspections
}

/// Asks each Exhibitor for the servers, and inspects all that were told. An Exhibitor that tells them is not shown.
pub(crate) async fn inspect_by_exhibitor(
    config: &StoreConfig,
    keys: &[String],
    limit: Duration,
    clock: Clock,
) -> Vec<Inspection> {
    let tls = tls_settings(config);
    let one = |exhibitor: &Endpoint| {
        let (exhibitor, tls) = (exhibitor.clone(), Arc::clone(&tls));
        tokio::spawn(async move { exhibitor::ask(&exhibitor, &tls).await })
    };
    let asked: Vec<_> = config.endpoints.iter().map(|exhibitor| (exhibitor, one(exhibitor))).collect();
    let (mut servers, mut inspections) = (BTreeSet::new(), Vec::new());
    for (exhibitor, answer) in asked {
        match answer.await {
            Ok(Ok(told)) => servers.extend(told),
            Ok(Err(error)) => {
                let endpoint = format!("by Exhibitor {}", name(exhibitor, None));
                let outcome = Err(refusal_of_exhibitor(&error));
                let endpoint = EndpointFacts { endpoint, outcome, ahead: None, detail: EndpointDetail::None };
                inspections.push(Inspection { endpoint, keys: None });
            }
            Err(_panicked) => {}
        }
    }
    let config = StoreConfig { endpoints: servers.into_iter().collect(), ..config.clone() };
    inspections.extend(inspect(&config, keys, limit, clock).await);
    inspections
}

fn refusal_of_exhibitor(error: &ExhibitorError) -> Refusal {
    let why = chain(error);
    match why.split_once("; ") {
        Some((why, cure)) => Refusal { why: why.to_owned(), cure: cure.to_owned() },
        None => Refusal { why, cure: "does Exhibitor run there, and is that its port?".to_owned() },
    }
}

fn root(config: &StoreConfig) -> Arc<str> {
    config.root.as_deref().unwrap_or_default().into()
}

async fn inspect_server(
    opener: Opener,
    endpoint: Endpoint,
    tls: Arc<TlsSettings>,
    root: Arc<str>,
    keys: Vec<String>,
    clock: Clock,
) -> Inspection {
    let endpoint_name = opener.name.to_string();
    let limit = opener.limit;
    let (asked, version) = tokio::join!(ask(&opener, &root, &keys, clock), version(&endpoint, tls, limit));
    let (outcome, keys) = match asked {
        Ok((took, keys)) => (Ok(Answer { version: version.unwrap_or_default(), cluster: 0, took }), Some(keys)),
        Err(refusal) => (Err(refusal), None),
    };
    let endpoint = EndpointFacts { endpoint: endpoint_name, outcome, ahead: None, detail: EndpointDetail::None };
    Inspection { endpoint, keys }
}

type Found = BTreeMap<String, KeyFacts>;

async fn ask(opener: &Opener, root: &str, keys: &[String], clock: Clock) -> Result<(Duration, Found), Refusal> {
    let Opened { connection, timeout, .. } = opener.open(LONG).await.map_err(|error| refusal(&error))?;
    let asking = async {
        let started = (clock.now)();
        let mut found = BTreeMap::new();
        let mut took = None;
        for key in keys {
            let path = format!("{root}{key}");
            let held = held(&connection, &path).await?;
            took.get_or_insert_with(|| (clock.now)().since(started));
            let around = if held.is_ok() { around(&connection, root, key).await? } else { Around::default() };
            let detail = KeyDetail::Zookeeper(session(&connection, &path, timeout).await?);
            found.insert(key.clone(), KeyFacts { held, around, beside: None, detail });
        }
        Ok((took.unwrap_or_default(), found))
    };
    within(opener.limit, asking).await.map_err(|error| refusal(&error))
}

/// What a key holds, read behind a quorum.
async fn held(connection: &Connection, path: &str) -> Result<Result<Option<Held>, Forbidden>, CallError> {
    let check = [Operation::Check { path, version: -1 }];
    let barrier = connection.send(&Request::Multi(&check));
    let value = connection.send(&Request::GetData { path, watch: false });
    passed_quorum(&barrier.answer().await?.reply()?)?;
    let answer = value.answer().await?;
    let reply = answer.reply()?;
    match reply.code {
        Code::NO_NODE => Ok(Ok(None)),
        Code::NO_AUTH => Ok(Err(Forbidden)),
        Code::OK => {
            let (value, stat) = reply.data().ok_or(CallError::Malformed)?;
            let value = brief(&String::from_utf8_lossy(value), MAX_VALUE);
            let lease = if stat.owner == 0 { LeaseFacts::None } else { LeaseFacts::Unknown };
            Ok(Ok(Some(Held { value, changed: stat.modified, lease })))
        }
        code => Err(code.into()),
    }
}

/// What is known of a leader's session, where none lasts longer than `longest`.
async fn session(connection: &Connection, leader: &str, longest: Duration) -> Result<SessionFacts, CallError> {
    let path = config_path(leader);
    let answer = connection.send(&Request::GetData { path: &path, watch: false }).answer().await?;
    let forbidden = answer.reply()?.code == Code::NO_AUTH;
    let terms = read_terms(&answer.reply());
    Ok(SessionFacts { ttl: (!forbidden).then_some(terms.ttl), longest, left: left(terms, longest) })
}

/// What else the store holds, as far as this session may list it.
async fn around(connection: &Connection, root: &str, key: &str) -> Result<Around, CallError> {
    let mut around = Around::default();
    if let Some(scope) = scope(key) {
        let scope = format!("{root}{}", scope.trim_end_matches('/'));
        around.members = names(connection, &format!("{scope}/members")).await?;
        around.scope = names(connection, &scope).await?.is_some_and(|names| !names.is_empty());
    }
    if !around.scope {
        let all = names(connection, if root.is_empty() { "/" } else { root }).await?.unwrap_or_default();
        around.anything = all.iter().any(|name| name != "zookeeper");
        around.listed = true;
        let namespaces = namespace(key).into_iter().chain(NAMESPACES);
        for namespace in namespaces {
            let namespace = namespace.trim_end_matches('/');
            for scope in names(connection, &format!("{root}{namespace}")).await?.unwrap_or_default() {
                let leader = format!("{namespace}/{scope}/leader");
                if exists(connection, &format!("{root}{leader}")).await? && !around.leaders.contains(&leader) {
                    around.leaders.push(leader);
                }
            }
        }
    }
    Ok(around)
}

/// The names below a znode; nothing if it is absent or may not be listed.
async fn names(connection: &Connection, path: &str) -> Result<Option<Vec<String>>, CallError> {
    let answer = connection.send(&Request::GetChildren { path }).answer().await?;
    let reply = answer.reply()?;
    let names = reply.children().unwrap_or_default();
    Ok((reply.code == Code::OK).then(|| names.into_iter().take(MAX_NAMES).map(str::to_owned).collect()))
}

async fn exists(connection: &Connection, path: &str) -> Result<bool, CallError> {
    let answer = connection.send(&Request::Exists { path, watch: false }).answer().await?;
    Ok(answer.reply()?.code == Code::OK)
}

/// The version that the server tells everybody who asks with `srvr`, if that is allowed.
async fn version(endpoint: &Endpoint, tls: Arc<TlsSettings>, limit: Duration) -> Option<String> {
    let dialer = Dialer::new(endpoint.clone(), tls);
    let asking = async {
        let (mut stream, _generation) = dialer.stream(&[], limit).await.ok()?;
        stream.write_all(b"srvr").await.ok()?;
        let mut page = Vec::new();
        stream.take(MAX_PAGE).read_to_end(&mut page).await.ok()?;
        let page = String::from_utf8_lossy(&page).into_owned();
        let told = |name| page.lines().find_map(|line| line.strip_prefix(name));
        let version = told("Zookeeper version: ")?.split(['-', ',']).next().unwrap_or_default();
        Some(told("Mode: ").map_or_else(|| version.to_owned(), |mode| format!("{version} ({mode})")))
    };
    timeout(limit, asking).await.ok()?
}

fn refusal(error: &(dyn Error + 'static)) -> Refusal {
    let cure = match error.downcast_ref::<OpenError>() {
        Some(OpenError::Dial(DialError::Resolve { host, .. } | DialError::NoAddress { host })) => {
            format!("correct the name in dcs-endpoints, or make it resolvable (getent hosts {host})")
        }
        Some(OpenError::Dial(DialError::Tcp { .. })) => {
            "start ZooKeeper there, listening on that address (clientPort, clientPortAddress)".to_owned()
        }
        Some(OpenError::Dial(DialError::TcpSilent { .. } | DialError::Silent { phase: "TCP", .. })) => {
            "is the host up, and does a firewall drop packets to this port?".to_owned()
        }
        Some(OpenError::Dial(DialError::Handshake(HandshakeError::Broken { .. } | HandshakeError::NotTls { .. }))) => {
            "is it the port with TLS (secureClientPort)? without TLS, remove dcs-ca-file".to_owned()
        }
        _ => return split(error),
    };
    Refusal { why: chain(error), cure }
}

/// The daemon's errors end with the cure; their sources tell more of the cause.
fn split(error: &(dyn Error + 'static)) -> Refusal {
    let (top, whole) = (error.to_string(), chain(error));
    let sources = whole.strip_prefix(&top).unwrap_or_default();
    let (why, cure) = top.split_once("; ").unwrap_or((&top, "check that server's log"));
    Refusal { why: format!("{why}{sources}"), cure: cure.to_owned() }
}

/// A session that lasts longer than any that Patroni asks for, so that the answer is ZooKeeper's limit.
const LONG: Duration = Duration::from_secs(3600);
/// Common namespaces of Patroni: its default, and Spilo's.
const NAMESPACES: [&str; 2] = ["/service/", "/db/"];
const MAX_VALUE: usize = 100;
const MAX_NAMES: usize = 100;
const MAX_PAGE: u64 = 64 * 1024;
