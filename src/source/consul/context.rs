//! One session, and what a read or a poll of it needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::answer::{Page, Refusal};
use super::learning::Shared;
use crate::keeper::{KeyRead, Names, Tenure, Version};
use crate::source::http::{HttpClient, KeyError, KeyReads};
use crate::source::report::KeyIndex;

#[derive(Debug)]
pub(super) struct Context {
    pub(super) http: HttpClient,
    pub(super) shared: Arc<Shared>,
    /// What the first read of this session saw of each key that it could read.
    first: Mutex<BTreeMap<KeyIndex, Seen>>,
    /// Asks what the sessions of Patroni hang on.
    learning: Mutex<JoinSet<()>>,
}

/// What was last seen of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) index: i64,
    pub(super) modified: Option<i64>,
}

impl Seen {
    pub(super) fn of(page: &Page) -> Self {
        Self { index: page.index, modified: page.modified() }
    }

    /// What follows an answer, and whether the key has changed. An index that went back is a store that was restored:
    /// everything is read anew.
    pub(super) fn after(before: Option<Self>, page: &Page) -> (Option<Self>, bool) {
        let now = Self::of(page);
        let changed = before.is_none_or(|before| before.modified != now.modified || now.index < before.index);
        let went_back = before.is_some_and(|before| now.index < before.index);
        ((!went_back).then_some(now), changed)
    }
}

impl Context {
    pub(super) fn new(http: HttpClient, shared: Arc<Shared>) -> Self {
        Self { http, shared, first: Mutex::default(), learning: Mutex::default() }
    }

    /// Reads one key, for all its positions.
    pub(super) async fn read_key(&self, places: &[KeyIndex]) -> Result<KeyReads, KeyError> {
        let Some(&first) = places.first() else { return Ok(Vec::new()) };
        let sent_at = (self.shared.clock)();
        let page = self.http.get(&self.path(first)).await?;
        let page = self.parse(first, Page::parse(&page))?;
        self.first().entry(self.shared.keys.first_place(first)).or_insert(Seen::of(&page));
        let answered_at = (self.shared.clock)();
        let read = |&key: &KeyIndex| {
            let names = self.names(key, &page);
            let session = page.entry.as_ref().and_then(|entry| entry.session.as_deref());
            let tenure = match (&page.entry, session) {
                (_, None) => Tenure::NoLease,
                (_, Some(session)) if names.is_us() => self.shared.memory.tenure(key, session),
                (_, Some(_)) => Tenure::Unknown,
            };
            let (version, modified) = (Some(Version(page.index)), Some(Version(page.modified().unwrap_or(0))));
            let from = self.http.name();
            (key, Ok(KeyRead { names, version, modified, tenure, sent_at, answered_at, from }))
        };
        Ok(places.iter().map(read).collect())
    }

    /// The path to read a key.
    pub(super) fn path(&self, key: KeyIndex) -> String {
        self.shared.key_path(self.shared.keys.name(key))
    }

    pub(super) fn parse<T>(&self, key: KeyIndex, answer: Result<T, Refusal>) -> Result<T, KeyError> {
        answer.map_err(|refusal| {
            let forbidden = refusal == Refusal::Forbidden;
            let failure = refusal.failure(self.shared.keys.name(key), self.http.has_login());
            if forbidden { KeyError::Forbidden(failure) } else { KeyError::Endpoint(failure) }
        })
    }

    pub(super) fn names(&self, key: KeyIndex, page: &Page) -> Names {
        page.entry.as_ref().map_or(Names::Nobody, |entry| self.shared.keys.judge(key, &entry.value))
    }

    /// What the first read of this session saw of a key.
    pub(super) fn seen_first(&self, key: KeyIndex) -> Option<Seen> {
        self.first().get(&key).copied()
    }

    /// Asks what is not known of the locks that this host holds, beside everything else.
    pub(super) fn learn(&self) {
        let mut learning = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        while learning.try_join_next().is_some() {}
        let questions = self.shared.memory.questions((self.shared.clock)());
        if learning.is_empty() && !questions.is_empty() {
            // Without a cycle: the task must not keep the session that keeps the task.
            let (http, shared) = (self.http.clone(), Arc::clone(&self.shared));
            learning.spawn(async move { shared.ask(&http, questions).await });
        }
    }

    fn first(&self) -> MutexGuard<'_, BTreeMap<KeyIndex, Seen>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
