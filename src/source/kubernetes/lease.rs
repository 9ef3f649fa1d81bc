//! A claim as an object of Kubernetes: a Lease of `coordination.k8s.io/v1`, as what is read and what is written.
//!
//! The holder is the host; how the claim of one boot and process is told from another is in an annotation. A claim that
//! is given up stays as a Lease without a holder: so a request that is carried out late finds another version, and no
//! right to delete is needed. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::object::{Malformed, version};
use super::path::ObjectPath;
use crate::source::claim::{Answer, Token};
use crate::time::WallTime;

/// A Lease as it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The resourceVersion and the uid.
    pub token: Token,
    /// Nobody if it was given up.
    holder: Option<String>,
    /// How long others wait after a change.
    duration: Option<Duration>,
    /// What this program writes about the holder.
    value: Option<String>,
}

/// What a Lease is written with.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    pub host: &'a str,
    pub value: &'a str,
    pub ttl: Duration,
    /// For people: nobody compares it. But without any change the API server does not write, and the version stays.
    pub renewed: WallTime,
}

/// Reads a Lease.
pub fn lease(bytes: &[u8]) -> Result<Lease, Malformed> {
    let Raw { metadata, spec } = serde_json::from_slice(bytes)?;
    let token = Token { version: version(&metadata.resource_version)?, session: metadata.uid.into() };
    let value = metadata.annotations.unwrap_or_default().claim;
    let Spec { holder, duration } = spec.unwrap_or_default();
    let duration = duration.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    Ok(Lease { token, holder: holder.filter(|holder| !holder.is_empty()), duration, value })
}

impl Lease {
    /// Whether nobody holds it.
    pub const fn is_free(&self) -> bool {
        self.holder.is_none()
    }

    /// What it says to whoever asks for the claim.
    pub fn answer(self) -> Answer {
        let Some(holder) = self.holder else { return Answer::Absent };
        let by_hand = Answer::present(self.token.clone(), holder.as_bytes(), self.duration);
        let Some(value) = self.value else { return by_hand };
        match Answer::present(self.token, value.as_bytes(), self.duration) {
            // The holder was changed by something that does not know the annotation.
            Answer::Present { owner: Some(owner), .. } if *owner.host != *holder => by_hand,
            answer => answer,
        }
    }
}

/// The text of a Lease: a new one, or one that replaces what the token identifies. Without a holder it is given up.
pub fn written(path: &ObjectPath, before: Option<&Token>, holder: Option<&Holder<'_>>) -> String {
    let mut metadata = json!({"name": path.name(), "namespace": path.namespace()});
    if let Some(token) = before {
        metadata["resourceVersion"] = json!(token.version.to_string());
        // Without it a request that is late would create the object again.
        metadata["uid"] = json!(&*token.session);
    }
    let mut spec = json!({});
    if let Some(Holder { host, value, ttl, renewed }) = holder {
        metadata["annotations"] = json!({ANNOTATION: value});
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        // Exactly six digits are expected.
        let renewed = renewed.to_string().replace('Z', "000Z");
        spec = json!({"holderIdentity": host, "leaseDurationSeconds": seconds, "renewTime": renewed});
    }
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}).to_string()
}

/// The annotation that says which boot and process of the holder it was.
const ANNOTATION: &str = "vip-manager/claim";

#[derive(Deserialize)]
struct Raw {
    metadata: Metadata,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    annotations: Option<Annotations>,
}

#[derive(Deserialize, Default)]
struct Annotations {
    #[serde(rename = "vip-manager/claim")]
    claim: Option<String>,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(rename = "holderIdentity")]
    holder: Option<String>,
    #[serde(rename = "leaseDurationSeconds")]
    duration: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::claim::Owner;

    const TTL: Duration = Duration::from_millis(9_500);

    fn path() -> ObjectPath {
        ObjectPath::parse("pg/leases/main-vip-10-0-0-5").unwrap()
    }

    fn token() -> Token {
        Token { version: 41, session: "6a4c".into() }
    }

    fn held(host: &str, value: &str) -> String {
        let renewed = WallTime::parse("2026-11-26T12:00:05.123Z").unwrap();
        written(&path(), Some(&token()), Some(&Holder { host, value, ttl: TTL, renewed }))
    }

    #[test]
    fn what_is_written_is_read_again_and_lasts_at_least_as_long_as_it_is_held() {
        let owner = Owner { host: "pg1".into(), boot: "b1".into() };
        let value = owner.value("4711", "2026-11-26T12:00:00Z");
        let text = held("pg1", &value);
        assert!(text.contains(r#""renewTime":"2026-11-26T12:00:05.123000Z""#), "{text}");
        let read = lease(text.as_bytes()).unwrap();
        assert!(!read.is_free());
        let at_most = Some(Duration::from_secs(10));
        assert_eq!(read.answer(), Answer::Present { token: token(), owner: Some(owner), by: "pg1".into(), at_most });
    }

    #[test]
    fn a_new_one_has_no_version_and_one_that_is_given_up_has_no_holder() {
        let holder = Holder { host: "pg1", value: "v", ttl: TTL, renewed: WallTime::default() };
        let new = written(&path(), None, Some(&holder));
        assert!(!new.contains("resourceVersion") && !new.contains("uid"), "{new}");
        assert!(lease(new.as_bytes()).is_err(), "no answer lacks its version");
        let free = written(&path(), Some(&token()), None);
        let free = lease(free.as_bytes()).unwrap();
        assert_eq!((free.is_free(), free.answer()), (true, Answer::Absent));
        let emptied = held("", "v");
        assert!(lease(emptied.as_bytes()).unwrap().is_free());
    }

    #[test]
    fn a_lease_of_somebody_else_has_no_owner_that_is_known() {
        let value = Owner { host: "pg1".into(), boot: "b1".into() }.value("4711", "now");
        let by = |text: &str| match lease(text.as_bytes()).unwrap().answer() {
            Answer::Present { owner, by, at_most, .. } => (owner, by.to_string(), at_most),
            other => panic!("{other:?}"),
        };
        let ten = Some(Duration::from_secs(10));
        assert_eq!(
            by(&held("somebody", &value)),
            (None, "somebody".to_owned(), ten),
            "an annotation that is out of date"
        );
        let plain = r#"{"metadata":{"uid":"u","resourceVersion":"7"},"spec":{"holderIdentity":"x"}}"#;
        assert_eq!(by(plain), (None, "x".to_owned(), None));
        let odd = plain.replace("\"x\"", "\"x\",\"leaseDurationSeconds\":-5");
        assert_eq!(by(&odd), (None, "x".to_owned(), None));
    }

    #[test]
    fn what_is_no_lease_is_refused() {
        for text in ["", "{}", "[]", r#"{"metadata":{}}"#, r#"{"metadata":{"resourceVersion":"0"},"spec":{}}"#] {
            assert!(lease(text.as_bytes()).is_err(), "{text}");
        }
    }
}
