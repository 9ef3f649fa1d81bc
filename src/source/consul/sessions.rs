//! The sessions of the claims.
//!
//! A session belongs to the node of the endpoint that made it. If that node dies, Consul ends the session some seconds
//! later, whoever renews it. So we remember which endpoint made each session, and a claim that is renewed through another
//! endpoint moves to a session there.
//!
//! While a key that seems to name this host is being read, a spare session is made for the claim that follows. If nobody
//! uses it, it ends by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::Moment;

/// A session, and the name of the endpoint that made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Session {
    pub(super) id: Arc<str>,
    pub(super) endpoint: Arc<str>,
}

/// The sessions of this process, by the keys of their claims.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    used: Mutex<BTreeMap<Arc<str>, Session>>,
    spare: Mutex<BTreeMap<Arc<str>, Arc<tokio::sync::Mutex<Spare>>>>,
}

/// A session that nobody uses yet. It is locked while it is being made.
#[derive(Debug, Default)]
pub(super) struct Spare(Option<(Session, Moment)>);

impl Sessions {
    pub(super) fn spare(&self, key: &Arc<str>) -> Arc<tokio::sync::Mutex<Spare>> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(spare.entry(Arc::clone(key)).or_default())
    }

    /// The claim has this session now.
    pub(super) fn note_used(&self, key: &Arc<str>, session: Session) {
        self.used().insert(Arc::clone(key), session);
    }

    /// Whether the claim's session is known to be from another endpoint.
    pub(super) fn is_elsewhere(&self, key: &str, id: &str, endpoint: &str) -> bool {
        self.used().get(key).is_some_and(|session| *session.id == *id && *session.endpoint != *endpoint)
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Session>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare {
    /// It was asked for at this time.
    pub(super) fn put(&mut self, session: Session, sent_at: Moment) {
        self.0 = Some((session, sent_at));
    }

    pub(super) fn is_fresh(&self, now: Moment) -> bool {
        self.0.as_ref().is_some_and(|(_, sent_at)| now.since(*sent_at) < FRESH)
    }

    pub(super) fn take(&mut self, now: Moment) -> Option<Session> {
        let fresh = self.is_fresh(now);
        self.0.take().filter(|_| fresh).map(|(session, _)| session)
    }
}

/// A session lasts ten seconds at least, and its first renewal comes a fifth of that after the claim.
const FRESH: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, endpoint: &str) -> Session {
        Session { id: id.into(), endpoint: endpoint.into() }
    }

    #[test]
    fn a_spare_session_serves_once_and_not_for_long() {
        let at = |millis| Moment::from_boot(Duration::from_millis(millis));
        let mut spare = Spare::default();
        assert_eq!(spare.take(at(0)), None);
        spare.put(session("a", "one"), at(0));
        assert!(spare.is_fresh(at(1_999)));
        assert_eq!((spare.take(at(1_999)), spare.take(at(1_999))), (Some(session("a", "one")), None));
        spare.put(session("b", "one"), at(0));
        assert_eq!(spare.take(at(2_000)), None);
    }

    #[test]
    fn a_session_is_elsewhere_if_it_is_known_to_be() {
        let sessions = Sessions::default();
        assert!(!sessions.is_elsewhere("vip", "a", "two"), "nothing is known");
        sessions.note_used(&"vip".into(), session("a", "one"));
        let elsewhere = |id, endpoint| sessions.is_elsewhere("vip", id, endpoint);
        assert_eq!([elsewhere("a", "one"), elsewhere("a", "two"), elsewhere("b", "two")], [false, true, false]);
        assert!(!sessions.is_elsewhere("other", "a", "two"));
    }
}
