//! What is known of the locks that this host holds: what their sessions hang on, and Patroni's settings.
//!
//! A session lives for months and never changes what it hangs on, so it is asked for once. Patroni's settings change at
//! run time, so they are read again now and then.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::answer::{Page, Refusal, json, rule};
use super::bound::{FRAGILE, FRAGILE_MARGIN, SessionFacts, SessionRow, session, settings, tenure, unknown_settings};
use super::sessions::Sessions;
use crate::keeper::Tenure;
use crate::source::facts::{ConsulBacking as Backing, Forbidden, PatroniSettings as Settings, scope};
use crate::source::http::{HttpClient, RequestError, escaped_path, escaped_value};
use crate::source::keys::Keys;
use crate::source::report::KeyIndex;
use crate::time::Moment;

/// Patroni's settings are read again when they are this old, and so is what was forbidden.
const FRESH: Duration = Duration::from_secs(60);

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keys: Arc<Keys>,
    /// What every request asks for beside its own: datacenter, namespace, partition.
    parameters: String,
    pub(super) memory: Memory,
    pub(super) sessions: Sessions,
    pub(super) clock: fn() -> Moment,
}

/// What all sessions remember together.
#[derive(Debug)]
pub(super) struct Memory {
    keys: Mutex<Vec<Known>>,
    /// The warnings that were logged.
    told: Mutex<BTreeSet<String>>,
    /// The keys whose VIPs this token may not claim.
    unclaimed: Mutex<BTreeSet<KeyIndex>>,
}

#[derive(Clone, Default, Debug)]
struct Known {
    /// The session under the key when it last named us, and when it was seen.
    lock: Option<String>,
    session: Option<(String, SessionFacts, Moment)>,
    settings: Option<(Settings, Moment)>,
}

/// What to ask for one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Question {
    key: KeyIndex,
    /// The session to ask for.
    session: Option<String>,
    settings: bool,
}

impl Memory {
    pub(super) fn new(keys: usize) -> Self {
        Self { keys: Mutex::new(vec![Known::default(); keys]), told: Mutex::default(), unclaimed: Mutex::default() }
    }

    /// What a lock of ours has left, as far as is known now.
    pub(super) fn tenure(&self, key: KeyIndex, id: &str) -> Tenure {
        let known = &mut self.keys()[key];
        if known.lock.as_deref() != Some(id) {
            known.lock = Some(id.to_owned());
        }
        let session = known.session.as_ref().filter(|(known, ..)| known == id);
        tenure(session.map(|(_, facts, _)| facts), known.settings.map(|(settings, _)| settings))
    }

    /// What is not known, or too old.
    pub(super) fn questions(&self, now: Moment) -> Vec<Question> {
        let old = |at: Moment| now.since(at) >= FRESH;
        let question = |(key, known): (KeyIndex, &Known)| {
            let lock = known.lock.as_ref()?;
            let asked = known.session.as_ref().filter(|(id, ..)| id == lock);
            let answered = asked.is_some_and(|(_, facts, at)| facts.backing != Backing::Forbidden || !old(*at));
            let session = (!answered).then(|| lock.clone());
            let settings = known.settings.is_none_or(|(_, at)| old(at));
            (session.is_some() || settings).then_some(Question { key, session, settings })
        };
        self.keys().iter().enumerate().filter_map(question).collect()
    }

    fn warn(&self, text: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.contains(&text) {
            tracing::warn!("{text}");
            told.insert(text);
        }
    }

