//! Sessions and transactions of a claim: what is sent, and what the answers say. Pure.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Refusal, json as parsed};
use crate::source::report::ClaimSpec;
use crate::text::{brief, one_line};

/// One operation of a transaction.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Op(Value);

impl Op {
    /// The key has this version.
    pub(super) fn check_index(key: &str, version: i64) -> Self {
        Self(json!({"Verb": "check-index", "Key": key, "Index": version}))
    }

    pub(super) fn check_not_exists(key: &str) -> Self {
        Self(json!({"Verb": "check-not-exists", "Key": key}))
    }

    /// Locks the key for a session and writes it.
    pub(super) fn lock(key: &str, session: &str, value: &str) -> Self {
        Self(json!({"Verb": "lock", "Key": key, "Session": session, "Value": STANDARD.encode(value)}))
    }

    /// Unlocks the key, if this session has it. There is no lock-delay.
    pub(super) fn unlock(key: &str, session: &str, value: &str) -> Self {
        Self(json!({"Verb": "unlock", "Key": key, "Session": session, "Value": STANDARD.encode(value)}))
    }

    /// Deletes the key, if it has this version.
    pub(super) fn delete_cas(key: &str, version: i64) -> Self {
        Self(json!({"Verb": "delete-cas", "Key": key, "Index": version}))
    }

    pub(super) fn json(&self) -> Value {
        json!({"KV": &self.0})
    }
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It was carried out; the version of the key that the last operation wrote, if it wrote one.
    Done(i64),
    /// Nothing was changed.
    Conflict(Conflict),
}

/// The first operation that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Conflict {
    /// Its position.
    pub(super) op: usize,
    /// The session that had the lock has ended, and nobody gets it for the lock-delay.
    pub(super) delayed: bool,
}

/// What a transaction was answered with.
pub(super) fn outcome(answer: &Response<Bytes>) -> Result<Outcome, Refusal> {
    if answer.status() != StatusCode::CONFLICT {
        let done: Done = parsed(answer)?;
        let last = done.results.unwrap_or_default().pop().and_then(|result| result.kv);
        return Ok(Outcome::Done(last.map_or(0, |written| written.modified)));
    }
    let failed: Failed = serde_json::from_slice(answer.body()).map_err(|_| Refusal::NotConsul(answer.status()))?;
    if failed.errors.iter().any(|error| error.what.contains("Permission denied")) {
        return Err(Refusal::Forbidden);
    }
    let Some(first) = failed.errors.iter().min_by_key(|error| error.op) else {
        return Err(Refusal::NotConsul(answer.status()));
    };
    let conflict = |delayed| Ok(Outcome::Conflict(Conflict { op: first.op, delayed }));
    if first.what.contains("lock delay") {
        return conflict(true);
    }
    // The session was ended between its creation and this.
    if first.what.contains("invalid session") {
        return Err(Refusal::NotNow(brief(&one_line(&first.what), LONGEST)));
    }
    conflict(false)
}

#[derive(Deserialize)]
struct Done {
    #[serde(rename = "Results")]
    results: Option<Vec<OpResult>>,
}

#[derive(Deserialize)]
struct OpResult {
    #[serde(rename = "KV")]
    kv: Option<Written>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "ModifyIndex")]
    modified: i64,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(rename = "Errors")]
    errors: Vec<OpError>,
}

#[derive(Deserialize)]
struct OpError {
    #[serde(rename = "OpIndex")]
    op: usize,
    #[serde(rename = "What")]
    what: String,
}

/// A session for a claim. Consul knows checks by two names; none is wanted of either.
pub(super) fn new_session(spec: &ClaimSpec) -> Value {
    json!({
        "Name": format!("vip-manager {}", spec.key),
        "TTL": millis(spec.ttl.max(SHORTEST_TTL)),
        "LockDelay": millis(bound(spec.ttl, spec)),
        "Behavior": "delete",
        "NodeChecks": [],
        "Checks": [],
    })
}

#[derive(Deserialize)]
pub(super) struct SessionId {
    #[serde(rename = "ID")]
    pub(super) id: String,
}

/// A session that was renewed.
#[derive(Deserialize)]
pub(super) struct Renewed {
    /// In nanoseconds.
    #[serde(rename = "LockDelay")]
    lock_delay: u64,
}

