//! What the answers of etcd's v2 API say. Pure.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde::Deserialize;

use crate::source::client::Failure;
use crate::source::http::login_refused;
use crate::text::{brief, one_line};

/// The answer about a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The store's index when it was answered.
    pub index: i64,
    /// The cluster that answered; zero if it did not tell.
    pub cluster: u64,
    pub node: Option<Node>,
}

/// A key that exists.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Node {
    #[serde(default)]
    pub value: String,
    #[serde(rename = "modifiedIndex", default)]
    pub modified: i64,
    #[serde(default)]
    ttl: Option<u64>,
    #[serde(default)]
    expiration: Option<String>,
    /// What a directory holds.
    #[serde(default)]
    pub nodes: Vec<Named>,
}

/// A key in a directory.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Named {
    pub key: String,
    #[serde(default)]
    pub nodes: Vec<Named>,
}

/// What a wait has seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub modified: i64,
    /// Nothing if the key is gone.
    pub value: Option<String>,
}

/// What became of a change that compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    Done {
        modified: i64,
    },
    /// The key is not as it was compared with.
    Differs,
    Absent,
}

/// Why an answer does not say what was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// An election, no quorum, overload.
    NotNow(String),
    /// This user may not do that, or is not who it says.
    Forbidden,
    /// The events that a wait should have seen are no longer known.
    Cleared,
    /// There is an HTTP server, but not this API.
    NoApi(StatusCode),
    Other(String),
}

impl Node {
    /// How long it lives at least, as the member that answers counts; nothing if for ever. The field is rounded up, and
    /// missing if the time is over and the key not yet removed.
    pub fn left(&self) -> Option<Duration> {
        match (self.ttl, &self.expiration) {
            (Some(ttl), _) => Some(Duration::from_secs(ttl.saturating_sub(1))),
            (None, Some(_)) => Some(Duration::ZERO),
            (None, None) => None,
        }
    }

    /// The same in the seconds of the field.
    pub fn ttl(&self) -> Option<u64> {
        self.ttl.or(self.expiration.as_ref().map(|_| 0))
    }
}

impl Page {
    pub fn parse(answer: &Response<Bytes>) -> Result<Self, Refusal> {
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let cluster = header("x-etcd-cluster-id").and_then(|id| u64::from_str_radix(id, 16).ok()).unwrap_or(0);
        let index = header("x-etcd-index").and_then(|index| index.parse().ok());
        if answer.status().is_success() {
            let Ok(Found { node }) = serde_json::from_slice(answer.body()) else {
                return Err(Refusal::NoApi(answer.status()));
            };
            let index = index.ok_or(Refusal::NoApi(answer.status()))?;
            return Ok(Self { index, cluster, node: Some(node) });
        }
        match refused(answer.status(), answer.body()) {
            Err(index_of_error) => Ok(Self { index: index.unwrap_or(index_of_error), cluster, node: None }),
            Ok(refusal) => Err(refusal),
        }
    }
}

impl Event {
    pub fn parse(status: StatusCode, body: &[u8]) -> Result<Self, Refusal> {
        if !status.is_success() {
            // A wait never says that a key is absent.
            return Err(refused(status, body).unwrap_or(Refusal::NoApi(status)));
        }
        let Ok(Change { action, node }) = serde_json::from_slice(body) else { return Err(Refusal::NoApi(status)) };
        let gone = matches!(&*action, "delete" | "expire" | "compareAndDelete");
        Ok(Self { modified: node.modified, value: (!gone).then_some(node.value) })
    }
}

impl Written {
    pub fn parse(answer: &Response<Bytes>) -> Result<Self, Refusal> {
        let (status, body) = (answer.status(), answer.body());
        if status.is_success() {
            let found: Result<Found, _> = serde_json::from_slice(body);
            return found.map_or(Err(Refusal::NoApi(status)), |found| Ok(Self::Done { modified: found.node.modified }));
        }
        match serde_json::from_slice::<Problem>(body) {
            Ok(Problem { code: COMPARE_FAILED | EXISTS, .. }) => Ok(Self::Differs),
            Ok(_) | Err(_) => refused(status, body).map_or(Ok(Self::Absent), Err),
        }
    }
}

