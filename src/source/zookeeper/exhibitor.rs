//! Exhibitor, which tells what servers a ZooKeeper ensemble has.
//!
//! The engine has a fixed number of endpoints, and the list of servers changes. So each endpoint is a place in that list:
//! it has a session with the server that is there now, and moves when another one comes to be there. If there are fewer
//! servers than places, a server has two sessions.
//!
//! A task of its own asks for the list, now and then, and at once after a server could not be reached. An answer that
//! cannot be had changes nothing: the last list stays in use.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::client::ZookeeperConnector;
use super::context::{Context, Memory};
use super::session::{Opener, name, tls_settings};
use crate::config::model::{Endpoint, StoreConfig};
use crate::error::chain;
use crate::source::client::{Connector, Failure};
use crate::source::engine::Settings;
use crate::source::keys::Keys;
use crate::transport::dial::{DialError, Dialer};
use crate::transport::http::Limits;
use crate::transport::tls::TlsSettings;

/// Sessions with servers, whatever the number of servers and of Exhibitors is.
const PLACES: usize = 3;
/// Patroni asks as often.
const POLL: Duration = Duration::from_secs(300);
/// After a failure, and at the soonest.
const RETRY: Duration = Duration::from_secs(5);
/// An Exhibitor answers within this time.
const LIMIT: Duration = Duration::from_millis(3100);
const PATH: &str = "/exhibitor/v1/cluster/list";
const MAX_BODY: usize = 64 * 1024;
const MAX_SERVERS: usize = 64;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExhibitorError {
    #[error("Exhibitor {exhibitor} cannot be asked for the servers")]
    Dial { exhibitor: Arc<str>, source: DialError },
    #[error("Exhibitor {exhibitor} answers with HTTP status {status}; is that its port?")]
    Status { exhibitor: Arc<str>, status: u16 },
    #[error("Exhibitor {exhibitor} answers without a list of servers; is that its port?")]
    Odd { exhibitor: Arc<str> },
    #[error("no Exhibitor tells the servers: {0}")]
    None(String),
    #[error("no Exhibitor has answered yet")]
    Early,
}

/// What is known of the list; a text says why there is none.
type List = Option<Result<Vec<Endpoint>, String>>;

/// The list, kept up to date.
#[derive(Debug)]
struct Directory {
    list: watch::Receiver<List>,
    /// A server of the list could not be reached.
    doubt: Arc<Notify>,
    _task: JoinSet<()>,
}

/// Makes sessions with the server at one place of the list.
#[derive(Debug)]
pub(crate) struct ExhibitorConnector {
    place: usize,
    current: Option<Endpoint>,
    inner: ZookeeperConnector,
    directory: Arc<Directory>,
    config: Arc<StoreConfig>,
    tls: Arc<TlsSettings>,
}

/// The places by their names.
pub(in crate::source) fn connectors(
    config: &StoreConfig,
    settings: Settings,
    keys: &Arc<Keys>,
) -> Vec<(Arc<str>, ExhibitorConnector)> {
    let (config, tls) = (Arc::new(config.clone()), tls_settings(config));
    let memory = Arc::new(Memory::new(keys.all().len(), PLACES));
    let directory = Arc::new(Directory::start(Arc::clone(&config), Arc::clone(&tls)));
    let connector = |place: usize| {
        let inner = ZookeeperConnector {
            endpoint: place,
            // Replaced as soon as it is known what is at this place.
            opener: Arc::new(Opener::new(&config.endpoints[0], &config, &tls, settings.call_limit)),
            root: config.root.clone().unwrap_or_default().into(),
            keys: Arc::clone(keys),
            memory: Arc::clone(&memory),
            clock: settings.clock,
            generation: 0,
        };
        let (directory, config, tls) = (Arc::clone(&directory), Arc::clone(&config), Arc::clone(&tls));
        let connector = ExhibitorConnector { place, current: None, inner, directory, config, tls };
        (format!("Exhibitor's server {}", place + 1).into(), connector)
    };
    (0..PLACES).map(connector).collect()
}

impl Connector for ExhibitorConnector {
    type Client = Arc<Context>;

    async fn connect(&mut self) -> Result<Arc<Context>, Failure> {
        let limit = self.inner.opener.limit;
        let mut list = self.directory.list.clone();
        let known = timeout(limit, list.wait_for(Option::is_some)).await.map(|known| known.map(|list| (*list).clone()));
        let servers = match known {
            Ok(Ok(Some(Ok(servers)))) => servers,
            Ok(Ok(Some(Err(why)))) => return Err(Failure::new("connect", &ExhibitorError::None(why))),
            Ok(Ok(None) | Err(_)) | Err(_) => return Err(Failure::new("connect", &ExhibitorError::Early)),
        };
        let server = at(&servers, self.place);
        if self.current.as_ref() != server
            && let Some(server) = server
        {
            self.inner.opener = Arc::new(Opener::new(server, &self.config, &self.tls, limit));
            self.current = Some(server.clone());
        }
        let connected = self.inner.connect().await;
        connected.inspect_err(|_| self.directory.doubt.notify_one())
    }

    async fn has_changed(&mut self, client: &Arc<Context>) -> Option<&'static str> {
        let moved = match &*self.directory.list.borrow() {
            Some(Ok(servers)) => at(servers, self.place) != self.current.as_ref(),
            Some(Err(_)) | None => false,
        };
        if moved { Some("a changed list of servers") } else { self.inner.has_changed(client).await }
    }
}

