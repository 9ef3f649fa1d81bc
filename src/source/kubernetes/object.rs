//! What an API server says of one object: the answer to a list, the lines of a watch, and errors.
//!
//! Only the metadata is looked at, and of that only what Patroni's record of the leader needs. Unknown fields, such as
//! `managedFields`, are skipped. The caller bounds the size of what is read.

use serde::Deserialize;

use super::record::Record;

/// Why a text is not what an API server says.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("the answer is not what a Kubernetes API server says ({0})")]
    Json(#[from] serde_json::Error),
    #[error("the answer has no usable resourceVersion")]
    Version,
}

/// The answer to a list of one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// The version of the whole store that the list shows.
    pub version: i64,
    /// Nothing if the object does not exist.
    pub object: Option<Object>,
}

/// An object that Patroni keeps its leader in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// What tells it from an earlier object of the same name.
    pub uid: String,
    /// The version of its last change.
    pub version: i64,
    pub record: Record,
}

/// A line of a watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    Changed(Object),
    Deleted {
        version: i64,
    },
    /// Nothing changed up to this version.
    Bookmark {
        version: i64,
    },
    Error(Refusal),
    /// It is about another object, or of a kind that is not known.
    Other,
}

/// What an API server says where it refuses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Refusal {
    /// The status code of HTTP that goes with it, whatever the answer's own is.
    pub code: u16,
    pub reason: String,
    pub message: String,
}

impl Refusal {
    /// Whether the version that was asked for has been forgotten. It comes as a line of an answer with status 200.
    pub const fn is_expired(&self) -> bool {
        self.code == 410
    }
}

/// Reads the answer to a list of the object of this name.
pub fn listing(bytes: &[u8], name: &str) -> Result<Listing, Malformed> {
    let list: List = serde_json::from_slice(bytes)?;
    let version = version(&list.metadata.resource_version)?;
    let named = list.items.into_iter().flatten().find(|item| item.metadata.name == name);
    Ok(Listing { version, object: named.map(|item| object(item.metadata)).transpose()? })
}

/// An object of a longer list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    pub name: String,
    pub record: Record,
    /// Whether Patroni keeps the state of a member there.
    pub is_member: bool,
}

/// All objects of a list.
pub fn summaries(bytes: &[u8]) -> Result<Vec<Summary>, Malformed> {
    let list: List = serde_json::from_slice(bytes)?;
    let summary = |Item { metadata: Metadata { name, annotations, .. } }| {
        let Annotations { status, record } = annotations.unwrap_or_default();
        Summary { name, record, is_member: status.is_some_and(|status| status.contains("conn_url")) }
    };
    Ok(list.items.into_iter().flatten().map(summary).collect())
}

/// Reads a line of a watch of the object of this name.
pub fn line(bytes: &[u8], name: &str) -> Result<Line, Malformed> {
    let RawLine { kind, object: raw } = serde_json::from_slice(bytes)?;
    let of_another = raw.metadata.name != name;
    match &*kind {
        "ERROR" => Ok(Line::Error(refusal_of(raw))),
        "BOOKMARK" => Ok(Line::Bookmark { version: version(&raw.metadata.resource_version)? }),
        "ADDED" | "MODIFIED" | "DELETED" if of_another => Ok(Line::Other),
        "ADDED" | "MODIFIED" => Ok(Line::Changed(object(raw.metadata)?)),
        "DELETED" => Ok(Line::Deleted { version: version(&raw.metadata.resource_version)? }),
        _ => Ok(Line::Other),
    }
}

/// Reads the body of an answer with an error, as far as it can be understood.
pub fn refusal(bytes: &[u8]) -> Refusal {
    serde_json::from_slice(bytes).map(refusal_of).unwrap_or_default()
}

fn refusal_of(raw: Body) -> Refusal {
    let Body { code, reason, message, .. } = raw;
    Refusal { code: code.unwrap_or(0), reason: reason.unwrap_or_default(), message: message.unwrap_or_default() }
}

fn object(raw: Metadata) -> Result<Object, Malformed> {
    let version = version(&raw.resource_version)?;
    Ok(Object { uid: raw.uid, version, record: raw.annotations.unwrap_or_default().record })
}

/// Versions are opaque by contract, and revisions of etcd in fact. Patroni compares them as numbers, too.
pub(super) fn version(text: &str) -> Result<i64, Malformed> {
    text.parse().ok().filter(|&version| version > 0).ok_or(Malformed::Version)
}

