//! What is written under the key of a claim: JSON that names the host, and more for people. Pure.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::claim::{Answer, Owner, Token};
use crate::text;

#[derive(Serialize)]
struct Written<'a> {
    host: &'a str,
    boot: &'a str,
    instance: &'a str,
    since: &'a str,
}

impl Owner {
    /// What this owner writes: the instance is one of its processes, `since` is when that began.
    pub fn value(&self, instance: &str, since: &str) -> String {
        text::json(&Written { host: &self.host, boot: &self.boot, instance, since })
    }

    /// The owner by the value of a claim, if it is of this program.
    fn of(value: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(value).ok()?;
        let text = |name| value.get(name).and_then(Value::as_str).map(Arc::from);
        Some(Self { host: text("host")?, boot: text("boot")? })
    }
}

impl Answer {
    /// There is a claim with this value, which may be anything.
    pub fn present(token: Token, value: &[u8], at_most: Option<Duration>) -> Self {
        let owner = Owner::of(value);
        let by =
            owner.as_ref().map_or_else(|| String::from_utf8_lossy(value).into_owned(), |owner| owner.host.to_string());
        Self::Present { token, owner, by: text::brief(&by, LONGEST).into(), at_most }
    }
}

/// Characters of another host's name that are kept.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn present(value: &[u8]) -> (Option<Owner>, String) {
        let token = Token { version: 3, session: "7".into() };
        let Answer::Present { owner, by, .. } = Answer::present(token, value, None) else { panic!("it is present") };
        (owner, by.to_string())
    }

    #[test]
    fn a_value_names_its_owner_and_one_of_somebody_else_is_shown_in_part() {
        let owner = Owner { host: "pg\u{1}1".into(), boot: "b1".into() };
        let value = owner.value("4711", "2026-11-26T19:00:00Z");
        assert!(!value.contains('\u{1}'));
        assert_eq!(present(value.as_bytes()), (Some(owner), "pg\u{1}1".to_owned()));
        assert_eq!(present(b"by hand"), (None, "by hand".to_owned()));
        assert_eq!(present(b"{\"host\":\"pg1\"}").0, None, "of which boot?");
        assert_eq!(present(&[0xff; 5_000]).1.chars().count(), 65);
    }
}
