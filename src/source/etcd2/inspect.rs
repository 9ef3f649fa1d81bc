//! Inspects the endpoints for `vip-manager check`: who they are, what the keys hold and what is around them.
//!
//! It asks as the daemon does, so whatever refuses one refuses the other. It only reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::header::DATE;
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::{Named, Page, Refusal as Refused};
use super::context::key_path;
use super::reach::reach;
use crate::config::model::{Endpoint, StoreConfig};
use crate::source::facts::{
    Answer, Around, EndpointDetail, EndpointFacts, Forbidden, Held, Inspection, KeyDetail, KeyFacts, LeaseFacts,
    Refusal, namespace, scope,
};
use crate::source::http::{HttpClient, HttpEndpoint, RequestError, Server, refusal, seconds_ahead};
use crate::text::brief;
use crate::time::Clock;
use crate::transport::http::HttpError;

/// Inspects all endpoints at once, in their order. It returns within about three times `limit`, whatever they do.
pub(crate) async fn inspect(config: &StoreConfig, keys: &[String], limit: Duration, clock: Clock) -> Vec<Inspection> {
    let reach = reach(config, limit, clock.now);
    let one = |endpoint: &Endpoint| {
        let endpoint = HttpEndpoint::new(reach(endpoint.clone()));
        tokio::spawn(inspect_endpoint(endpoint, keys.to_vec(), limit, clock))
    };
    let tasks: Vec<_> = config.endpoints.iter().map(one).collect();
    let mut inspections = Vec::new();
    for task in tasks {
        inspections.extend(task.await);
    }
    inspections
}

async fn inspect_endpoint(endpoint: Arc<HttpEndpoint>, keys: Vec<String>, limit: Duration, clock: Clock) -> Inspection {
    let mut ahead = None;
    let asked = async {
        let http = endpoint.connect().await.map_err(|error| refusal(&error, SERVER))?;
        Asking { http, clock }.ask(&keys, &mut ahead).await
    };
    let silent = || refusal(&RequestError::Http(HttpError::Silent(limit)), SERVER);
    let asked = timeout(limit * 2, asked).await.unwrap_or_else(|_elapsed| Err(silent()));
    let (outcome, keys) = match asked {
        Ok((answer, keys)) => (Ok(answer), Some(keys)),
        Err(refusal) => (Err(refusal), None),
    };
    let endpoint = endpoint.name().to_string();
    Inspection { endpoint: EndpointFacts { endpoint, outcome, ahead, detail: EndpointDetail::None }, keys }
}

struct Asking {
    http: HttpClient,
    clock: Clock,
}

impl Asking {
    async fn ask(
        &self,
        keys: &[String],
        ahead: &mut Option<i64>,
    ) -> Result<(Answer, BTreeMap<String, KeyFacts>), Refusal> {
        let version = self.get("/version").await?;
        *ahead =
            version.headers().get(DATE).and_then(|date| seconds_ahead(date.to_str().ok()?, (self.clock.wall_time)()));
        let version: Value = serde_json::from_slice(version.body()).unwrap_or_default();
        let version = version["etcdserver"].as_str().unwrap_or_default().to_owned();
        let (mut found, mut cluster, mut took) = (BTreeMap::new(), 0, Duration::ZERO);
        for key in keys {
            let started = (self.clock.now)();
            let answer = self.get(&format!("{}?quorum=true", key_path(key))).await?;
            took = (self.clock.now)().since(started);
            let facts = match Page::parse(&answer) {
                Ok(page) => {
                    cluster = page.cluster;
                    self.key(key, page).await
                }
                Err(Refused::Forbidden) => {
                    KeyFacts { held: Err(Forbidden), around: Around::default(), beside: None, detail: KeyDetail::None }
                }
                Err(refused) => return Err(self.refusal(refused, key)),
            };
            found.insert(key.clone(), facts);
        }
        Ok((Answer { version, cluster, took }, found))
    }

