//! How long Patroni's lock is assumed to last. Pure.
//!
//! Consul never tells what a session has left, so this computes it from Patroni's settings: while Patroni renews once per
//! loop and its store is not slow, the last renewal is hardly older than `loop_wait`, and `retry_timeout` is left for one
//! slow call. A session that belongs to a server agent, or has checks, can end much sooner: gossip declares a host failed
//! some five seconds after it was cut off, and its sessions go with it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::keeper::Tenure;
use crate::source::facts::{ConsulBacking as Backing, PatroniSettings as Settings};

/// A session of Patroni.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SessionFacts {
    pub(super) backing: Backing,
    /// The time that its TTL promises: Consul ends it after twice as much, which is what Patroni reckons with.
    pub(super) life: Option<Duration>,
}

/// Patroni's own.
const DEFAULT: Settings = Settings {
    ttl: Duration::from_secs(30),
    loop_wait: Duration::from_secs(10),
    retry_timeout: Duration::from_secs(10),
};

/// The settings from the value of Patroni's key `config`; what is missing there has Patroni's default.
pub(super) fn settings(config: &[u8]) -> Option<Settings> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let seconds = |name: &str, default: Duration| match config.get(name) {
        None | Some(Value::Null) => Some(default),
        Some(Value::Number(number)) => Duration::try_from_secs_f64(number.as_f64()?).ok(),
        Some(Value::String(text)) => Duration::try_from_secs_f64(text.trim().parse().ok()?).ok(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    config.is_object().then_some(())?;
    Some(Settings {
        ttl: seconds("ttl", DEFAULT.ttl)?,
        loop_wait: seconds("loop_wait", DEFAULT.loop_wait)?,
        retry_timeout: seconds("retry_timeout", DEFAULT.retry_timeout)?,
    })
}

/// Where Patroni's settings cannot be read: its defaults, or their proportions where the session lives shorter.
pub(super) fn unknown_settings(life: Option<Duration>) -> Settings {
    let ttl = life.map_or(DEFAULT.ttl, |life| life.min(DEFAULT.ttl));
    Settings { ttl, loop_wait: ttl / 3, retry_timeout: ttl / 3 }
}

/// What the lock has left while Patroni renews it as it should.
fn left(settings: Settings, life: Option<Duration>) -> Duration {
    let ttl = life.map_or(settings.ttl, |life| settings.ttl.min(life));
    ttl.saturating_sub(settings.loop_wait.saturating_add(settings.retry_timeout))
}

/// What a lock with this session has left at least. What is not known yet is taken for the worst.
pub(super) fn tenure(session: Option<&SessionFacts>, settings: Option<Settings>) -> Tenure {
    let life = session.and_then(|session| session.life);
    let left = settings.map_or(FRAGILE, |settings| left(settings, life));
    if session.is_none_or(|session| session.backing.is_fragile()) || settings.is_none() {
        Tenure::Assumed { left: left.min(FRAGILE), margin: FRAGILE_MARGIN }
    } else {
        Tenure::Assumed { left, margin: Duration::MAX }
    }
}

/// What `session/info` says: nothing if there is no such session, or this token may not see it.
pub(super) fn session(answer: &[SessionRow], servers: Option<&[String]>) -> SessionFacts {
    let Some(row) = answer.first() else { return SessionFacts { backing: Backing::Forbidden, life: None } };
    let checks: Vec<String> = row.checks().collect();
    let backing = match servers {
        _ if !checks.is_empty() => Backing::Checks(checks),
        None => Backing::Forbidden,
        Some(servers) if servers.contains(&row.node) => Backing::Server(row.node.clone()),
        Some(_) => Backing::Client,
    };
    SessionFacts { backing, life: ttl(&row.ttl).map(|ttl| ttl * 2) }
}

/// A session as Consul lists it.
#[derive(Debug, Deserialize)]
pub(super) struct SessionRow {
    #[serde(rename = "Node")]
    node: String,
    #[serde(rename = "TTL", default)]
    ttl: String,
    /// Up to Consul 1.6 all checks were here.
    #[serde(rename = "Checks", default)]
    checks: Option<Vec<String>>,
    #[serde(rename = "NodeChecks", default)]
    node_checks: Option<Vec<String>>,
    #[serde(rename = "ServiceChecks", default)]
    service_checks: Option<Vec<ServiceCheck>>,
}

#[derive(Debug, Deserialize)]
struct ServiceCheck {
    #[serde(rename = "ID")]
    id: String,
}

impl SessionRow {
    fn checks(&self) -> impl Iterator<Item = String> {
        let mut all: Vec<String> = self.node_checks.iter().chain(&self.checks).flatten().cloned().collect();
        all.extend(self.service_checks.iter().flatten().map(|check| check.id.clone()));
        all.sort();
        all.dedup();
        all.into_iter()
    }
}

/// A duration as Go writes it: `15s`, `10.5s`, `1m30s`, `500ms`.
fn ttl(text: &str) -> Option<Duration> {
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit = &rest[end..];
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let seconds = match &unit[..length] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = &unit[length..];
    }
    (!text.is_empty()).then_some(total)
}

