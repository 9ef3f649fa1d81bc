//! A store held in memory: what a client of the engine has to bring, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::sleep;

use crate::keeper::{KeyEvent, KeyRead, Names, Tenure, Version};
use crate::source::claim::{Answer, Request, Token};
use crate::source::client::{Answers, Client, Connector, Events, Failure, Heard};
use crate::source::report::{ClaimSpec, KeyIndex};
use crate::time::Moment;

/// The runtime's time, which the tests pause.
#[expect(clippy::disallowed_methods, reason = "a paused runtime has a clock of its own")]
pub(super) fn clock() -> Moment {
    static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    let start = *START;
    Moment::from_boot(
        Duration::from_secs(100) + tokio::time::Instant::now().into_std().saturating_duration_since(start),
    )
}

pub(super) const KEYS: [&str; 2] = ["/a", "/b"];

#[derive(Clone)]
pub(super) struct Store(Arc<Mutex<Inner>>);

struct Inner {
    values: BTreeMap<String, String>,
    claims: BTreeMap<String, Claim>,
    /// The number of times that a claim has changed.
    claims_changed: watch::Sender<u64>,
    /// Nobody may claim.
    claims_refused: bool,
    version: i64,
    endpoints: Vec<Endpoint>,
}

/// A claim. It lasts until it is deleted: a test says when it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) token: Token,
    pub(super) value: String,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fault that a test switches on by itself")]
pub(super) struct Endpoint {
    pub(super) refuses: bool,
    /// The key that may not be read here.
    pub(super) forbidden: Option<&'static str>,
    /// It cannot say what leases have left.
    pub(super) leaseless: bool,
    /// Its watch says nothing.
    pub(super) mute: bool,
    /// It says nothing when it is asked for a sign of life.
    pub(super) signless: bool,
    pub(super) delay: Duration,
    pub(super) sessions: u32,
    /// What sessions hear: a changed key, or nothing where they end.
    pub(super) changes: broadcast::Sender<Option<String>>,
}

impl Store {
    pub(super) fn new(endpoints: usize) -> Self {
        let endpoint = |_| Endpoint {
            refuses: false,
            forbidden: None,
            leaseless: false,
            mute: false,
            signless: false,
            delay: Duration::ZERO,
            sessions: 0,
            changes: broadcast::channel(16).0,
        };
        let endpoints = (0..endpoints).map(endpoint).collect();
        Self(Arc::new(Mutex::new(Inner {
            values: BTreeMap::new(),
            claims: BTreeMap::new(),
            claims_changed: watch::channel(0).0,
            claims_refused: false,
            version: 1,
            endpoints,
        })))
    }

    pub(super) fn connectors(&self) -> Vec<(Arc<str>, Memory)> {
        let count = self.0.lock().unwrap().endpoints.len();
        (0..count).map(|index| (format!("e{index}").into(), Memory { store: self.clone(), index })).collect()
    }

    pub(super) fn put(&self, key: &str, value: &str) {
        let mut inner = self.0.lock().unwrap();
        inner.version += 1;
        inner.values.insert(key.to_owned(), value.to_owned());
        for endpoint in inner.endpoints.iter().filter(|endpoint| !endpoint.mute) {
            let _heard = endpoint.changes.send(Some(key.to_owned()));
        }
    }

    pub(super) fn claim(&self, key: &str) -> Option<Claim> {
        self.0.lock().unwrap().claims.get(key).cloned()
    }

    /// Writes a claim as another host does, or deletes it.
    pub(super) fn set_claim(&self, key: &str, value: Option<&str>) {
        self.0.lock().unwrap().set_claim(key, value);
    }

    pub(super) fn refuse_claims(&self, refused: bool) {
        self.0.lock().unwrap().claims_refused = refused;
    }

    pub(super) fn set<T>(&self, endpoint: usize, change: impl FnOnce(&mut Endpoint) -> T) -> T {
        change(&mut self.0.lock().unwrap().endpoints[endpoint])
    }
}

impl Inner {
    fn set_claim(&mut self, key: &str, value: Option<&str>) {
        self.version += 1;
        let token = Token { version: self.version, session: "session".into() };
        match value {
            Some(value) => drop(self.claims.insert(key.to_owned(), Claim { token, value: value.to_owned() })),
            None => drop(self.claims.remove(key)),
        }
        self.claims_changed.send_modify(|changes| *changes += 1);
    }

