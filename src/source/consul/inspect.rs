//! Inspects the endpoints for `vip-manager check`: who they are, what the keys hold and what is around them.
//!
//! It asks as the daemon does, so whatever refuses one refuses the other. It only reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::body::Bytes;
use hyper::header::DATE;
use serde::Deserialize;
use tokio::time::timeout;

use super::answer::{Page, Refusal as Refused, json};
use super::bound::tenure;
use super::learning::Shared;
use super::reach::{parameters, reach};
use crate::config::model::StoreConfig;
use crate::keeper::Tenure;
use crate::source::facts::{
    Answer, Around, ConsulLock, EndpointDetail, EndpointFacts, Forbidden, Held, Inspection, KeyDetail, KeyFacts,
    LeaseFacts, Refusal, namespace, scope,
};
use crate::source::http::{HttpClient, HttpEndpoint, RequestError, Server, refusal, seconds_ahead};
use crate::source::keys::Keys;
use crate::text::brief;
use crate::time::Clock;

/// Inspects all endpoints at once, in their order. It returns within about three times `limit`, whatever they do.
pub(crate) async fn inspect(config: &StoreConfig, keys: &[String], limit: Duration, clock: Clock) -> Vec<Inspection> {
    let reach = reach(config, limit, clock.now);
    let shared = Arc::new(Shared::new(Arc::new(Keys::new(Vec::new())), parameters(&config.location), clock.now));
    let one = |endpoint: &crate::endpoint::Endpoint| {
        let endpoint = HttpEndpoint::new(reach(endpoint.clone()));
        tokio::spawn(inspect_endpoint(endpoint, Arc::clone(&shared), keys.to_vec(), limit, clock))
    };
    let tasks: Vec<_> = config.endpoints.iter().map(one).collect();
    let mut inspections = Vec::new();
    for task in tasks {
        inspections.extend(task.await);
    }
    inspections
}

async fn inspect_endpoint(
    endpoint: Arc<HttpEndpoint>,
    shared: Arc<Shared>,
    keys: Vec<String>,
    limit: Duration,
    clock: Clock,
) -> Inspection {
    let mut ahead = None;
    let asked = async {
        let http = endpoint.connect().await.map_err(|error| refusal(&error, SERVER))?;
        Asking { http, shared, clock }.ask(&keys, &mut ahead).await
    };
    let silent = || refusal(&RequestError::Http(crate::transport::http::HttpError::Silent(limit)), SERVER);
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
    shared: Arc<Shared>,
    clock: Clock,
}

impl Asking {
    async fn ask(
        &self,
        keys: &[String],
        ahead: &mut Option<i64>,
    ) -> Result<(Answer, BTreeMap<String, KeyFacts>), Refusal> {
        let started = (self.clock.now)();
        let leader = self.get("/v1/status/leader").await?;
        let took = (self.clock.now)().since(started);
        *ahead =
            leader.headers().get(DATE).and_then(|date| seconds_ahead(date.to_str().ok()?, (self.clock.wall_time)()));
        match json::<String>(&leader) {
            Ok(leader) if leader.is_empty() => return Err(no_leader()),
            Ok(_) => {}
            Err(refused) => return Err(self.refusal(refused, "")),
        }
        let mut found = BTreeMap::new();
        for key in keys {
            found.insert(key.clone(), self.key(key).await?);
        }
        Ok((Answer { version: self.version().await, cluster: 0, took }, found))
    }

    /// Empty if this token may not ask.
    async fn version(&self) -> String {
        let Ok(agent) = self.get("/v1/agent/self").await else { return String::new() };
        json::<Agent>(&agent).map(|agent| agent.config.version).unwrap_or_default()
    }