/// Why there is no key in the answer; an `Err` with the index if the key is absent.
fn refused(status: StatusCode, body: &[u8]) -> Result<Refusal, i64> {
    if status == StatusCode::UNAUTHORIZED {
        return Ok(Refusal::Forbidden);
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let text = brief(&one_line(String::from_utf8_lossy(body).trim()), LONGEST);
        return Ok(if status.is_server_error() { Refusal::NotNow(text) } else { Refusal::NoApi(status) });
    };
    let text = brief(&one_line(&[problem.message, problem.cause].join(": ")), LONGEST);
    match problem.code {
        100 => Err(problem.index),
        401 => Ok(Refusal::Cleared),
        300..=399 => Ok(Refusal::NotNow(text)),
        _ if status.is_server_error() => Ok(Refusal::NotNow(text)),
        _ => Ok(Refusal::Other(text)),
    }
}

impl Refusal {
    /// Why a key could not be read. `login` is whether a user logged in.
    pub(super) fn failure(self, key: &str, login: bool) -> Failure {
        let about = |kind, why: String, cure: Option<&str>| Failure {
            kind,
            ends_session: false,
            routine: false,
            why,
            cure: cure.map(str::to_owned),
            hold_at_most: None,
        };
        match self {
            Self::NotNow(why) => about("unavailable", format!("it cannot answer: {why}"), None),
            Self::Forbidden if login => login_refused(
                format!("etcd does not let this user read {key}, or refuses the password"),
                format!("check dcs-user and dcs-password, or allow it: {}", grant(key)),
            ),
            Self::Forbidden => login_refused(
                format!("etcd does not let guests read {key}"),
                format!("set dcs-user and dcs-password, with a role that may: {}", grant(key)),
            ),
            Self::Cleared => about("watch", "the events that were waited for are no longer known".to_owned(), None),
            Self::NoApi(status) => about(
                "refused",
                format!("it does not serve etcd's v2 API (status {})", status.as_u16()),
                Some("set dcs-type: etcd for the v3 API, or start etcd with --enable-v2"),
            ),
            Self::Other(text) => about("refused", format!("etcd refuses the request: {text}"), None),
        }
    }
}

/// What lets a role claim a key.
pub(super) fn grant_write(key: &str) -> String {
    format!("ETCDCTL_API=2 etcdctl role grant ROLE --path {key} --readwrite")
}

/// What lets a role read a key.
pub(super) fn grant(key: &str) -> String {
    format!("ETCDCTL_API=2 etcdctl role grant ROLE --path {key} --read")
}

#[derive(Deserialize)]
struct Found {
    node: Node,
}

#[derive(Deserialize)]
struct Change {
    action: String,
    node: Node,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "errorCode")]
    code: u32,
    #[serde(default)]
    message: String,
    #[serde(default)]
    cause: String,
    #[serde(default)]
    index: i64,
}

