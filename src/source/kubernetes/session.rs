//! One session with an API server, and what all sessions remember together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use super::object::Listing;
use super::path::ObjectPath;
use super::record::{History, Shown};
use super::refusal::AnswerError;
use super::requests::Requests;
use crate::keeper::{KeyRead, Names, Tenure, Version};
use crate::source::client::{Answers, Failure};
use crate::source::keys::Keys;
use crate::source::report::KeyIndex;
use crate::time::{Moment, WallTime};

/// What all sessions saw of each object.
#[derive(Debug)]
pub(super) struct Histories(Vec<Mutex<History>>);

/// What the reads and watches of a session share.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) requests: Requests,
    pub(super) keys: Arc<Keys>,
    pub(super) histories: Arc<Histories>,
    /// The store's version that the newest read of each object showed; 0 before the first.
    pub(super) versions: Vec<AtomicI64>,
    pub(super) wall_clock: fn() -> WallTime,
}

impl Histories {
    pub(super) fn new(keys: usize) -> Self {
        Self((0..keys).map(|_| Mutex::default()).collect())
    }

    fn of(&self, key: KeyIndex) -> MutexGuard<'_, History> {
        self.0[key].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Reads each object once, all at the same time, for however many keys.
    pub(super) async fn read_all(self: &Arc<Self>, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let mut objects: BTreeMap<&str, Vec<KeyIndex>> = BTreeMap::new();
        for &key in keys {
            objects.entry(self.keys.name(key)).or_default().push(key);
        }
        let mut reads = JoinSet::new();
        for places in objects.into_values() {
            let session = Arc::clone(self);
            reads.spawn(async move { session.read_object(places).await });
        }
        while let Some(read) = reads.join_next().await {
            match read {
                Ok(Ok(read)) => answers.give(read).await,
                Ok(Err(failure)) => return Err(failure),
                Err(error) => return Err(Failure::new("connection", &error)),
            }
        }
        Ok(())
    }

    /// What the object says of each of these keys, which all name it. A failure is not about the object alone.
    async fn read_object(&self, places: Vec<KeyIndex>) -> Result<Vec<(KeyIndex, Result<KeyRead, Failure>)>, Failure> {
        let Some(&first) = places.first() else { return Ok(Vec::new()) };
        let path = self.path(first)?;
        let (sent_at, wall_time, listing) = match self.list(&path).await {
            Ok(listed) => listed,
            Err(AnswerError::Forbidden(failure)) => {
                return Ok(places.into_iter().map(|key| (key, Err(failure.clone()))).collect());
            }
            Err(AnswerError::Failed(failure)) => return Err(failure),
        };
        let answered_at = self.now();
        self.versions[first].fetch_max(listing.version, Ordering::Relaxed);
        let record = listing.object.as_ref().map(|object| &object.record);
        let names = |key| self.names(key, record.and_then(|record| record.leader()));
        let ours = places.iter().any(|&key| names(key).is_us());
        let shown = Shown {
            object: listing.object.as_ref().map(|object| (object.uid.clone(), object.record.clone())),
            version: listing.version,
            sent_at,
            answered_at,
        };
        let left = self.histories.of(self.object(first)).left(&shown, ours.then_some(wall_time));
        let read = |key: KeyIndex| {
            let names = names(key);
            let tenure = left.filter(|_| names.is_us()).map_or(Tenure::Unknown, Tenure::AtLeast);
            let modified = Some(Version(listing.object.as_ref().map_or(0, |object| object.version)));
            let version = Some(Version(listing.version));
            (key, Ok(KeyRead { names, version, modified, tenure, sent_at, answered_at, from: self.name() }))
        };
        Ok(places.into_iter().map(read).collect())
    }

    /// The version of the newest read of an object that is watched.
    pub(super) fn version(&self, key: KeyIndex) -> i64 {
        let places = self.keys.places(self.keys.name(key).as_bytes());
        places.iter().map(|&key| self.versions[key].load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// The position that stands for all positions of an object.
    fn object(&self, key: KeyIndex) -> KeyIndex {
        self.keys.places(self.keys.name(key).as_bytes()).first().copied().unwrap_or(key)
    }

    pub(super) fn names(&self, key: KeyIndex, leader: Option<&str>) -> Names {
        leader.map_or(Names::Nobody, |leader| self.keys.judge(key, leader.as_bytes()))
    }

    pub(super) fn path(&self, key: KeyIndex) -> Result<ObjectPath, Failure> {
        let name = self.keys.name(key);
        ObjectPath::parse(name).ok_or_else(|| {
            let why = format!("{name} is not an object; expected NAMESPACE/configmaps/NAME");
            Failure::new("refused", &std::io::Error::other(why))
        })
    }

    pub(super) async fn list(&self, path: &ObjectPath) -> Result<(Moment, WallTime, Listing), AnswerError> {
        self.requests.list(path, self.wall_clock).await
    }

    pub(super) fn now(&self) -> Moment {
        self.requests.http.now()
    }

    pub(super) fn name(&self) -> Arc<str> {
        self.requests.http.name()
    }

    /// Any answer to a list is a sign of life. That a watch lives is each watch's own concern.
    pub(super) async fn sign(&self) -> Result<(), Failure> {
        let Some(key) = self.keys.all().next() else { return Ok(()) };
        match self.list(&self.path(key)?).await {
            Ok(_) | Err(AnswerError::Forbidden(_)) => Ok(()),
            Err(AnswerError::Failed(failure)) => Err(failure),
        }
    }
}