/// Serf declares a host of a small cluster failed no sooner after it was cut off.
pub(super) const FRAGILE: Duration = Duration::from_millis(4500);
/// The most that lease-margin takes from that.
pub(super) const FRAGILE_MARGIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn on_client(life: Option<u64>) -> SessionFacts {
        SessionFacts { backing: Backing::Client, life: life.map(seconds) }
    }

    fn assumed(tenure: Tenure) -> (Duration, Duration) {
        match tenure {
            Tenure::Assumed { left, margin } => (left, margin),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_settings_of_patroni_decide_on_a_client_agent() {
        let of = |settings, life| assumed(tenure(Some(&on_client(life)), Some(settings))).0;
        assert_eq!(of(DEFAULT, Some(30)), seconds(10));
        assert_eq!(of(DEFAULT, None), seconds(10));
        assert_eq!(of(DEFAULT, Some(20)), Duration::ZERO, "the session ends before Patroni thinks so");
        let quick = settings(br#"{"ttl":20,"loop_wait":5,"retry_timeout":"5"}"#).unwrap();
        assert_eq!(of(quick, Some(20)), seconds(10));
        assert_eq!(of(unknown_settings(Some(seconds(20))), Some(20)).as_millis(), 6_666);
        assert_eq!(of(unknown_settings(None), None), seconds(10));
    }

    #[test]
    fn what_is_fragile_or_not_known_yet_is_bounded_by_gossip() {
        let short = (FRAGILE, FRAGILE_MARGIN);
        for backing in [Backing::Server("db1".into()), Backing::Checks(vec!["serfHealth".into()]), Backing::Forbidden] {
            let session = SessionFacts { backing, life: Some(seconds(30)) };
            assert_eq!(assumed(tenure(Some(&session), Some(DEFAULT))), short);
        }
        assert_eq!(assumed(tenure(None, Some(DEFAULT))), short);
        assert_eq!(assumed(tenure(Some(&on_client(Some(30))), None)), short);
        let hasty = Settings { ttl: seconds(12), loop_wait: seconds(5), retry_timeout: seconds(3) };
        assert_eq!(assumed(tenure(None, Some(hasty))), (seconds(4), FRAGILE_MARGIN));
    }

    #[test]
    fn settings_that_are_missing_have_defaults_and_odd_ones_are_not_believed() {
        assert_eq!(settings(b"{}"), Some(DEFAULT));
        assert_eq!(settings(br#"{"ttl":null}"#), Some(DEFAULT));
        assert_eq!(settings(br#"{"ttl":40}"#).unwrap().ttl, seconds(40));
        for odd in ["", "[]", r#"{"ttl":-1}"#, r#"{"ttl":true}"#, r#"{"loop_wait":"soon"}"#] {
            assert_eq!(settings(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn a_session_is_on_a_client_or_a_server_or_has_checks() {
        let row = |text: &str| serde_json::from_str::<Vec<SessionRow>>(text).unwrap();
        let plain = r#"[{"ID":"5c","Name":"pg-pg1","Node":"db1","LockDelay":1000000,"Behavior":"delete","TTL":"15.0s",
            "NodeChecks":[],"ServiceChecks":null,"CreateIndex":12,"ModifyIndex":12}]"#;
        let servers = ["consul1".to_owned()];
        assert_eq!(session(&row(plain), Some(&servers)), on_client(Some(30)));
        assert_eq!(session(&row(plain), Some(&["db1".to_owned()])).backing, Backing::Server("db1".into()));
        assert_eq!(session(&row(plain), None).backing, Backing::Forbidden);
        assert_eq!(session(&[], Some(&servers)).backing, Backing::Forbidden);
        let checked = r#"[{"Node":"db1","TTL":"15s","NodeChecks":["serfHealth"],"ServiceChecks":[{"ID":"pg"}]}]"#;
        assert_eq!(session(&row(checked), None).backing, Backing::Checks(vec!["pg".into(), "serfHealth".into()]));
        let old = r#"[{"Node":"db1","Checks":["serfHealth"]}]"#;
        assert_eq!(session(&row(old), Some(&servers)).backing, Backing::Checks(vec!["serfHealth".into()]));
    }

    #[test]
    fn durations_of_go_are_read() {
        for (text, millis) in [
            ("15s", 15_000),
            ("10.0s", 10_000),
            ("10.5s", 10_500),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("24h0m0s", 86_400_000),
        ] {
            assert_eq!(ttl(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for odd in ["", "15", "s", "1.2.3s", "15x", "é"] {
            assert_eq!(ttl(odd), None, "{odd}");
        }
    }
}
