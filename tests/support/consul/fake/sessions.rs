//! The sessions of the fake. One with a time to live ends after twice as much without a renewal, as Consul does it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use vip_manager::time::Moment;

use super::store::{Page, Refused, Store};

/// The check that every node has.
const GOSSIP: &str = "serfHealth";
const TTLS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(86_400)];
const LONGEST_DELAY: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct Session {
    name: String,
    node: String,
    lock_delay: Duration,
    delete: bool,
    /// As it was asked for, and what that means.
    ttl: (String, Duration),
    checks: Vec<String>,
    created: u64,
    ends: Option<Moment>,
}

impl Session {
    fn row(&self, id: &str) -> Value {
        json!({"ID": id, "Name": self.name, "Node": self.node, "LockDelay": u64::try_from(self.lock_delay.as_nanos()).unwrap_or(u64::MAX),
            "Behavior": if self.delete { "delete" } else { "release" }, "TTL": self.ttl.0, "NodeChecks": self.checks,
            "ServiceChecks": null, "CreateIndex": self.created, "ModifyIndex": self.created})
    }

    fn renew(&mut self, now: Moment) {
        self.ends = (!self.ttl.1.is_zero()).then(|| now + self.ttl.1 * 2);
    }
}

impl Store {
    /// A session that belongs to this node unless another is asked for. Its id.
    pub(super) fn begin_session(&mut self, wanted: &Value, node: &str, now: Moment) -> Result<String, Refused> {
        let refused = |what: String| Err((500, what));
        let text = |field: &str| wanted[field].as_str().unwrap_or_default().to_owned();
        let node = wanted["Node"].as_str().unwrap_or(node).to_owned();
        if !self.nodes.contains(&node) {
            return refused("Missing node registration".to_owned());
        }
        let delete = match wanted["Behavior"].as_str() {
            Some("delete") => true,
            None | Some("" | "release") => false,
            Some(other) => return refused(format!("Invalid Behavior setting '{other}'")),
        };
        let asked = text("TTL");
        let ttl = match duration(&asked) {
            None if !asked.is_empty() => {
                return refused(format!("Session TTL '{asked}' invalid: time: invalid duration \"{asked}\""));
            }
            ttl => ttl.unwrap_or_default(),
        };
        if !ttl.is_zero() && !(TTLS[0]..=TTLS[1]).contains(&ttl) {
            return refused(format!("Invalid Session TTL '{}', must be between [10s=24h0m0s]", ttl.as_nanos()));
        }
        let lists = [&wanted["NodeChecks"], &wanted["Checks"]].map(|list| list.as_array());
        let mut checks: Vec<String> =
            lists.iter().flatten().flat_map(|list| list.iter().filter_map(Value::as_str)).map(str::to_owned).collect();
        if lists[0].is_none() && checks.is_empty() {
            checks.push(GOSSIP.to_owned());
        }
        if let Some(missing) = checks.iter().find(|check| *check != GOSSIP) {
            return refused(format!("Missing check '{missing}' registration"));
        }
        let lock_delay = match &wanted["LockDelay"] {
            Value::Null => Duration::from_secs(15),
            Value::String(text) => duration(text).unwrap_or_default(),
            other => return Err(super::unknown(&format!("the lock-delay {other}"))),
        };
        let (id, created) = (new_id(), self.next());
        let mut session =
            Session { name: text("Name"), node, lock_delay, delete, ttl: (asked, ttl), checks, created, ends: None };
        session.renew(now);
        self.sessions.insert(id.clone(), session);
        self.sessions_index = created;
        Ok(id)
    }

    /// Nothing if there is no such session.
    pub(super) fn renew_session(&mut self, id: &str, now: Moment) -> Option<Value> {
        let session = self.sessions.get_mut(id)?;
        session.renew(now);
        Some(json!([session.row(id)]))
    }

    /// Ends a session: its locks end, and nobody gets them for its lock-delay.
    pub(super) fn end_session(&mut self, id: &str, now: Moment) {
        let Some(session) = self.sessions.remove(id) else { return };
        let index = self.next();
        self.sessions_index = index;
        let delayed_until = (!session.lock_delay.is_zero()).then(|| now + session.lock_delay.min(LONGEST_DELAY));
        self.let_go(id, session.delete, delayed_until, index);
    }

    /// All sessions, or one.
    pub(super) fn sessions(&self, only: Option<&str>) -> Page {
        let found = self.sessions.iter().filter(|(id, _)| only.is_none_or(|only| only == id.as_str()));
        let rows: Vec<Value> = found.map(|(id, session)| session.row(id)).collect();
        Page { index: self.sessions_index, rows: Some(json!(rows)) }
    }

    /// Ends the sessions whose time is up. Whether there were any.
    pub(super) fn expire(&mut self, now: Moment) -> bool {
        self.end_sessions(now, |session| session.ends.is_some_and(|ends| ends <= now))
    }

    /// Gossip says that a node has failed. Whether that ended sessions.
    pub(super) fn fail_node(&mut self, node: &str, now: Moment) -> bool {
        self.end_sessions(now, |session| session.node == node && session.checks.iter().any(|check| check == GOSSIP))
    }

    /// A server that has failed is removed, and its sessions with it.
    pub(super) fn deregister(&mut self, node: &str, now: Moment) -> bool {
        let registered = self.nodes.remove(node);
        self.end_sessions(now, |session| session.node == node) || registered
    }

    /// A new leader does not know when the sessions were renewed, and gives each its whole time again.
    pub(super) fn restart_sessions(&mut self, now: Moment) {
        for session in self.sessions.values_mut() {
            session.renew(now);
        }
    }

    fn end_sessions(&mut self, now: Moment, which: impl Fn(&Session) -> bool) -> bool {
        let over: Vec<String> =
            self.sessions.iter().filter(|(_, session)| which(session)).map(|(id, _)| id.clone()).collect();
        for id in &over {
            self.end_session(id, now);
        }
        !over.is_empty()
    }
}

/// An `Err` is what Consul says of an id that is none.
pub(super) fn check_id(id: &str) -> Result<(), Refused> {
    let why = "failed session lookup: index error: UUID must be 36 characters";
    if id.len() == 36 { Ok(()) } else { Err((500, why.to_owned())) }
}

fn new_id() -> String {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}-0000-4000-8000-{number:012x}", std::process::id())
}

/// A duration as Go writes it, in one unit.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let seconds = match &text[unit..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(text[..unit].parse::<f64>().ok()? * seconds).ok()
}
