//! What Consul's answers say. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::source::client::Failure;
use crate::source::http::login_refused;
use crate::text::{brief, one_line};

/// The answer about a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// What a blocking query waits to see changed. At least 1: with 0 it would not wait.
    pub index: i64,
    pub entry: Option<Entry>,
}

/// A key that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub value: Vec<u8>,
    /// The session that holds it.
    pub session: Option<String>,
    /// The index of its last change.
    pub modified: i64,
}

/// Why an answer does not say what was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// An election, no quorum, a server that was cut off.
    NotNow(String),
    /// The token may not do that.
    Forbidden,
    /// Consul does not know the token.
    UnknownToken,
    NotConsul(StatusCode),
    Other(StatusCode, String),
}

impl Page {
    /// Whether the key is there, and the index of its last change.
    pub(super) fn modified(&self) -> Option<i64> {
        self.entry.as_ref().map(|entry| entry.modified)
    }

    pub fn parse(answer: &Response<Bytes>) -> Result<Self, Refusal> {
        let not_found = answer.status() == StatusCode::NOT_FOUND;
        if !not_found {
            check(answer)?;
        }
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let Some(index) = header("x-consul-index").and_then(|index| index.parse::<i64>().ok()) else {
            return Err(Refusal::NotConsul(answer.status()));
        };
        if header("x-consul-knownleader") == Some("false") {
            return Err(Refusal::NotNow("it knows no leader of the Consul cluster".to_owned()));
        }
        let entry = if not_found { None } else { Some(Entry::parse(answer)?) };
        Ok(Self { index: index.max(1), entry })
    }
}

impl Entry {
    fn parse(answer: &Response<Bytes>) -> Result<Self, Refusal> {
        let [entry]: [Row; 1] = json(answer)?;
        let value = STANDARD.decode(entry.value.unwrap_or_default());
        let value = value.map_err(|_| Refusal::NotConsul(answer.status()))?;
        Ok(Self { value, session: entry.session.filter(|id| !id.is_empty()), modified: entry.modified })
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "Value")]
    value: Option<String>,
    #[serde(rename = "Session")]
    session: Option<String>,
    #[serde(rename = "ModifyIndex")]
    modified: i64,
}

/// The JSON of an answer that is no refusal.
pub(super) fn json<T: DeserializeOwned>(answer: &Response<Bytes>) -> Result<T, Refusal> {
    check(answer)?;
    serde_json::from_slice(answer.body()).map_err(|_| Refusal::NotConsul(answer.status()))
}

fn check(answer: &Response<Bytes>) -> Result<(), Refusal> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let text = one_line(String::from_utf8_lossy(answer.body()).trim());
    let text = brief(&text, LONGEST);
    Err(match status {
        StatusCode::FORBIDDEN if text.contains("ACL not found") => Refusal::UnknownToken,
        StatusCode::FORBIDDEN => Refusal::Forbidden,
        _ if text.contains("ACL not found") => Refusal::UnknownToken,
        _ if text.contains("Permission denied") => Refusal::Forbidden,
        StatusCode::TOO_MANY_REQUESTS => Refusal::NotNow(text),
        _ if status.is_server_error() => Refusal::NotNow(text),
        _ => Refusal::Other(status, text),
    })
}

impl Refusal {
    /// Why a key could not be read. `token` is whether one was sent.
    pub(super) fn failure(self, key: &str, token: bool) -> Failure {
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
            Self::Forbidden if token => {
                let cure = format!("add this rule to its policy: {}", rule(key));
                login_refused(format!("Consul does not let this token read {key}"), cure)
            }
            Self::Forbidden => {
                let cure = format!("set consul-token, with this rule in its policy: {}", rule(key));
                login_refused(format!("Consul does not let anybody without a token read {key}"), cure)
            }
            Self::UnknownToken => login_refused(
                "Consul does not know the token (ACL not found)".to_owned(),
                "set consul-token to the secret id of a token that exists (consul acl token list)".to_owned(),
            ),
            Self::NotConsul(status) => about(
                "refused",
                format!("it does not answer as Consul does (status {})", status.as_u16()),
                Some("check dcs-endpoints; the HTTP port of Consul is usually 8500"),
            ),
            Self::Other(status, text) => {
                about("refused", format!("Consul refuses the request: {} {text}", status.as_u16()), None)
            }
        }
    }
}

/// The rule that lets a token read a key.
pub(super) fn rule(key: &str) -> String {
    format!("key \"{key}\" {{ policy = \"read\" }}")
}

/// In characters.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, index: &str, body: &'static str) -> Response<Bytes> {
        let known =
            if index.is_empty() { Response::builder() } else { Response::builder().header("X-Consul-Index", index) };
        known.status(status).body(Bytes::from(body)).unwrap()
    }

    const HELD: &str = r#"[{"LockIndex":1,"Key":"service/pg/leader","Flags":0,"Value":"cGcx",
        "Session":"5c3d","CreateIndex":18,"ModifyIndex":20}]"#;

    #[test]
    fn a_key_is_held_or_free_or_absent() {
        let page = Page::parse(&answer(200, "20", HELD)).unwrap();
        let entry = Entry { value: b"pg1".to_vec(), session: Some("5c3d".into()), modified: 20 };
        assert_eq!(page, Page { index: 20, entry: Some(entry) });
        let free = r#"[{"Value":null,"CreateIndex":1,"ModifyIndex":3}]"#;
        let entry = Entry { value: Vec::new(), session: None, modified: 3 };
        assert_eq!(Page::parse(&answer(200, "3", free)).unwrap().entry, Some(entry));
        assert_eq!(Page::parse(&answer(404, "31", "")).unwrap(), Page { index: 31, entry: None });
        assert_eq!(Page::parse(&answer(404, "0", "")).unwrap().index, 1, "an index of 0 would not wait");
    }

    #[test]
    fn what_does_not_come_from_consul_or_from_one_without_a_leader_is_not_believed() {
        for (answer, status) in [
            (answer(404, "", "404 page not found"), 404),
            (answer(200, "7", "<html>"), 200),
            (answer(200, "7", "[]"), 200),
            (answer(200, "7", r#"[{"Value":"***","ModifyIndex":1}]"#), 200),
        ] {
            assert_eq!(Page::parse(&answer).unwrap_err(), Refusal::NotConsul(StatusCode::from_u16(status).unwrap()));
        }
        let mut alone = answer(200, "20", HELD);
        alone.headers_mut().insert("x-consul-knownleader", "false".parse().unwrap());
        assert!(matches!(Page::parse(&alone), Err(Refusal::NotNow(_))));
        assert!(matches!(Page::parse(&answer(500, "", "No cluster leader")), Err(Refusal::NotNow(_))));
    }

    #[test]
    fn a_refusal_names_the_rule_that_lacks() {
        let told = |status, body, token| {
            let refusal = Page::parse(&answer(status, "", body)).unwrap_err();
            refusal.failure("service/pg/leader", token).to_string()
        };
        assert_eq!(
            told(403, "Permission denied", true),
            "Consul does not let this token read service/pg/leader; add this rule to its policy: \
             key \"service/pg/leader\" { policy = \"read\" }"
        );
        assert!(told(403, "Permission denied", false).contains("set consul-token, with this rule"));
        assert!(told(403, "ACL not found", true).starts_with("Consul does not know the token"));
        assert!(told(403, "rpc error making call: ACL not found", true).starts_with("Consul does not know the token"));
        assert_eq!(
            told(400, "Invalid query parameter: \"ns\"", true),
            "Consul refuses the request: 400 Invalid query parameter: \"ns\""
        );
    }
}
