//! The watched keys, and the little that the tasks of this source must remember about them together.
//!
//! Two facts a key (and one of them all: which cluster speaks), each a number that any task may read or raise at any time:
//! - the newest revision that a watch spoke of. Every member delivers every event, and only the first of them is news;
//! - the lease that lay under the key when it last named us. Knowing it lets its time to live be asked beside the next
//!   read instead of after it. A stale one costs a question in vain, nothing else: its answer is used only where
//!   the read shows the same lease.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::keeper::Names;
use crate::source::{KeyIndex, Watched};

/// etcd takes this many operations in one transaction (`--max-txn-ops`) unless told otherwise.
pub(super) const BATCH: usize = 128;

/// No lease lies under the key, or the key names somebody else.
const NO_LEASE: i64 = 0;
const NO_CLUSTER: u64 = 0;

#[derive(Debug)]
pub(super) struct Keys {
    watched: Vec<Watched>,
    /// The places of the keys, by name: an event brings a name.
    by_name: Vec<KeyIndex>,
    newest: Vec<AtomicI64>,
    lease: Vec<AtomicI64>,
    /// The id of the etcd cluster that they are read from; 0 while none is known.
    cluster: AtomicU64,
}

impl Keys {
    pub(super) fn new(watched: Vec<Watched>) -> Self {
        let mut by_name: Vec<KeyIndex> = (0..watched.len()).collect();
        by_name.sort_by(|&a, &b| watched[a].key.cmp(&watched[b].key));
        let numbers = || watched.iter().map(|_| AtomicI64::new(0)).collect();
        Self { newest: numbers(), lease: numbers(), by_name, watched, cluster: AtomicU64::new(NO_CLUSTER) }
    }

    pub(super) fn all(&self) -> Range<KeyIndex> {
        0..self.watched.len()
    }

    pub(super) fn name(&self, key: KeyIndex) -> &str {
        &self.watched[key].key
    }

    /// The places of a key. More than one where the same key was named twice.
    pub(super) fn places(&self, name: &[u8]) -> &[KeyIndex] {
        let from = self.by_name.partition_point(|&key| self.name(key).as_bytes() < name);
        let to = self.by_name.partition_point(|&key| self.name(key).as_bytes() <= name);
        &self.by_name[from..to]
    }

    /// Each different key once, by one of its places.
    pub(super) fn distinct(&self) -> Vec<KeyIndex> {
        let mut keys = self.by_name.clone();
        keys.dedup_by(|a, b| self.name(*a) == self.name(*b));
        keys
    }

    /// Who a key names that holds this value.
    pub(super) fn judge(&self, key: KeyIndex, value: &[u8]) -> Names {
        let text = String::from_utf8_lossy(value);
        if *text == *self.watched[key].value { Names::Us } else { Names::Other(text.into()) }
    }

    /// Whether an answer comes from the cluster that all others come from. The first one says which that is.
    ///
    /// An endpoint that was taken over from another configuration would otherwise name leaders of its own.
    pub(super) fn is_from(&self, cluster: u64) -> bool {
        let known = self.cluster.compare_exchange(NO_CLUSTER, cluster, Ordering::Relaxed, Ordering::Relaxed);
        known.is_ok() || known == Err(cluster) || cluster == NO_CLUSTER
    }

    /// No member serves any more: the next to come may be of a cluster made anew.
    pub(super) fn forget_cluster(&self) {
        self.cluster.store(NO_CLUSTER, Ordering::Relaxed);
    }

    /// Takes note of a revision that a watch spoke of; whether it was news.
    pub(super) fn is_news(&self, key: KeyIndex, revision: i64) -> bool {
        self.newest[key].fetch_max(revision, Ordering::Relaxed) < revision
    }

    /// A read was answered at `revision`: nothing newer than it was true before. A cluster that was restored from a
    /// backup counts from an older revision, and its events are news all the same.
    pub(super) fn rewind(&self, key: KeyIndex, revision: i64) {
        self.newest[key].fetch_min(revision, Ordering::Relaxed);
    }

    pub(super) fn lease(&self, key: KeyIndex) -> Option<i64> {
        Some(self.lease[key].load(Ordering::Relaxed)).filter(|&lease| lease != NO_LEASE)
    }

    /// Remembers the lease under a key that names us, or forgets it.
    pub(super) fn remember_lease(&self, key: KeyIndex, lease: Option<i64>) {
        self.lease[key].store(lease.unwrap_or(NO_LEASE), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn keys(names: &[&str]) -> Keys {
        let watched = |name: &&str| Watched { key: Arc::from(*name), value: "us".into() };
        Keys::new(names.iter().map(watched).collect())
    }

    #[test]
    fn a_key_is_found_by_its_name_and_by_nothing_like_it() {
        let keys = keys(&["/b", "/a", "/ab", "/a"]);
        assert_eq!(keys.places(b"/b"), [0]);
        assert_eq!(keys.places(b"/a"), [1, 3]);
        assert_eq!(keys.places(b"/ab"), [2]);
        assert!(keys.places(b"/").is_empty() && keys.places(b"/abc").is_empty() && keys.places(b"/z").is_empty());
        assert_eq!(keys.distinct(), [1, 2, 0]);
    }

    #[test]
    fn the_same_event_from_a_second_member_is_no_news() {
        let keys = keys(&["/a"]);
        assert!(keys.is_news(0, 7));
        assert!(!keys.is_news(0, 7));
        assert!(!keys.is_news(0, 6));
        assert!(keys.is_news(0, 8));
    }

    #[test]
    fn events_of_a_cluster_that_was_restored_are_news_again() {
        let keys = keys(&["/a"]);
        assert!(keys.is_news(0, 1_000));
        keys.rewind(0, 10);
        assert!(keys.is_news(0, 11));
    }

    #[test]
    fn the_first_cluster_to_answer_is_the_one_until_nobody_serves() {
        let keys = keys(&["/a"]);
        assert!(keys.is_from(7) && keys.is_from(7));
        assert!(!keys.is_from(8));
        keys.forget_cluster();
        assert!(keys.is_from(8) && !keys.is_from(7));
    }

    #[test]
    fn only_the_very_value_is_ours() {
        let keys = keys(&["/a"]);
        assert_eq!(keys.judge(0, b"us"), Names::Us);
        assert_eq!(keys.judge(0, b"us2"), Names::Other("us2".into()));
        assert_eq!(keys.judge(0, b"US"), Names::Other("US".into()));
    }
}