impl Renewed {
    pub(super) fn lock_delay(&self) -> Duration {
        Duration::from_nanos(self.lock_delay)
    }
}

/// What bounds a claim whose session has this lock-delay.
pub(super) fn bound(lock_delay: Duration, spec: &ClaimSpec) -> Duration {
    lock_delay.min(spec.ttl).min(LONGEST_LOCK_DELAY)
}

/// How long the claim of a host lasts that does not renew it: Consul ends a session after twice its time to live.
pub(super) fn at_most(spec: &ClaimSpec) -> Duration {
    spec.ttl.max(SHORTEST_TTL) * 2 + bound(spec.ttl, spec)
}

fn millis(span: Duration) -> String {
    format!("{}ms", span.as_millis())
}

/// The server's session_ttl_min, unless it is configured.
const SHORTEST_TTL: Duration = Duration::from_secs(10);
/// Consul grants no more.
const LONGEST_LOCK_DELAY: Duration = Duration::from_secs(60);
/// In characters.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::claim::Owner;

    fn answer(status: u16, body: &'static str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body)).unwrap()
    }

    fn spec(seconds: u64) -> ClaimSpec {
        let owner = Owner { host: "pg1".into(), boot: "b1".into() };
        ClaimSpec { key: "vip".into(), leader: 0, ttl: Duration::from_secs(seconds), owner, value: "{}".into() }
    }

    #[test]
    fn a_transaction_is_done_or_says_which_operation_was_refused() {
        let done =
            r#"{"Results":[{"KV":{"Key":"a","ModifyIndex":7}},{"KV":{"Key":"vip","ModifyIndex":21}}],"Errors":null}"#;
        assert_eq!(outcome(&answer(200, done)), Ok(Outcome::Done(21)));
        assert_eq!(outcome(&answer(200, r#"{"Results":[],"Errors":null}"#)), Ok(Outcome::Done(0)), "a deletion");
        let refused = |what: &'static str| outcome(&answer(409, what));
        let index = r#"{"Results":null,"Errors":[{"OpIndex":0,"What":"current modify index 9 != 7"}]}"#;
        assert_eq!(refused(index), Ok(Outcome::Conflict(Conflict { op: 0, delayed: false })));
        let delay = r#"{"Errors":[{"OpIndex":2,"What":"failed to lock key \"vip\" due to lock delay"}]}"#;
        assert_eq!(refused(delay), Ok(Outcome::Conflict(Conflict { op: 2, delayed: true })));
        let denied = r#"{"Errors":[{"OpIndex":2,"What":"Permission denied"}]}"#;
        assert_eq!(refused(denied), Err(Refusal::Forbidden));
        let ended = r#"{"Errors":[{"OpIndex":2,"What":"failed session check: invalid session"}]}"#;
        assert!(matches!(refused(ended), Err(Refusal::NotNow(_))));
        assert!(matches!(refused("<html>"), Err(Refusal::NotConsul(_))));
        assert!(matches!(outcome(&answer(500, "No cluster leader")), Err(Refusal::NotNow(_))));
    }

    #[test]
    fn a_session_lives_ten_seconds_at_least_and_the_bound_is_its_lock_delay() {
        let session = new_session(&spec(5));
        assert_eq!((&session["TTL"], &session["LockDelay"]), (&json!("10000ms"), &json!("5000ms")));
        let session = new_session(&spec(150));
        assert_eq!((&session["TTL"], &session["LockDelay"]), (&json!("150000ms"), &json!("60000ms")));
        assert_eq!((&session["Behavior"], &session["NodeChecks"]), (&json!("delete"), &json!([])));
        let seconds = Duration::from_secs;
        assert_eq!(bound(seconds(10), &spec(20)), seconds(10), "a predecessor asked for less");
        assert_eq!(bound(seconds(20), &spec(10)), seconds(10));
        assert_eq!((at_most(&spec(5)), at_most(&spec(10))), (seconds(25), seconds(30)));
    }

    #[test]
    fn a_renewal_tells_the_lock_delay() {
        let renewed: Vec<Renewed> =
            serde_json::from_str(r#"[{"ID":"5c","Node":"db1","LockDelay":10000000000,"TTL":"10s"}]"#).unwrap();
        assert_eq!(renewed[0].lock_delay(), Duration::from_secs(10));
    }
}