    fn carry_out(&mut self, spec: &ClaimSpec, request: &Request) -> Answer {
        if self.claims_refused {
            return Answer::Refused { why: "nobody may claim".into(), cure: Some("allow it".into()) };
        }
        let present = self.claims.get(&*spec.key).cloned();
        let named = self.values.get(KEYS[spec.leader]).is_some_and(|value| value == "us");
        let is = |token: &Token| present.as_ref().is_some_and(|claim| claim.token == *token);
        match request {
            Request::Create if present.is_none() && !named => return Answer::NotNamed,
            Request::Create if present.is_none() => self.set_claim(&spec.key, Some(&spec.value)),
            Request::TakeOver(token) if is(token) => self.set_claim(&spec.key, Some(&spec.value)),
            Request::Renew(token) if is(token) => {}
            Request::Delete(token) if is(token) => {
                self.set_claim(&spec.key, None);
                return Answer::Absent;
            }
            Request::Look | Request::Create | Request::TakeOver(_) | Request::Renew(_) | Request::Delete(_) => {
                return present.map_or(Answer::Absent, |claim| {
                    Answer::present(claim.token, claim.value.as_bytes(), Some(spec.ttl))
                });
            }
        }
        let named = named && *request == Request::Create;
        Answer::Ours { token: self.claims[&*spec.key].token.clone(), bound: spec.ttl, named }
    }
}

/// Connector and client of one endpoint.
#[derive(Clone)]
pub(super) struct Memory {
    store: Store,
    index: usize,
}

pub(super) struct Changes {
    memory: Memory,
    changes: broadcast::Receiver<Option<String>>,
    due: Option<Heard>,
}

impl Connector for Memory {
    type Client = Self;

    async fn connect(&mut self) -> Result<Self, Failure> {
        let endpoint = &mut self.store.0.lock().unwrap().endpoints[self.index];
        endpoint.sessions += 1;
        if endpoint.refuses { Err(failure("connect", "it refuses connections")) } else { Ok(self.clone()) }
    }
}

impl Client for Memory {
    type Events = Changes;

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let delay = self.store.set(self.index, |endpoint| endpoint.delay);
        sleep(delay).await;
        answers.give(keys.iter().map(|&key| (key, self.read_key(key))).collect()).await;
        if self.store.set(self.index, |endpoint| endpoint.leaseless) {
            return Err(Failure { ends_session: false, ..failure("lease", "it knows no leases") });
        }
        Ok(())
    }

    async fn watch(&self) -> Result<Changes, Failure> {
        let changes = self.store.set(self.index, |endpoint| endpoint.changes.subscribe());
        Ok(Changes { memory: self.clone(), changes, due: Some(Heard::Complete) })
    }

    async fn claim(&self, spec: &ClaimSpec, request: &Request) -> Result<Answer, Failure> {
        let delay = self.store.set(self.index, |endpoint| endpoint.delay);
        sleep(delay).await;
        Ok(self.store.0.lock().unwrap().carry_out(spec, request))
    }

    async fn claim_changes(&self, spec: &ClaimSpec, seen: &Token) {
        let mut changed = self.store.0.lock().unwrap().claims_changed.subscribe();
        while self.store.claim(&spec.key).is_some_and(|claim| claim.token == *seen) {
            changed.changed().await.unwrap();
        }
    }
}

impl Memory {
    fn read_key(&self, key: KeyIndex) -> Result<KeyRead, Failure> {
        let inner = self.store.0.lock().unwrap();
        if inner.endpoints[self.index].forbidden == Some(KEYS[key]) {
            return Err(failure("login", "not this key; ask for it"));
        }
        let version = Some(Version(inner.version));
        let (sent_at, answered_at, from) = (clock(), clock(), format!("e{}", self.index).into());
        let names = names(inner.values.get(KEYS[key]));
        let tenure = if inner.endpoints[self.index].leaseless { Tenure::Unknown } else { Tenure::NoLease };
        Ok(KeyRead { names, version, modified: version, tenure, sent_at, answered_at, from })
    }
}

impl Events for Changes {
    async fn next(&mut self) -> Result<Heard, Failure> {
        if let Some(heard) = self.due.take() {
            return Ok(heard);
        }
        let Ok(Some(changed)) = self.changes.recv().await else { return Err(failure("watch", "it hung up")) };
        let key = KEYS.iter().position(|key| *key == changed).unwrap();
        let inner = self.memory.store.0.lock().unwrap();
        let (version, from) = (Some(Version(inner.version)), format!("e{}", self.memory.index).into());
        let names = names(inner.values.get(&changed));
        Ok(Heard::Changed(vec![(key, KeyEvent { names, version, heard_at: clock(), from })]))
    }

    async fn ask_for_sign(&mut self) -> Result<(), Failure> {
        self.due = self
            .memory
            .store
            .set(self.memory.index, |endpoint| (!endpoint.mute && !endpoint.signless).then_some(Heard::Sign));
        Ok(())
    }
}

fn names(value: Option<&String>) -> Names {
    value.map_or(Names::Nobody, |value| if value == "us" { Names::Us } else { Names::Other(value.as_str().into()) })
}

fn failure(kind: &'static str, why: &str) -> Failure {
    Failure::new(kind, &std::io::Error::other(why.to_owned()))
}
