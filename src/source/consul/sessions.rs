//! A session that is made ahead: while a key that seems to name this host is being read, for the claim that follows.
//!
//! One that is not used has no lock, and ends by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::time::Moment;

/// The spare sessions of the claims, by the claims' keys.
#[derive(Debug, Default)]
pub(super) struct Spares(Mutex<BTreeMap<Arc<str>, Arc<tokio::sync::Mutex<Spare>>>>);

/// A session that nobody uses yet. It is locked while it is being made.
#[derive(Debug, Default)]
pub(super) struct Spare(Option<(Arc<str>, Moment)>);

impl Spares {
    pub(super) fn of(&self, key: &Arc<str>) -> Arc<tokio::sync::Mutex<Spare>> {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(spares.entry(Arc::clone(key)).or_default())
    }
}

impl Spare {
    /// It was asked for at this time.
    pub(super) fn put(&mut self, session: Arc<str>, sent_at: Moment) {
        self.0 = Some((session, sent_at));
    }

    pub(super) fn is_fresh(&self, now: Moment) -> bool {
        self.0.as_ref().is_some_and(|(_, sent_at)| now.since(*sent_at) < FRESH)
    }

    pub(super) fn take(&mut self, now: Moment) -> Option<Arc<str>> {
        let fresh = self.is_fresh(now);
        self.0.take().filter(|_| fresh).map(|(session, _)| session)
    }
}

/// A session lasts ten seconds at least, and its first renewal comes a fifth of that after the claim.
const FRESH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_session_serves_once_and_not_for_long() {
        let at = |millis| Moment::from_boot(Duration::from_millis(millis));
        let mut spare = Spare::default();
        assert_eq!(spare.take(at(0)), None);
        spare.put("a".into(), at(0));
        assert!(spare.is_fresh(at(1_999)));
        assert_eq!((spare.take(at(1_999)).as_deref(), spare.take(at(1_999))), (Some("a"), None));
        spare.put("b".into(), at(0));
        assert_eq!(spare.take(at(2_000)), None);
    }
}
