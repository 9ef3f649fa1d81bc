//! What the calls of one session share, and what all sessions remember together.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::CallError;
use super::session::Session;
use crate::source::keys::Keys;
use crate::source::report::KeyIndex;
use crate::time::Moment;
use crate::transport::tls::TlsSettings;

/// One session, and what a read or a watch of it needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(super) session: Session,
    pub(super) keys: Arc<Keys>,
    pub(super) memory: Arc<Memory>,
    pub(super) tls: Option<Arc<TlsSettings>>,
    pub(super) limit: Duration,
    pub(super) clock: fn() -> Moment,
    /// The oldest revision that a read of this session was answered at.
    revision: AtomicI64,
    /// The keys that are not watched, since this user may not read them.
    unwatched: Mutex<BTreeSet<KeyIndex>>,
}

/// What is known beyond one session: numbers that any task may read or change at any time.
#[derive(Debug)]
pub(super) struct Memory {
    /// The lease under each key when it last named us. Knowing it lets its time to live be asked beside the next read
    /// instead of after it. A stale one costs a needless question, nothing else: its answer is used only if the read
    /// shows the same lease.
    leases: Vec<AtomicI64>,
    /// The keys that this user was not allowed to read the last time.
    forbidden: Vec<AtomicBool>,
    /// The id of the etcd cluster that the keys are read from; 0 while none is known.
    cluster: AtomicU64,
}

impl Context {
    pub(super) fn new(
        session: Session,
        keys: Arc<Keys>,
        memory: Arc<Memory>,
        tls: Option<Arc<TlsSettings>>,
        limit: Duration,
        clock: fn() -> Moment,
    ) -> Self {
        let (revision, unwatched) = (AtomicI64::new(NO_ANSWER), Mutex::default());
        Self { session, keys, memory, tls, limit, clock, revision, unwatched }
    }

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
    pub(super) fn new(keys: usize) -> Self {
        Self {
            leases: (0..keys).map(|_| AtomicI64::new(NO_LEASE)).collect(),
            forbidden: (0..keys).map(|_| AtomicBool::new(false)).collect(),
            cluster: AtomicU64::new(NO_CLUSTER),
        }
    }

    /// Whether an answer comes from the cluster that all others come from. The first answer says which that is.
    ///
    /// An endpoint that was taken over from another configuration would otherwise name leaders of its own.
    pub(super) fn is_from(&self, cluster: u64) -> bool {
        let known = self.cluster.compare_exchange(NO_CLUSTER, cluster, Ordering::Relaxed, Ordering::Relaxed);
        known.is_ok() || known == Err(cluster) || cluster == NO_CLUSTER
    }

    /// No endpoint serves any more: the next to come may be of a new cluster.
    pub(super) fn forget_cluster(&self) {
        self.cluster.store(NO_CLUSTER, Ordering::Relaxed);
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

    pub(super) fn set_forbidden(&self, key: KeyIndex, forbidden: bool) {
        self.forbidden[key].store(forbidden, Ordering::Relaxed);
    }
}

const NO_ANSWER: i64 = i64::MAX;
/// No lease lies under the key, or the key names somebody else.
const NO_LEASE: i64 = 0;
const NO_CLUSTER: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cluster_to_answer_is_the_one_until_nobody_serves() {
        let memory = Memory::new(1);
        assert!(memory.is_from(7) && memory.is_from(7));
        assert!(!memory.is_from(8));
        memory.forget_cluster();
        assert!(memory.is_from(8) && !memory.is_from(7));
    }
}