    fn unclaimed(&self) -> MutexGuard<'_, BTreeSet<KeyIndex>> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Known>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    pub(super) fn new(keys: Arc<Keys>, parameters: String, clock: fn() -> Moment) -> Self {
        Self { memory: Memory::new(keys.all().len()), sessions: Sessions::default(), keys, parameters, clock }
    }

    /// A path that is answered by the leader of Consul, which asks a quorum whether it still is.
    pub(super) fn consistent(&self, path: &str) -> String {
        format!("/v1/{path}?consistent{}", self.parameters)
    }

    /// The path to read a key.
    pub(super) fn key_path(&self, name: &str) -> String {
        self.consistent(&format!("kv/{}", escaped_path(name)))
    }

    /// Asks, and remembers the answers. What is not answered is asked again beside a later read.
    pub(super) async fn ask(&self, http: &HttpClient, questions: Vec<Question>) {
        for Question { key, session, settings } in questions {
            if let Some(id) = session
                && let Ok(facts) = self.session(http, &id).await
            {
                self.note_backing(key, &facts.backing);
                self.memory.keys()[key].session = Some((id, facts, (self.clock)()));
            }
            if settings {
                self.learn_settings(http, key).await;
            }
        }
    }

    async fn learn_settings(&self, http: &HttpClient, key: KeyIndex) {
        let name = self.keys.name(key);
        let Ok(found) = self.settings(http, name).await else { return };
        if found.is_err() {
            let config = config_key(name).unwrap_or_default();
            self.memory.warn(format!(
                "cannot read Patroni's settings in {config}, taking its defaults: add this rule to the token's policy: {}",
                rule(&config)
            ));
        }
        let known = &mut self.memory.keys()[key];
        let life = known.session.as_ref().and_then(|(_, facts, _)| facts.life);
        known.settings = Some((found.unwrap_or_else(|Forbidden| unknown_settings(life)), (self.clock)()));
    }

    /// What a session of Patroni's hangs on.
    pub(super) async fn session(&self, http: &HttpClient, id: &str) -> Result<SessionFacts, RequestError> {
        let answer = http.get(&self.consistent(&format!("session/info/{}", escaped_value(id)))).await?;
        let rows: Vec<SessionRow> = json(&answer).unwrap_or_default();
        let answer = http.get(&self.consistent("catalog/service/consul")).await?;
        let servers: Option<Vec<CatalogRow>> = json(&answer).ok();
        // No server at all: this token may not see them.
        let servers = servers.filter(|servers| !servers.is_empty());
        let servers = servers.map(|servers| servers.into_iter().map(|server| server.node).collect::<Vec<_>>());
        Ok(session(&rows, servers.as_deref()))
    }

    /// Patroni's settings beside a leader key; its defaults where there are none.
    pub(super) async fn settings(
        &self,
        http: &HttpClient,
        key: &str,
    ) -> Result<Result<Settings, Forbidden>, RequestError> {
        let Some(name) = config_key(key) else { return Ok(Ok(unknown_settings(None))) };
        let answer = http.get(&self.key_path(&name)).await?;
        Ok(match Page::parse(&answer) {
            Err(Refusal::Forbidden) => Err(Forbidden),
            page => {
                let found = page.ok().and_then(|page| page.entry).and_then(|entry| settings(&entry.value));
                Ok(found.unwrap_or_else(|| unknown_settings(None)))
            }
        })
    }

    /// This token may not claim, so the lock alone says how long a VIP is held.
    pub(super) fn note_unclaimed(&self, key: KeyIndex) {
        if self.memory.unclaimed().insert(key) {
            let known = self.memory.keys()[key].session.clone();
            if let Some((_, facts, _)) = known {
                self.note_backing(key, &facts.backing);
            }
        }
    }

    /// Whether this token may claim the VIPs of a key, as far as is known.
    pub(super) fn is_claimed(&self, key: KeyIndex) -> bool {
        self.keys.claims().iter().any(|claim| claim.leader == key) && !self.memory.unclaimed().contains(&key)
    }

    fn note_backing(&self, key: KeyIndex, backing: &Backing) {
        if self.is_claimed(key) {
            return;
        }
        let why = match backing {
            Backing::Client => return,
            Backing::Server(node) => format!(
                "its session is on {node}, a server of Consul; run a client agent there, for Patroni to use, and the \
                 servers elsewhere"
            ),
            Backing::Checks(checks) => {
                format!("its session has checks ({}); remove consul: checks: from Patroni", checks.join(", "))
            }
            Backing::Forbidden => {
                "this token may not see its session, so the worst is assumed; add these rules to its \
                                   policy: session_prefix \"\" { policy = \"read\" } node_prefix \"\" { policy = \
                                   \"read\" } service \"consul\" { policy = \"read\" }"
                    .to_owned()
            }
        };
        let hold = FRAGILE.saturating_sub(FRAGILE_MARGIN).as_secs_f64();
        self.memory.warn(format!(
            "lock {} may end 5 s after its host is cut off, whatever Patroni's ttl, so its VIPs are released {hold} s \
             after the last answer: {why}",
            self.keys.name(key)
        ));
    }
}

/// Where Patroni keeps its settings.
fn config_key(leader: &str) -> Option<String> {
    Some(format!("{}config", scope(leader)?))
}

/// A server of Consul as the catalog lists it.
#[derive(Deserialize)]
struct CatalogRow {
    #[serde(rename = "Node")]
    node: String,
}