#[derive(Deserialize)]
struct List {
    metadata: Metadata,
    #[serde(default)]
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct RawLine {
    #[serde(rename = "type")]
    kind: String,
    object: Body,
}

/// An object, or the status that stands in its place.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    metadata: Metadata,
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: String,
    uid: String,
    resource_version: String,
    annotations: Option<Annotations>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations {
    /// Of a pod: what Patroni says of the member.
    status: Option<String>,
    #[serde(flatten)]
    record: Record,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As kube-apiserver 1.20 answers after Patroni 4.1 wrote.
    const LIST: &str = r#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{
        "selfLink":"/api/v1/namespaces/default/configmaps","resourceVersion":"317"},"items":[{"metadata":{
        "name":"pg-leader","namespace":"default","uid":"6a4c","resourceVersion":"311",
        "creationTimestamp":"2026-11-26T12:00:00Z","labels":{"application":"patroni"},"annotations":{
        "acquireTime":"2026-11-26T12:00:00.000001+00:00","leader":"pg1","optime":"50331648",
        "renewTime":"2026-11-26T12:00:05.123456+00:00","transitions":"0","ttl":"20"},
        "managedFields":[{"manager":"Patroni/4.1.5","operation":"Update","fieldsV1":{"f:metadata":{}}}]}}]}"#;

    fn record() -> Record {
        Record {
            leader: Some("pg1".into()),
            ttl: Some("20".into()),
            renew_time: Some("2026-11-26T12:00:05.123456+00:00".into()),
            acquire_time: Some("2026-11-26T12:00:00.000001+00:00".into()),
            transitions: Some("0".into()),
        }
    }

    #[test]
    fn a_list_has_the_version_of_the_store_and_the_record() {
        let object = Some(Object { uid: "6a4c".into(), version: 311, record: record() });
        assert_eq!(listing(LIST.as_bytes(), "pg-leader").unwrap(), Listing { version: 317, object });
        assert_eq!(listing(LIST.as_bytes(), "pg2-leader").unwrap(), Listing { version: 317, object: None });
        let expected = Summary { name: "pg-leader".into(), record: record(), is_member: false };
        assert_eq!(summaries(LIST.as_bytes()).unwrap(), [expected]);
        let pod = r#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"pg1","annotations":{
            "status":"{\"conn_url\":\"postgres://10.0.0.1:5432/postgres\"}"}}}]}"#;
        assert!(summaries(pod.as_bytes()).unwrap()[0].is_member);
    }

    #[test]
    fn an_empty_list_comes_with_or_without_its_items() {
        for items in ["", r#","items":null"#, r#","items":[]"#] {
            let list = format!(r#"{{"metadata":{{"resourceVersion":"7"}}{items}}}"#);
            assert_eq!(listing(list.as_bytes(), "x").unwrap(), Listing { version: 7, object: None });
        }
    }

    #[test]
    fn what_has_no_version_is_refused() {
        for list in [
            "",
            "[]",
            "{}",
            r#"{"metadata":{}}"#,
            r#"{"metadata":{"resourceVersion":"0"}}"#,
            r#"{"metadata":{"resourceVersion":"-4"}}"#,
            r#"{"metadata":{"resourceVersion":"abc"}}"#,
            r#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"x"}}]}"#,
            r#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"x","resourceVersion":"99999999999999999999"}}]}"#,
        ] {
            assert!(listing(list.as_bytes(), "x").is_err(), "{list}");
        }
        assert!(listing(&[b'['; 4096], "x").is_err(), "nested deeper than any answer");
    }

    #[test]
    fn the_lines_of_a_watch_say_what_happened() {
        let said = |kind: &str, object: &str| {
            line(format!(r#"{{"type":"{kind}","object":{object}}}"#).as_bytes(), "x").unwrap()
        };
        let present = r#"{"metadata":{"name":"x","uid":"u","resourceVersion":"9","annotations":{"leader":"a"}}}"#;
        let record = Record { leader: Some("a".into()), ..Record::default() };
        let changed = Line::Changed(Object { uid: "u".into(), version: 9, record });
        assert_eq!((said("ADDED", present), said("MODIFIED", present)), (changed.clone(), changed));
        assert_eq!(said("DELETED", present), Line::Deleted { version: 9 });
        assert_eq!(said("MODIFIED", &present.replace("\"x\"", "\"y\"")), Line::Other);
        assert_eq!(said("SOMETHING", present), Line::Other);
        let bookmark =
            r#"{"kind":"PartialObjectMetadata","metadata":{"resourceVersion":"12","creationTimestamp":null}}"#;
        assert_eq!(said("BOOKMARK", bookmark), Line::Bookmark { version: 12 });
        let expired = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
            "message":"too old resource version: 1 (317)","reason":"Expired","code":410}"#;
        let Line::Error(refusal) = said("ERROR", expired) else { panic!() };
        assert!(refusal.is_expired());
        assert_eq!((&*refusal.reason, &*refusal.message), ("Expired", "too old resource version: 1 (317)"));
        for broken in ["", "{", r#"{"type":"ADDED"}"#, r#"{"type":"ADDED","object":{"metadata":{"name":"x"}}}"#] {
            assert!(line(broken.as_bytes(), "x").is_err(), "{broken}");
        }
    }

    #[test]
    fn an_error_that_cannot_be_understood_says_nothing() {
        assert_eq!(refusal(b"<html>"), Refusal::default());
        let said = refusal(br#"{"kind":"Status","message":"Unauthorized","reason":"Unauthorized","code":401}"#);
        assert_eq!((said.code, &*said.message), (401, "Unauthorized"));
    }
}
