//! How long a leader's tenure lasts at least, as Patroni's settings tell.
//!
//! Patroni asks for a session that lasts `ttl` without a packet, and ZooKeeper grants up to a limit of its own, by default
//! 20 ticks. Patroni's client pings at least every `max(loop_wait − 2, 2) / 2` seconds, from a thread of its own. So while
//! Patroni lives and reaches ZooKeeper, its session has at least this left:
//!
//! ```text
//! min(ttl, limit) − max(loop_wait − 2 s, 2 s) / 2 − 1 s
//! ```
//!
//! The second is for a ping that is late. A Patroni that has died, or is cut off, a while before this host is, is not
//! covered: the grade of this promise is "assumed".

use std::time::Duration;

use serde_json::Value;

/// Patroni's settings that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    pub(super) ttl: Duration,
    pub(super) loop_wait: Duration,
}

impl Terms {
    /// What Patroni's own defaults are, where its dynamic configuration is silent or absent.
    pub(super) const DEFAULT: Self = Self { ttl: Duration::from_secs(30), loop_wait: Duration::from_secs(10) };
    /// Where the configuration may not be read: the shortest ttl that Patroni accepts.
    pub(super) const CAUTIOUS: Self = Self { ttl: Duration::from_secs(20), loop_wait: Duration::from_secs(10) };

    /// Reads the znode `config`. What makes no sense is not trusted.
    pub(super) fn parse(config: &[u8]) -> Self {
        let Ok(Value::Object(settings)) = serde_json::from_slice(config) else { return Self::CAUTIOUS };
        let seconds = |name, default| match settings.get(name) {
            None => Some(default),
            // Patroni takes text as well.
            Some(Value::String(text)) => text.trim().parse().ok().map(Duration::from_secs),
            Some(value) => value.as_u64().map(Duration::from_secs),
        };
        let (ttl, loop_wait) = (seconds("ttl", Self::DEFAULT.ttl), seconds("loop_wait", Self::DEFAULT.loop_wait));
        match (ttl, loop_wait) {
            (Some(ttl), Some(loop_wait)) => Self { ttl, loop_wait },
            (Some(_) | None, Some(_) | None) => Self::CAUTIOUS,
        }
    }
}

/// What is left at least of a session that Patroni keeps alive, where no session lasts longer than `longest`.
pub(super) fn left(terms: Terms, longest: Duration) -> Duration {
    let between_pings = terms.loop_wait.saturating_sub(TWO).max(TWO) / 2;
    terms.ttl.min(longest).saturating_sub(between_pings + LATE)
}

/// The znode of Patroni's dynamic configuration, beside the leader key.
pub(super) fn config_path(leader: &str) -> String {
    let scope = leader.rsplit_once('/').map_or("", |(scope, _leader)| scope);
    format!("{scope}/config")
}

const TWO: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_what_is_silent_has_patronis_default() {
        let parse = |text: &str| {
            let Terms { ttl, loop_wait } = Terms::parse(text.as_bytes());
            (ttl.as_secs(), loop_wait.as_secs())
        };
        assert_eq!(parse(r#"{"ttl": 60, "loop_wait": 5, "retry_timeout": 10, "postgresql": {}}"#), (60, 5));
        assert_eq!(parse(r#"{"loop_wait": 7}"#), (30, 7));
        assert_eq!(parse(r#"{"ttl": "40"}"#), (40, 10));
        assert_eq!(parse("{}"), (30, 10));
        for odd in ["", "[]", "null", r#"{"ttl": -1}"#, r#"{"ttl": [1]}"#, r#"{"ttl": 30, "loop_wait": "x"}"#] {
            assert_eq!(parse(odd), (20, 10), "{odd}");
        }
    }

    #[test]
    fn the_bound_is_the_session_without_a_ping_and_a_second() {
        let left = |ttl, loop_wait, longest| {
            let [ttl, loop_wait, longest] = [ttl, loop_wait, longest].map(Duration::from_secs);
            left(Terms { ttl, loop_wait }, longest).as_millis()
        };
        assert_eq!(left(30, 10, 40), 25_000);
        assert_eq!(left(60, 10, 40), 35_000, "20 ticks");
        assert_eq!(left(20, 5, 40), 17_500);
        assert_eq!(left(20, 1, 40), 18_000);
        assert_eq!(left(4, 10, 40), 0);
    }

    #[test]
    fn the_configuration_is_beside_the_leader() {
        assert_eq!(config_path("/service/pg/leader"), "/service/pg/config");
        assert_eq!(config_path("/leader"), "/config");
    }
}