    async fn key(&self, key: &str) -> Result<KeyFacts, Refusal> {
        let answer = self.get(&self.shared.key_path(key)).await?;
        let facts = |held, around, detail| KeyFacts { held, around, beside: None, detail };
        let page = match Page::parse(&answer) {
            Ok(page) => page,
            Err(Refused::Forbidden) => {
                return Ok(facts(Err(Forbidden), Around::default(), KeyDetail::None));
            }
            Err(refused) => return Err(self.refusal(refused, key)),
        };
        let around = self.around(key, page.entry.is_some()).await;
        let Some(entry) = page.entry else { return Ok(facts(Ok(None), around, KeyDetail::None)) };
        let value = brief(&String::from_utf8_lossy(&entry.value), MAX_VALUE);
        let (lease, detail) = match &entry.session {
            None => (LeaseFacts::None, KeyDetail::None),
            Some(id) => (LeaseFacts::Unknown, self.lock(key, id).await),
        };
        Ok(facts(Ok(Some(Held { value, changed: entry.modified, lease })), around, detail))
    }

    async fn lock(&self, key: &str, id: &str) -> KeyDetail {
        let Ok(session) = self.shared.session(&self.http, id).await else { return KeyDetail::None };
        let Ok(settings) = self.shared.settings(&self.http, key).await else { return KeyDetail::None };
        let assumed = settings.unwrap_or_else(|Forbidden| super::bound::unknown_settings(session.life));
        let Tenure::Assumed { left, margin } = tenure(Some(&session), Some(assumed)) else { return KeyDetail::None };
        KeyDetail::Consul(ConsulLock { backing: session.backing, settings, left, margin })
    }

    /// What else there is, as far as this token may list it. Consul leaves out what it may not, without a word.
    async fn around(&self, key: &str, exists: bool) -> Around {
        let mut around = Around::default();
        let open = !self.http.has_login();
        if let Some(scope) = scope(key) {
            let names = self.names(scope).await;
            let directory = format!("{scope}members/");
            let members: Vec<String> =
                names.iter().filter_map(|name| name.strip_prefix(&directory)).map(str::to_owned).collect();
            let sees_others = names.iter().any(|name| name != key);
            around.members = (sees_others || open).then_some(members);
            around.scope = sees_others || exists;
        }
        if !around.scope {
            let all = self.names("").await;
            around.listed = open || !all.is_empty();
            around.anything = !all.is_empty();
            let mut known = all;
            for namespace in namespace(key).into_iter().chain(NAMESPACES) {
                known.extend(self.names(namespace).await);
            }
            around.leaders = known.into_iter().filter(|name| name.ends_with("/leader")).collect();
            around.leaders.sort();
            around.leaders.dedup();
        }
        around
    }

    async fn names(&self, prefix: &str) -> Vec<String> {
        let Ok(answer) = self.get(&format!("{}&keys", self.shared.key_path(prefix))).await else { return Vec::new() };
        json(&answer).unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Result<Response<Bytes>, Refusal> {
        self.http.get(path).await.map_err(|error| refusal(&error, SERVER))
    }

    fn refusal(&self, refused: Refused, key: &str) -> Refusal {
        if let Refused::NotNow(why) = &refused
            && why.contains("No cluster leader")
        {
            return no_leader();
        }
        let failure = refused.failure(key, self.http.has_login());
        Refusal { why: failure.why, cure: failure.cure.unwrap_or_else(|| SERVER.look.to_owned()) }
    }
}

fn no_leader() -> Refusal {
    Refusal {
        why: "answers but sees no leader of the Consul cluster: most servers are down or unreachable".to_owned(),
        cure: "restore the other servers (consul operator raft list-peers)".to_owned(),
    }
}

#[derive(Deserialize)]
struct Agent {
    #[serde(rename = "Config")]
    config: AgentConfig,
}

#[derive(Deserialize)]
struct AgentConfig {
    #[serde(rename = "Version")]
    version: String,
}

const SERVER: Server = Server {
    name: "Consul",
    start: "start Consul there, with its HTTP port on that address (client_addr)",
    look: "check the log of that agent (consul monitor)",
};
/// Common prefixes of Patroni's namespaces: its default, Spilo's, and the default with a slash too many.
const NAMESPACES: [&str; 3] = ["service/", "db/", "/service/"];
/// In characters. Patroni's names are shorter.
const MAX_VALUE: usize = 1024;
