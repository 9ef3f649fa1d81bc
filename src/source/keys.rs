//! The watched keys, and what the tasks of a source remember about them together.
//!
//! For each key it is the newest version that a watch spoke of: every endpoint delivers every event, and only the first is
//! news. Also the keys that cannot be read, so that each is logged once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::need::{self, Named};
use super::report::{ClaimSpec, KeyIndex, Watched};
use crate::keeper::{KeyRead, Limits, Names, Version};
use crate::pace::Need;
use crate::time::Moment;

#[derive(Debug)]
pub(crate) struct Keys {
    watched: Vec<Watched>,
    claims: Vec<ClaimSpec>,
    /// The positions of the keys, sorted by name: an event brings a name.
    by_name: Vec<KeyIndex>,
    newest: Vec<AtomicI64>,
    /// The version of each key's last change, as a watch or the first read of a session told it.
    told: Vec<AtomicI64>,
    /// The same, as any read has shown it.
    shown: Vec<AtomicI64>,
    /// What the newest read says of each key.
    named: Mutex<Vec<Named>>,
    /// The keys that cannot be read, and why.
    unreadable: Mutex<BTreeMap<Arc<str>, Arc<str>>>,
}

impl Keys {
    pub(crate) fn new(watched: Vec<Watched>) -> Self {
        let mut by_name: Vec<KeyIndex> = (0..watched.len()).collect();
        by_name.sort_by(|&a, &b| watched[a].key.cmp(&watched[b].key));
        let [newest, told, shown] = [(); 3].map(|()| watched.iter().map(|_| AtomicI64::new(0)).collect());
        let named = Mutex::new(vec![Named::default(); watched.len()]);
        Self { newest, told, shown, by_name, named, watched, claims: Vec::new(), unreadable: Mutex::default() }
    }

    /// The same keys, and these claims beside them.
    pub(super) fn with_claims(self, claims: Vec<ClaimSpec>) -> Self {
        Self { claims, ..self }
    }

    pub(super) fn claims(&self) -> &[ClaimSpec] {
        &self.claims
    }

    pub(crate) fn all(&self) -> Range<KeyIndex> {
        0..self.watched.len()
    }

    pub(crate) fn name(&self, key: KeyIndex) -> &str {
        &self.watched[key].key
    }

    /// The value that names this host.
    pub(crate) fn value(&self, key: KeyIndex) -> &str {
        &self.watched[key].value
    }

    /// The limits of the VIPs that follow the key.
    pub(crate) fn limits(&self, key: KeyIndex) -> &[Limits] {
        &self.watched[key].limits
    }

    /// Remembers what a read says of a key.
    pub(super) fn note_read(&self, key: KeyIndex, read: &KeyRead) {
        self.named()[key].note(read, self.limits(key));
        if let Some(Version(modified)) = read.modified {
            self.shown[key].fetch_max(modified, Ordering::Relaxed);
        }
    }

    /// What the next read is needed for.
    pub(super) fn need(&self, now: Moment) -> Need {
        need::need(&self.named(), now)
    }

    /// Whether a read has shown a change that no watch has told of. To be asked some time after the read, since an
    /// answer may overtake the event. A change is missed once.
    pub(super) fn has_missed_a_change(&self) -> bool {
        let missed = |key: KeyIndex| {
            let shown = self.shown[key].load(Ordering::Relaxed);
            self.told[key].fetch_max(shown, Ordering::Relaxed) < shown
        };
        self.all().filter(|&key| missed(key)).count() > 0
    }

    fn named(&self) -> MutexGuard<'_, Vec<Named>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The positions of a key: more than one if it is watched for several values.
    pub(crate) fn places(&self, name: &[u8]) -> &[KeyIndex] {
        let from = self.by_name.partition_point(|&key| self.name(key).as_bytes() < name);
        let to = self.by_name.partition_point(|&key| self.name(key).as_bytes() <= name);
        &self.by_name[from..to]
    }

    /// The first position of a key: the one that [`Self::distinct`] gives.
    pub(crate) fn first_place(&self, key: KeyIndex) -> KeyIndex {
        self.places(self.name(key).as_bytes()).first().copied().unwrap_or(key)
    }

    /// One position of each different key.
    pub(crate) fn distinct(&self) -> Vec<KeyIndex> {
        let mut keys = self.by_name.clone();
        keys.dedup_by(|a, b| self.name(*a) == self.name(*b));
        keys
    }

    /// Who is named by a key with this value.
    pub(crate) fn judge(&self, key: KeyIndex, value: &[u8]) -> Names {
        if value == self.watched[key].value.as_bytes() { Names::Us } else { Names::Other(beginning(value)) }
    }

    /// Remembers the version that a watch spoke of, and returns whether it was news. Without versions everything is.
    pub(super) fn is_news(&self, key: KeyIndex, version: Option<Version>) -> bool {
        // A watch that tells no versions may have told of any.
        let Version(version) = version.unwrap_or(Version(i64::MAX));
        self.told[key].fetch_max(version, Ordering::Relaxed);
        version == i64::MAX || self.newest[key].fetch_max(version, Ordering::Relaxed) < version
    }