    async fn key(&self, key: &str, page: Page) -> KeyFacts {
        let around = self.around(key).await;
        let facts = |held, beside| KeyFacts { held: Ok(held), around, beside, detail: KeyDetail::None };
        let Some(node) = page.node else { return facts(None, self.beside(key).await) };
        let lease = match node.ttl() {
            None => LeaseFacts::None,
            Some(left) => {
                let left = i64::try_from(left).unwrap_or(i64::MAX);
                LeaseFacts::Left { left, granted: self.granted(key).await.unwrap_or(left).max(left) }
            }
        };
        facts(Some(Held { value: brief(&node.value, MAX_VALUE), changed: node.modified, lease }), None)
    }

    /// Patroni's ttl.
    async fn granted(&self, key: &str) -> Option<i64> {
        let answer = self.get(&key_path(&format!("{}config", scope(key)?))).await.ok()?;
        let config: Value = serde_json::from_str(&Page::parse(&answer).ok()?.node?.value).ok()?;
        config["ttl"].as_i64()
    }

    /// What the v3 store on the same port holds under this name.
    async fn beside(&self, key: &str) -> Option<String> {
        let question = json!({"key": STANDARD.encode(key)}).to_string();
        let request = Request::post("/v3/kv/range").body(Bytes::from(question)).ok()?;
        let answer: Value = serde_json::from_slice(self.http.request(request).await.ok()?.body()).ok()?;
        let value = STANDARD.decode(answer["kvs"][0]["value"].as_str()?).ok()?;
        Some(brief(&String::from_utf8_lossy(&value), MAX_VALUE))
    }

    /// What else there is, as far as this user may list it.
    async fn around(&self, key: &str) -> Around {
        let mut around = Around::default();
        if let Some(scope) = scope(key) {
            let directory = format!("{scope}members");
            let strip = |name: &String| name.strip_prefix(&format!("{directory}/")).map(str::to_owned);
            let names = self.names(&directory).await;
            around.members = names.map(|names| names.iter().filter_map(strip).collect());
            around.scope = self.names(scope.trim_end_matches('/')).await.is_some_and(|names| !names.is_empty());
        }
        if !around.scope {
            let all = self.names("/").await;
            around.listed = all.is_some();
            around.anything = all.as_ref().is_some_and(|all| !all.is_empty());
            let mut known = all.unwrap_or_default();
            for namespace in namespace(key).into_iter().chain(NAMESPACES) {
                known.extend(self.names(namespace.trim_end_matches('/')).await.unwrap_or_default());
            }
            around.leaders = known.into_iter().filter(|name| name.ends_with("/leader")).collect();
            around.leaders.sort();
            around.leaders.dedup();
        }
        around
    }

    /// The keys below a directory; nothing if this user may not list them.
    async fn names(&self, directory: &str) -> Option<Vec<String>> {
        let answer = self.get(&format!("{}?recursive=true", key_path(directory))).await.ok()?;
        let mut names = Vec::new();
        let mut left = match Page::parse(&answer).ok()?.node {
            Some(node) => node.nodes,
            None => return Some(names),
        };
        while let Some(Named { key, nodes }) = left.pop() {
            names.push(key);
            left.extend(nodes);
        }
        Some(names)
    }

    async fn get(&self, path: &str) -> Result<Response<Bytes>, Refusal> {
        self.http.get(path).await.map_err(|error| refusal(&error, SERVER))
    }

    fn refusal(&self, refused: Refused, key: &str) -> Refusal {
        if let Refused::NotNow(_) = refused {
            return Refusal {
                why: "answers but sees no leader of the etcd cluster: most members are down or unreachable".to_owned(),
                cure: "restore the other members (etcdctl cluster-health)".to_owned(),
            };
        }
        let failure = refused.failure(key, self.http.has_login());
        Refusal { why: failure.why, cure: failure.cure.unwrap_or_else(|| SERVER.look.to_owned()) }
    }
}

const SERVER: Server = Server {
    name: "etcd",
    start: "start etcd there, listening on that address (listen-client-urls)",
    look: "check that member's log and disk (etcdctl cluster-health)",
};
/// Common prefixes of Patroni's namespaces: its default and Spilo's.
const NAMESPACES: [&str; 2] = ["/service/", "/db/"];
/// In characters. Patroni's names are shorter.
const MAX_VALUE: usize = 1024;