const COMPARE_FAILED: u32 = 101;
const EXISTS: u32 = 105;
/// In characters.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Response<Bytes> {
        let known = Response::builder().header("X-Etcd-Index", "9").header("X-Etcd-Cluster-Id", "cdf818194e3a8c32");
        known.status(status).body(Bytes::from(body)).unwrap()
    }

    const HELD: &str = r#"{"action":"get","node":{"key":"/service/pg/leader","value":"pg1",
        "expiration":"2026-11-26T12:00:30Z","ttl":30,"modifiedIndex":7,"createdIndex":5}}"#;

    #[test]
    fn a_ttl_is_rounded_up_and_missing_when_it_is_over() {
        let page = Page::parse(&answer(200, HELD)).unwrap();
        let node = page.node.unwrap();
        assert_eq!((page.index, page.cluster, &*node.value, node.modified), (9, 0xcdf8_1819_4e3a_8c32, "pg1", 7));
        assert_eq!(node.left(), Some(Duration::from_secs(29)));
        let over = r#"{"node":{"value":"pg1","expiration":"2026-11-26T12:00:00Z","modifiedIndex":7}}"#;
        assert_eq!(Page::parse(&answer(200, over)).unwrap().node.unwrap().left(), Some(Duration::ZERO));
        let free = r#"{"node":{"value":"pg1","modifiedIndex":7}}"#;
        assert_eq!(Page::parse(&answer(200, free)).unwrap().node.unwrap().left(), None);
    }

    #[test]
    fn an_absent_key_is_no_refusal_and_a_missing_api_is_one() {
        let absent = r#"{"errorCode":100,"message":"Key not found","cause":"/service","index":9}"#;
        assert_eq!(Page::parse(&answer(404, absent)).unwrap().node, None);
        let refusal = |status, body| Page::parse(&answer(status, body)).unwrap_err();
        assert_eq!(refusal(404, "404 page not found\n"), Refusal::NoApi(StatusCode::NOT_FOUND));
        assert_eq!(refusal(200, "<html>"), Refusal::NoApi(StatusCode::OK));
        assert_eq!(refusal(401, r#"{"message":"Insufficient credentials"}"#), Refusal::Forbidden);
        let election = r#"{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out"}"#;
        assert!(matches!(refusal(500, election), Refusal::NotNow(why) if why.contains("request timed out")));
        assert!(matches!(refusal(503, ""), Refusal::NotNow(_)));
        let failure = Refusal::NoApi(StatusCode::NOT_FOUND).failure("/a", false);
        assert!(failure.to_string().ends_with("set dcs-type: etcd for the v3 API, or start etcd with --enable-v2"));
    }

    #[test]
    fn events_say_who_holds_the_key_or_that_it_is_gone() {
        let event = |body: &str| Event::parse(StatusCode::OK, body.as_bytes()).unwrap();
        let renewed = r#"{"action":"compareAndSwap","node":{"value":"pg1","modifiedIndex":8},"prevNode":{}}"#;
        assert_eq!(event(renewed), Event { modified: 8, value: Some("pg1".into()) });
        for action in ["expire", "delete", "compareAndDelete"] {
            let body = format!(r#"{{"action":"{action}","node":{{"key":"/a","modifiedIndex":9}}}}"#);
            assert_eq!(event(&body), Event { modified: 9, value: None });
        }
        let cleared =
            br#"{"errorCode":401,"message":"The event in requested index is outdated and cleared","index":9}"#;
        assert_eq!(Event::parse(StatusCode::BAD_REQUEST, cleared), Err(Refusal::Cleared));
    }

    #[test]
    fn a_change_is_done_or_finds_another_key_or_none() {
        let written = |status, body| Written::parse(&answer(status, body));
        let done = r#"{"action":"create","node":{"key":"/a","value":"x","modifiedIndex":12,"createdIndex":12}}"#;
        assert_eq!(written(201, done), Ok(Written::Done { modified: 12 }));
        let differs = r#"{"errorCode":101,"message":"Compare failed","cause":"[7 != 8]","index":9}"#;
        assert_eq!(written(412, differs), Ok(Written::Differs));
        let exists = r#"{"errorCode":105,"message":"Key already exists","cause":"/a","index":9}"#;
        assert_eq!(written(412, exists), Ok(Written::Differs));
        let absent = r#"{"errorCode":100,"message":"Key not found","cause":"/a","index":9}"#;
        assert_eq!(written(404, absent), Ok(Written::Absent));
        assert_eq!(written(401, r#"{"message":"Insufficient credentials"}"#), Err(Refusal::Forbidden));
        assert!(matches!(written(503, ""), Err(Refusal::NotNow(_))));
        assert!(matches!(written(200, "<html>"), Err(Refusal::NoApi(_))));
    }
}
