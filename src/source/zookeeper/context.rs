//! What the calls of one session share, and what all sessions remember together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::claim_session::ClaimSession;
use super::connection::{Connection, Told};
use super::session::Opener;
use super::tenure::{Terms, left};
use crate::config::model::OptionNames;
use crate::keeper::Tenure;
use crate::source::keys::Keys;
use crate::source::report::KeyIndex;
use crate::source::rounds::EndpointIndex;
use crate::time::Moment;

/// One session, and what a read or a watch of it needs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(super) name: Arc<str>,
    pub(super) endpoint: EndpointIndex,
    /// Makes the connections of the claims' sessions.
    pub(super) opener: Arc<Opener>,
    pub(super) connection: Connection,
    /// What the server says unasked, until the watch takes it.
    pub(super) told: Mutex<Option<mpsc::UnboundedReceiver<Told>>>,
    /// What is put before every key: empty, or a path without a slash at its end.
    pub(super) root: Arc<str>,
    pub(super) keys: Arc<Keys>,
    pub(super) memory: Arc<Memory>,
    pub(super) user: Option<String>,
    pub(super) has_certificate: bool,
    pub(super) names: OptionNames,
    pub(super) limit: Duration,
    pub(super) clock: fn() -> Moment,
    /// The keys that have changed, and were not looked at since.
    pub(super) changed: Mutex<BTreeSet<KeyIndex>>,
    /// There is another one.
    pub(super) changes: Notify,
}

/// What is known beyond one session.
#[derive(Debug)]
pub(super) struct Memory {
    /// Whether the last read or event of each key named us. A stale one costs a needless transaction, or a second read.
    ours: Vec<AtomicBool>,
    /// Which server was the first to tell of the last change of each key, and when.
    first_told: Mutex<Vec<Option<(EndpointIndex, Moment)>>>,
    /// What Patroni's settings say, for each key that named us.
    terms: Mutex<Vec<Option<Known>>>,
    /// The longest session that each server grants, in milliseconds; the largest number until it is known.
    longest: Vec<AtomicU64>,
    /// The sessions of the claims by their keys: they outlive every connection.
    claims: Mutex<BTreeMap<Arc<str>, Arc<tokio::sync::Mutex<ClaimSession>>>>,
}

/// Patroni's settings and when they were asked for.
#[derive(Clone, Copy, Debug)]
struct Known {
    terms: Terms,
    /// Those before: Patroni follows a change within a loop, not at once.
    before: Terms,
    asked_at: Moment,
}

impl Context {
    /// Notes that a key has changed, and that it has to be looked at.
    pub(super) fn note_changed(&self, key: KeyIndex) {
        self.to_look_at().insert(key);
        self.changes.notify_one();
    }

    /// The keys that have changed. They stay noted until they were looked at.
    pub(super) fn to_look_at(&self) -> MutexGuard<'_, BTreeSet<KeyIndex>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a key in ZooKeeper.
    pub(super) fn path(&self, key: KeyIndex) -> String {
        format!("{}{}", self.root, self.keys.name(key))
    }

    /// The key's name in a path of ZooKeeper.
    pub(super) fn key_name<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&*self.root)
    }
}

impl Memory {
    pub(super) fn new(keys: usize, servers: usize) -> Self {
        Self {
            ours: (0..keys).map(|_| AtomicBool::new(false)).collect(),
            first_told: Mutex::new(vec![None; keys]),
            terms: Mutex::new(vec![None; keys]),
            longest: (0..servers).map(|_| AtomicU64::new(u64::MAX)).collect(),
            claims: Mutex::default(),
        }
    }

    pub(super) fn is_ours(&self, key: KeyIndex) -> bool {
        self.ours[key].load(Ordering::Relaxed)
    }

    pub(super) fn set_ours(&self, key: KeyIndex, ours: bool) {
        self.ours[key].store(ours, Ordering::Relaxed);
    }