    /// The first read of a session was answered at this version: nothing newer was true before. A store that was
    /// restored from a backup counts from an older version, and its events are news all the same. A watch does not tell
    /// what that read has shown.
    pub(super) fn rewind(&self, key: KeyIndex, read: &KeyRead) {
        if let Some(Version(version)) = read.version {
            self.newest[key].fetch_min(version, Ordering::Relaxed);
        }
        if let Some(Version(modified)) = read.modified {
            self.told[key].store(modified, Ordering::Relaxed);
            self.shown[key].store(modified, Ordering::Relaxed);
        }
    }

    /// Logs that a key cannot be read, unless that is known.
    pub(super) fn note_unreadable(&self, key: KeyIndex, why: &Arc<str>) {
        let name = &self.watched[key].key;
        if self.unreadable().insert(Arc::clone(name), Arc::clone(why)).as_ref() != Some(why) {
            tracing::warn!("cannot read the key {name}: {why}");
        }
    }

    pub(super) fn note_readable(&self, key: KeyIndex) {
        let name = &self.watched[key].key;
        if self.unreadable().remove(name).is_some() {
            tracing::info!("the key {name} can be read again");
        }
    }

    fn unreadable(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<str>>> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept and shown of a value that is not ours. It may be anything, of any size.
fn beginning(value: &[u8]) -> Arc<str> {
    let Some(begin) = value.get(..LONGEST).filter(|begin| begin.len() < value.len()) else {
        return String::from_utf8_lossy(value).into();
    };
    // At the boundary of a character, if it is text at all.
    let whole = match std::str::from_utf8(begin) {
        Err(error) if error.error_len().is_none() => &begin[..error.valid_up_to()],
        _ => begin,
    };
    format!("{}… (cut, {} bytes)", String::from_utf8_lossy(whole), value.len()).into()
}

const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::Tenure;

    fn keys(names: &[&str]) -> Keys {
        let watched = |name: &&str| Watched { key: Arc::from(*name), value: "us".into(), limits: Vec::new() };
        Keys::new(names.iter().map(watched).collect())
    }

    fn read(version: i64, modified: i64) -> KeyRead {
        KeyRead {
            names: Names::Nobody,
            version: Some(Version(version)),
            modified: Some(Version(modified)),
            tenure: Tenure::NoLease,
            sent_at: Moment::default(),
            answered_at: Moment::default(),
            from: "test".into(),
        }
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
    fn the_same_event_from_a_second_endpoint_is_no_news() {
        let keys = keys(&["/a"]);
        let is_news = |version| keys.is_news(0, Some(Version(version)));
        assert!(is_news(7));
        assert!(!is_news(7));
        assert!(!is_news(6));
        assert!(is_news(8));
        assert!(keys.is_news(0, None) && keys.is_news(0, None), "a store without versions cannot tell");
    }

    #[test]
    fn events_of_a_restored_store_are_news_again() {
        let keys = keys(&["/a"]);
        assert!(keys.is_news(0, Some(Version(1_000))));
        keys.rewind(0, &read(10, 9));
        assert!(keys.is_news(0, Some(Version(11))));
    }

    #[test]
    fn a_change_that_a_read_shows_and_no_watch_tells_is_missed_once() {
        let keys = keys(&["/a", "/b"]);
        keys.note_read(0, &read(9, 7));
        keys.rewind(0, &read(9, 7));
        assert!(!keys.has_missed_a_change(), "a session began with it");
        keys.note_read(1, &read(10, 10));
        assert!(keys.is_news(1, Some(Version(10))));
        assert!(!keys.has_missed_a_change(), "the watch told it");
        keys.note_read(0, &read(12, 11));
        assert!(keys.has_missed_a_change());
        assert!(!keys.has_missed_a_change());
        keys.rewind(0, &read(5, 4));
        keys.note_read(0, &read(6, 6));
        assert!(keys.has_missed_a_change(), "a restored store counts from an older version");
    }

    #[test]
    fn of_a_long_value_only_the_beginning_is_kept() {
        let exact = "é".repeat(128);
        assert_eq!(*beginning(exact.as_bytes()), exact);
        assert_eq!(*beginning(format!("{exact}x").as_bytes()), format!("{exact}… (cut, 257 bytes)"));
        let odd = format!("x{exact}");
        assert_eq!(*beginning(odd.as_bytes()), format!("x{}… (cut, 257 bytes)", "é".repeat(127)));
        assert!(beginning(&[0xff; 300]).starts_with("\u{fffd}\u{fffd}"));
        let ours = "u".repeat(1000);
        let keys = Keys::new(vec![Watched { key: "/a".into(), value: ours.as_str().into(), limits: Vec::new() }]);
        assert_eq!(keys.judge(0, ours.as_bytes()), Names::Us, "however long");
    }

    #[test]
    fn only_the_exact_value_is_ours() {
        let keys = keys(&["/a"]);
        assert_eq!(keys.judge(0, b"us"), Names::Us);
        assert_eq!(keys.judge(0, b"us2"), Names::Other("us2".into()));
        assert_eq!(keys.judge(0, b"US"), Names::Other("US".into()));
    }
}
