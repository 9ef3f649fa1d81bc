//! What the calls of one session share, and what all sessions remember together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::CallError;
use super::session::Session;
use crate::source::keys::Keys;
use crate::source::membership::Membership;
use crate::source::proof::Proof;
use crate::source::report::KeyIndex;
use crate::source::rounds::EndpointIndex;
use crate::time::Moment;
use crate::transport::tls::TlsSettings;

/// One session, and what a read or a watch of it needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(super) endpoint: EndpointIndex,
    pub(super) session: Session,
    pub(super) keys: Arc<Keys>,
    pub(super) memory: Arc<Memory>,
    pub(super) tls: Option<Arc<TlsSettings>>,
    pub(super) limit: Duration,
    pub(super) clock: fn() -> Moment,
    /// The oldest revision that a read of this session was answered at.
    pub(super) revision: AtomicI64,
    /// The keys that are not watched, since this user may not read them.
    pub(super) unwatched: Mutex<BTreeSet<KeyIndex>>,
}

/// What is known beyond one session: numbers that any task may read or change at any time.
#[derive(Debug)]
pub(super) struct Memory {
    /// The lease under each key when it last named us. Knowing it lets its time to live be asked beside the next read
    /// instead of after it. A stale one costs a needless question, nothing else: its answer is used only if the read
    /// shows the same lease.
    leases: Vec<AtomicI64>,
    /// What was proved of these leases.
    proofs: Mutex<BTreeMap<KeyIndex, Proof>>,
    /// The keys that this user was not allowed to read the last time.
    forbidden: Vec<AtomicBool>,
    /// Which cluster the endpoints belong to.
    pub(super) membership: Membership,
    /// The keys whose values were large the last time: together they might not fit into one answer.
    large: Vec<AtomicBool>,
}

impl Context {
    /// The revision of the session's first read.
    pub(super) fn first_revision(&self) -> i64 {
        match self.revision.load(Ordering::Relaxed) {
            // Every key was refused.
            NO_ANSWER => 0,
            revision => revision,
        }
    }

    pub(super) fn note_revision(&self, revision: i64) {
        self.revision.fetch_min(revision, Ordering::Relaxed);
    }

    /// The error as the connection and the login have it.
    pub(super) fn correct(&self, error: CallError) -> CallError {
        let error = self.session.correct(error);
        let answered = self.revision.load(Ordering::Relaxed) != NO_ANSWER;
        if answered { error } else { error.before_any_answer(self.tls.as_deref()) }
    }

    /// The keys to watch; those that this user may not read are left out.
    pub(super) fn to_watch(&self) -> Vec<KeyIndex> {
        let (refused, readable): (BTreeSet<_>, BTreeSet<_>) =
            self.keys.distinct().into_iter().partition(|&key| self.memory.is_forbidden(key));
        *self.unwatched() = refused;
        readable.into_iter().collect()
    }

    /// A watch was refused.
    pub(super) fn leave_out(&self, key: KeyIndex) {
        self.memory.set_forbidden(key, true);
        self.unwatched().insert(key);
    }

    /// Whether a key that is not watched can be read by now.
    pub(super) fn can_watch_more(&self) -> bool {
        self.unwatched().iter().any(|&key| !self.memory.is_forbidden(key))
    }

    fn unwatched(&self) -> MutexGuard<'_, BTreeSet<KeyIndex>> {
        self.unwatched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    pub(super) fn new(keys: usize, endpoints: usize) -> Self {
        Self {
            leases: (0..keys).map(|_| AtomicI64::new(NO_LEASE)).collect(),
            proofs: Mutex::default(),
            forbidden: (0..keys).map(|_| AtomicBool::new(false)).collect(),
            membership: Membership::new(endpoints),
            large: (0..keys).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    pub(super) fn prove(&self, key: KeyIndex, proof: Proof) {
        self.proofs().insert(key, proof);
    }

    pub(super) fn proof(&self, key: KeyIndex) -> Option<Proof> {
        self.proofs().get(&key).copied()
    }

    fn proofs(&self) -> MutexGuard<'_, BTreeMap<KeyIndex, Proof>> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lease(&self, key: KeyIndex) -> Option<i64> {
        Some(self.leases[key].load(Ordering::Relaxed)).filter(|&lease| lease != NO_LEASE)
    }

    /// Remembers the lease under a key that names us, or forgets it.
    pub(super) fn remember_lease(&self, key: KeyIndex, lease: Option<i64>) {
        self.leases[key].store(lease.unwrap_or(NO_LEASE), Ordering::Relaxed);
    }

    pub(super) fn is_forbidden(&self, key: KeyIndex) -> bool {
        self.forbidden[key].load(Ordering::Relaxed)
    }

    /// Whether a key has to be read in a transaction of its own.
    pub(super) fn is_alone(&self, key: KeyIndex) -> bool {
        self.is_forbidden(key) || self.large[key].load(Ordering::Relaxed)
    }

    pub(super) fn set_large(&self, key: KeyIndex, large: bool) {
        self.large[key].store(large, Ordering::Relaxed);
    }

    pub(super) fn set_forbidden(&self, key: KeyIndex, forbidden: bool) {
        self.forbidden[key].store(forbidden, Ordering::Relaxed);
    }
}

pub(super) const NO_ANSWER: i64 = i64::MAX;
/// No lease lies under the key, or the key names somebody else.
const NO_LEASE: i64 = 0;
