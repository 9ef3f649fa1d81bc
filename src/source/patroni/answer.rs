//! The answers of Patroni's REST API, parsed. Pure.

use std::time::Duration;

use serde_json::Value;

/// The answer to a health check such as `GET /leader`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of Patroni's answer")]
pub struct Answer {
    /// The HTTP status: 200 or 503 say whether the check is true.
    pub status: u16,
    /// Whether the body is Patroni's.
    pub complete: bool,
    /// The member's name.
    pub name: Option<String>,
    /// Of PostgreSQL: master, primary, replica, standby_leader…
    pub role: Option<String>,
    /// Patroni's version.
    pub version: Option<String>,
    /// The cluster is in maintenance mode.
    pub paused: bool,
    /// Patroni sees no leader's lock, or no cluster.
    pub unlocked: bool,
    /// The store is gone, and the leader goes on since all members agree.
    pub failsafe: bool,
    /// When Patroni last read from its store, in whole seconds of its wall clock.
    pub dcs_last_seen: Option<i64>,
}

impl Answer {
    /// Takes what it finds: releases of Patroni differ.
    pub fn parse(status: u16, body: &[u8]) -> Self {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return Self { status, ..Self::default() } };
        let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let patroni = body.get("patroni");
        Self {
            status,
            complete: body.contains_key("state") && body.contains_key("role"),
            name: text(patroni.and_then(|patroni| patroni.get("name"))),
            role: text(body.get("role")),
            version: text(patroni.and_then(|patroni| patroni.get("version"))),
            paused: flag("pause"),
            unlocked: flag("cluster_unlocked"),
            failsafe: flag("failsafe_mode_is_active"),
            dcs_last_seen: body.get("dcs_last_seen").and_then(Value::as_i64),
        }
    }
}

/// The settings of a Patroni cluster that bound a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// How long the leader's lock lasts without a renewal.
    pub ttl: Duration,
    /// The time between two rounds of Patroni's loop, in each of which the leader renews its lock.
    pub loop_wait: Duration,
    /// How long Patroni repeats a request that fails.
    pub retry_timeout: Duration,
}

impl Timing {
    /// Patroni's own, which hold where its configuration says nothing.
    pub const DEFAULT: Self = Self {
        ttl: Duration::from_secs(30),
        loop_wait: Duration::from_secs(10),
        retry_timeout: Duration::from_secs(10),
    };

    /// The body of `GET /config`; nothing if it is none.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return None };
        let seconds = |name: &str, default: Duration| match body.get(name) {
            None | Some(Value::Null) => Some(default),
            Some(Value::String(text)) => text.trim().parse().ok().map(Duration::from_secs),
            Some(value) => value.as_u64().map(Duration::from_secs),
        };
        Some(Self {
            ttl: seconds("ttl", Self::DEFAULT.ttl)?.min(LONGEST),
            loop_wait: seconds("loop_wait", Self::DEFAULT.loop_wait)?.min(LONGEST),
            retry_timeout: seconds("retry_timeout", Self::DEFAULT.retry_timeout)?.min(LONGEST),
        })
    }

    /// What is left of the lock at least while Patroni's loop runs: the last renewal is no older than a round, and one slow
    /// call to the store may be under way.
    pub fn left(self) -> Duration {
        self.ttl.saturating_sub(self.silence())
    }

    /// A loop that runs has read from its store within this time.
    pub fn silence(self) -> Duration {
        self.loop_wait + self.retry_timeout
    }
}

/// Longer settings mean nothing more.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    /// As Patroni 4.1.5 answers.
    const LEADER: &str = r#"{"state": "running", "postmaster_start_time": "2024-05-06 07:08:09.123456+00:00",
        "role": "master", "server_version": 150006, "xlog": {"location": 67420160}, "timeline": 1,
        "replication": [{"usename": "replicator", "application_name": "db2", "client_addr": "10.66.0.2",
        "state": "streaming", "sync_state": "async", "sync_priority": 0}], "dcs_last_seen": 1714980000,
        "database_system_identifier": "7365", "patroni": {"version": "4.1.5", "scope": "pg_cluster", "name": "db1"}}"#;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = Answer::parse(200, LEADER.as_bytes());
        let expected = Answer {
            status: 200,
            complete: true,
            name: Some("db1".into()),
            role: Some("master".into()),
            version: Some("4.1.5".into()),
            dcs_last_seen: Some(1_714_980_000),
            ..Answer::default()
        };
        assert_eq!(answer, expected);
        let body = r#"{"state": "running", "role": "primary", "pause": true, "cluster_unlocked": true,
            "failsafe_mode_is_active": true, "dcs_last_seen": 0}"#;
        let answer = Answer::parse(200, body.as_bytes());
        assert_eq!((answer.paused, answer.unlocked, answer.failsafe, answer.name), (true, true, true, None));
    }

    #[test]
    fn what_is_not_patronis_is_not_complete() {
        for body in ["", "OK", "[]", "{}", r#"{"role": "master"}"#, "{\"state\": ", r#""state role""#] {
            let answer = Answer::parse(200, body.as_bytes());
            assert!(!answer.complete && answer.status == 200, "{body}");
        }
        let odd = r#"{"state": 1, "role": ["x"], "dcs_last_seen": "soon", "pause": "yes", "patroni": 3}"#;
        let answer = Answer::parse(503, odd.as_bytes());
        assert_eq!((answer.role, answer.name, answer.dcs_last_seen, answer.paused), (None, None, None, false));
        assert!(!Answer::parse(200, &[0xff; 100]).complete);
    }

    #[test]
    fn the_timing_comes_from_the_configuration_and_else_from_patronis_defaults() {
        let timing = |body: &str| Timing::parse(body.as_bytes()).map(|it| [it.ttl, it.loop_wait, it.retry_timeout]);
        let seconds = |all: [u64; 3]| Some(all.map(Duration::from_secs));
        assert_eq!(timing(r#"{"ttl": 20, "loop_wait": 5, "retry_timeout": 4, "maximum_lag": 1}"#), seconds([20, 5, 4]));
        assert_eq!(timing(r#"{"ttl": "20", "loop_wait": null}"#), seconds([20, 10, 10]));
        assert_eq!(timing("{}"), seconds([30, 10, 10]));
        assert_eq!(timing(r#"{"ttl": 18446744073709551615}"#), seconds([86_400, 10, 10]));
        for broken in ["", "[]", "<html>", r#"{"ttl": -1}"#, r#"{"ttl": "soon"}"#, r#"{"ttl": {}}"#, r#"{"ttl": 2.5}"#]
        {
            assert_eq!(timing(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_is_left_is_the_lock_less_a_round_and_a_slow_call() {
        assert_eq!(Timing::DEFAULT.left(), Duration::from_secs(10));
        assert_eq!(Timing { ttl: Duration::from_secs(5), ..Timing::DEFAULT }.left(), Duration::ZERO);
    }
}
