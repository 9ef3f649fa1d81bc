//! One session, and what all sessions remember together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::answer::{Page, Refusal};
use super::bound::Record;
use crate::keeper::{KeyRead, Names, Tenure, Version};
use crate::source::client::Failure;
use crate::source::clusters::Verdict;
use crate::source::http::{HttpClient, KeyError, KeyReads, escaped_path};
use crate::source::keys::Keys;
use crate::source::membership::Membership;
use crate::source::report::KeyIndex;
use crate::source::rounds::EndpointIndex;
use crate::time::Moment;

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keys: Arc<Keys>,
    pub(super) membership: Membership,
    /// The last write of each key that was seen.
    records: Mutex<Vec<Option<Record>>>,
    pub(super) clock: fn() -> Moment,
}

/// A session with one endpoint.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) endpoint: EndpointIndex,
    pub(super) http: HttpClient,
    pub(super) shared: Arc<Shared>,
    /// The store's index at the first read of each key, and the key's own.
    first: Mutex<BTreeMap<KeyIndex, Seen>>,
}

/// What was last seen of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    /// Whatever comes after this is to be waited for.
    pub(super) index: i64,
    pub(super) modified: Option<i64>,
}

impl Seen {
    pub(super) fn of(page: &Page) -> Self {
        Self { index: page.index, modified: page.node.as_ref().map(|node| node.modified) }
    }
}

#[derive(Debug, thiserror::Error)]
enum ClusterError {
    #[error(
        "it belongs to another etcd cluster (id {0:x}) than the one in use, which most endpoints belonged to; \
         check dcs-endpoints"
    )]
    Other(u64),
    #[error(
        "it belongs to the etcd cluster {0:x}, other endpoints to another one, and neither has the majority, so \
         neither is believed; check dcs-endpoints"
    )]
    Divided(u64),
}

impl Shared {
    pub(super) fn new(keys: Arc<Keys>, endpoints: usize, clock: fn() -> Moment) -> Self {
        let records = Mutex::new(vec![None; keys.all().len()]);
        Self { keys, membership: Membership::new(endpoints), records, clock }
    }

    /// How long the key lives at least, after a read that was sent then.
    fn tenure(&self, key: KeyIndex, page: &Page, sent_at: Moment) -> Tenure {
        let Some(node) = &page.node else { return Tenure::NoLease };
        let Some(left) = node.left() else { return Tenure::NoLease };
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = Record::observe(records[key], node.modified, left, sent_at);
        records[key] = Some(record);
        Tenure::AtLeast(record.left(sent_at))
    }
}

impl Context {
    pub(super) fn new(endpoint: EndpointIndex, http: HttpClient, shared: Arc<Shared>) -> Self {
        Self { endpoint, http, shared, first: Mutex::default() }
    }

    /// Reads one key, for all its positions.
    pub(super) async fn read_key(&self, places: &[KeyIndex]) -> Result<KeyReads, KeyError> {
        let Some(&first) = places.first() else { return Ok(Vec::new()) };
        let sent_at = (self.shared.clock)();
        let page = self.page(first).await?;
        self.believe(page.cluster).await.map_err(KeyError::Endpoint)?;
        self.first().entry(self.shared.keys.first_place(first)).or_insert(Seen::of(&page));
        let answered_at = (self.shared.clock)();
        let read = |&key: &KeyIndex| {
            let names = self.names(key, page.node.as_ref().map(|node| &*node.value));
            let tenure = self.shared.tenure(key, &page, sent_at);
            let modified = Some(Version(page.node.as_ref().map_or(0, |node| node.modified)));
            let (version, from) = (Some(Version(page.index)), self.http.name());
            (key, Ok(KeyRead { names, version, modified, tenure, sent_at, answered_at, from }))
        };
        Ok(places.iter().map(read).collect())
    }

    /// Whether what an endpoint of this cluster says counts.
    pub(super) async fn believe(&self, cluster: u64) -> Result<(), Failure> {
        match self.shared.membership.judge(self.endpoint, cluster, self.http.limit() / PATIENCE).await {
            Verdict::Believed => Ok(()),
            Verdict::Other => Err(foreign(&ClusterError::Other(cluster))),
            Verdict::Divided | Verdict::Early => Err(foreign(&ClusterError::Divided(cluster))),
        }
    }

    /// What the store says of a key now, by a quorum.
    pub(super) async fn page(&self, key: KeyIndex) -> Result<Page, KeyError> {
        let answer = self.http.get(&format!("{}?quorum=true", self.path(key))).await?;
        self.parse(key, Page::parse(&answer))
    }

    pub(super) fn path(&self, key: KeyIndex) -> String {
        key_path(self.shared.keys.name(key))
    }

    pub(super) fn parse<T>(&self, key: KeyIndex, answer: Result<T, Refusal>) -> Result<T, KeyError> {
        answer.map_err(|refusal| {
            let forbidden = refusal == Refusal::Forbidden;
            let failure = refusal.failure(self.shared.keys.name(key), self.http.has_login());
            if forbidden { KeyError::Forbidden(failure) } else { KeyError::Endpoint(failure) }
        })
    }

    pub(super) fn names(&self, key: KeyIndex, value: Option<&str>) -> Names {
        value.map_or(Names::Nobody, |value| self.shared.keys.judge(key, value.as_bytes()))
    }

    /// What the first read of this session saw of a key.
    pub(super) fn seen_first(&self, key: KeyIndex) -> Option<Seen> {
        self.first().get(&key).copied()
    }

    fn first(&self) -> MutexGuard<'_, BTreeMap<KeyIndex, Seen>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn foreign(error: &ClusterError) -> Failure {
    Failure::new("cluster", error)
}

/// The path of a key in the API.
pub(super) fn key_path(key: &str) -> String {
    format!("/v2/keys{}", escaped_path(key))
}

/// The part of a call's limit in which the other endpoints should have told their cluster.
const PATIENCE: u32 = 5;