/// The server at a place.
fn at(servers: &[Endpoint], place: usize) -> Option<&Endpoint> {
    servers.get(place.checked_rem(servers.len())?)
}

impl Directory {
    fn start(config: Arc<StoreConfig>, tls: Arc<TlsSettings>) -> Self {
        let (sender, list) = watch::channel(List::None);
        let doubt = Arc::new(Notify::new());
        let doubted = Arc::clone(&doubt);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let known = match &*sender.borrow() {
                    Some(Ok(servers)) => servers.clone(),
                    Some(Err(_)) | None => Vec::new(),
                };
                let asked = ask_any(&config, &tls, &known).await;
                let pause = if asked.is_ok() { POLL } else { RETRY };
                match asked {
                    Ok(servers) => drop(sender.send_replace(Some(Ok(servers)))),
                    // The last list stays.
                    Err(why) if known.is_empty() => drop(sender.send_replace(Some(Err(why)))),
                    Err(why) => tracing::debug!("the last list of servers stays in use: {why}"),
                }
                sleep(RETRY).await;
                let _doubted_or_due = timeout(pause.saturating_sub(RETRY), doubted.notified()).await;
            }
        });
        Self { list, doubt, _task: task }
    }
}

/// Asks one Exhibitor after the other: those of the configuration, and those on the servers that are known.
async fn ask_any(config: &StoreConfig, tls: &Arc<TlsSettings>, known: &[Endpoint]) -> Result<Vec<Endpoint>, String> {
    let port = config.endpoints.first().map_or(0, |first| first.port);
    let beside = known.iter().map(|server| Endpoint { port, ..server.clone() });
    let mut causes = Vec::new();
    for exhibitor in config.endpoints.iter().cloned().chain(beside) {
        match ask(&exhibitor, tls).await {
            Ok(servers) => return Ok(servers),
            Err(error) => causes.push(chain(&error)),
        }
    }
    Err(causes.join("; "))
}

/// Asks one Exhibitor for the servers. It has no TLS, whatever they have.
pub(super) async fn ask(exhibitor: &Endpoint, tls: &Arc<TlsSettings>) -> Result<Vec<Endpoint>, ExhibitorError> {
    let plain = Endpoint { tls: false, ..exhibitor.clone() };
    let name = name(&plain, None);
    let page = Dialer::new(plain, Arc::clone(tls)).get(PATH, Limits { time: LIMIT, body: MAX_BODY }).await;
    let page = page.map_err(|source| ExhibitorError::Dial { exhibitor: Arc::clone(&name), source })?;
    if !page.status().is_success() {
        return Err(ExhibitorError::Status { exhibitor: name, status: page.status().as_u16() });
    }
    parse(page.body(), exhibitor.tls).ok_or(ExhibitorError::Odd { exhibitor: name })
}

/// The servers of a list, in an order that does not change; nothing if there are none.
fn parse(body: &[u8], tls: bool) -> Option<Vec<Endpoint>> {
    let list: Value = serde_json::from_slice(body).ok()?;
    let port = u16::try_from(list.get("port")?.as_u64()?).ok().filter(|port| *port != 0)?;
    let hosts = list.get("servers")?.as_array()?.iter().take(MAX_SERVERS).filter_map(Value::as_str);
    let legal = |host: &&str| host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(is_of_a_name));
    let hosts: BTreeSet<String> = hosts.map(str::trim).filter(legal).map(str::to_lowercase).collect();
    let servers: Vec<Endpoint> = hosts.into_iter().map(|host| Endpoint { tls, host, port }).collect();
    (!servers.is_empty()).then_some(servers)
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(body: &str) -> Option<Vec<String>> {
        parse(body.as_bytes(), false)
            .map(|servers| servers.iter().map(|server| name(server, None).to_string()).collect())
    }

    #[test]
    fn a_list_has_an_order_of_its_own_and_odd_hosts_are_left_out() {
        assert_eq!(
            shown(r#"{"servers": ["zk2", "ZK1", "zk2", "a b", "", 7, "fd00::1"], "port": 2181}"#).unwrap(),
            ["[fd00::1]:2181", "zk1:2181", "zk2:2181"]
        );
        for odd in [
            "",
            "[]",
            r#"{"servers": [], "port": 2181}"#,
            r#"{"servers": ["zk1"]}"#,
            r#"{"servers": ["zk1"], "port": 0}"#,
            r#"{"servers": ["zk1"], "port": 65536}"#,
            r#"{"servers": "zk1", "port": 2181}"#,
        ] {
            assert_eq!(shown(odd), None, "{odd}");
        }
    }

    #[test]
    fn places_go_round_the_servers() {
        let servers = parse(br#"{"servers": ["zk1", "zk2"], "port": 1}"#, true).unwrap();
        let hosts: Vec<_> = (0..3).map(|place| at(&servers, place).unwrap().host.as_str()).collect();
        assert_eq!(hosts, ["zk1", "zk2", "zk1"]);
        assert!(servers[0].tls && at(&[], 0).is_none());
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_fall(body: Vec<u8>, text in "[{}\\[\\]\":,a-z0-9]{0,60}") {
            let _read = (parse(&body, false), parse(text.as_bytes(), false));
        }
    }
}