    /// A server told of a change. Returns whether no other one did just before.
    pub(super) fn tells_first(&self, key: KeyIndex, server: EndpointIndex, now: Moment) -> bool {
        let told = &mut self.first_told.lock().unwrap_or_else(PoisonError::into_inner)[key];
        let first = told.is_none_or(|(by, at)| by == server || now.since(at) >= BEHIND);
        if first {
            *told = Some((server, now));
        }
        first
    }

    /// A server told the longest session that it grants.
    pub(super) fn note_longest(&self, server: EndpointIndex, timeout: Duration) {
        self.longest[server].store(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The session of a claim.
    pub(super) fn claim_session(&self, key: &Arc<str>) -> Arc<tokio::sync::Mutex<ClaimSession>> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(claims.entry(Arc::clone(key)).or_default())
    }

    /// The longest session that is granted: one may be with any server.
    pub(super) fn longest(&self) -> Duration {
        let longest = self.longest.iter().map(|longest| longest.load(Ordering::Relaxed)).min();
        Duration::from_millis(longest.unwrap_or(u64::MAX))
    }

    /// Whether Patroni's settings have to be asked for.
    pub(super) fn needs_terms(&self, key: KeyIndex, now: Moment) -> bool {
        self.terms()[key].is_none_or(|known| now.since(known.asked_at) >= FRESH)
    }

    pub(super) fn note_terms(&self, key: KeyIndex, terms: Terms, asked_at: Moment) {
        let known = &mut self.terms()[key];
        let before = known.map_or(terms, |known| known.terms);
        *known = Some(Known { terms, before, asked_at });
    }

    /// How long the tenure of a leader lasts at least, as far as Patroni's settings tell.
    pub(super) fn tenure(&self, key: KeyIndex) -> Tenure {
        let longest = self.longest();
        let known = self.terms()[key];
        known.map_or(Tenure::Unknown, |known| Tenure::Assumed {
            left: left(known.terms, longest).min(left(known.before, longest)),
            margin: Duration::MAX,
        })
    }

    fn terms(&self) -> MutexGuard<'_, Vec<Option<Known>>> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much later the other servers that tell of a change are asked: their load would delay the first one's answer.
pub(super) const BEHIND: Duration = Duration::from_millis(20);
/// Settings are asked for again when they are this old.
const FRESH: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn of_servers_that_tell_of_a_change_one_is_the_first() {
        let (memory, now) = (Memory::new(2, 3), Moment::from_boot(secs(100)));
        let later = |millis| now + Duration::from_millis(millis);
        assert!(memory.tells_first(0, 1, now));
        assert!(!memory.tells_first(0, 2, later(3)));
        assert!(memory.tells_first(1, 2, later(3)), "another key");
        assert!(memory.tells_first(0, 1, later(15)), "the next change");
        assert!(!memory.tells_first(0, 2, later(34)));
        assert!(memory.tells_first(0, 2, later(35)));
    }

    #[test]
    fn the_bound_follows_the_smallest_limit_and_grows_only_at_the_second_sight() {
        let (memory, now) = (Memory::new(1, 2), Moment::from_boot(secs(100)));
        assert_eq!((memory.tenure(0), memory.needs_terms(0, now)), (Tenure::Unknown, true));
        let (short, long) =
            (Terms { ttl: secs(20), loop_wait: secs(10) }, Terms { ttl: secs(60), loop_wait: secs(10) });
        memory.note_terms(0, short, now);
        let assumed = |left| Tenure::Assumed { left: secs(left), margin: Duration::MAX };
        assert_eq!((memory.tenure(0), memory.needs_terms(0, now + secs(59))), (assumed(15), false));
        assert!(memory.needs_terms(0, now + secs(60)));
        memory.note_terms(0, long, now + secs(60));
        assert_eq!(memory.tenure(0), assumed(15), "Patroni may not have followed yet");
        memory.note_terms(0, long, now + secs(120));
        assert_eq!(memory.tenure(0), assumed(55));
        memory.note_longest(0, secs(60));
        memory.note_longest(1, secs(40));
        assert_eq!(memory.tenure(0), assumed(35), "any server may have Patroni's session");
        memory.note_terms(0, short, now + secs(180));
        assert_eq!(memory.tenure(0), assumed(15), "a shorter time counts at once");
    }
}
