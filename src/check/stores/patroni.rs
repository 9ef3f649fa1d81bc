//! What is peculiar to Patroni's REST API: whose Patroni answers, what its answer proves, and how long that holds.

use std::time::Duration;

use crate::check::Finding;
use crate::check::store::{Store, WatchedKey, subject};
use crate::source::facts::{EndpointDetail, EndpointFacts, Held, KeyDetail, RestFacts};
use crate::text::span;

/// Patroni's REST API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patroni;

impl Store for Patroni {
    fn name(&self) -> &'static str {
        "Patroni"
    }

    fn version(&self) -> &'static str {
        "version"
    }

    fn serves(&self) -> &'static str {
        "by its REST API"
    }

    fn endpoint(&self, facts: &EndpointFacts) -> Vec<Finding> {
        let remote = facts.outcome.is_ok() && facts.detail == EndpointDetail::Patroni { own: false };
        let finding = || {
            Finding::warning(
                "rest-remote",
                subject(self, facts),
                "is not an address of this host: with trigger-value 200 it is not used, since every host that asks it \
                 reads the same answer",
                "set dcs-endpoints to this host's Patroni, such as http://127.0.0.1:8008",
            )
        };
        remote.then(finding).into_iter().collect()
    }

    fn single(&self, _facts: &EndpointFacts) -> Option<Finding> {
        None
    }

    fn is_us(&self, facts: &WatchedKey, held: &Held) -> bool {
        let KeyDetail::Patroni(rest) = &facts.found.detail else { return held.value == facts.expected };
        rest.status == 200 && (by_status(facts, rest) || rest.name.as_ref() == Some(&facts.expected))
    }

    fn whole_key(&self, facts: &WatchedKey) -> Option<Vec<Finding>> {
        let KeyDetail::Patroni(rest) = &facts.found.detail else { return None };
        let mut findings = vec![answer(facts, rest)];
        if findings.iter().all(|finding| finding.cure.is_none()) {
            findings.extend(lock(facts, rest));
            findings.push(bound(facts, rest));
        }
        Some(findings)
    }

    fn without_leaders(&self, _anything: bool) -> (String, String) {
        (String::new(), String::new())
    }

    fn put(&self, _key: &str, _value: &str) -> String {
        String::new()
    }

    fn watch(&self) -> &'static str {
        ""
    }

    fn allow_read(&self, _key: &str) -> String {
        String::new()
    }

    fn allow_list(&self, _prefix: &str) -> String {
        String::new()
    }
}

/// Whether no name is compared: none is expected, or Patroni tells none, as 3.0 does.
fn by_status(facts: &WatchedKey, rest: &RestFacts) -> bool {
    facts.expected == STATUS || rest.name.is_none()
}

/// Who answers, and whether that can ever mean this host.
fn answer(facts: &WatchedKey, rest: &RestFacts) -> Finding {
    let expected = &facts.expected;
    let status = rest.status;
    if !matches!(status, 200 | 503) || (status == 200 && !rest.complete) {
        return Finding::error(
            "rest-foreign",
            facts.subject(),
            format!("is answered with {status}, but not as Patroni does"),
            "set dcs-endpoints to the REST API of this host's Patroni (restapi: in its configuration)",
        );
    }
    let name = rest.name.as_deref().unwrap_or("Patroni");
    if by_status(facts, rest) && !rest.own {
        return Finding::error(
            "rest-remote",
            facts.subject(),
            format!("is answered by {name} on another host, so that {status} says nothing of this one"),
            format!("ask this host's own Patroni, or set trigger-value to its member name instead of {STATUS}"),
        );
    }
    if !by_status(facts, rest) && rest.own && rest.name.as_ref().is_some_and(|name| name != expected) {
        return Finding::error(
            "rest-name",
            facts.subject(),
            format!("is answered by this host's Patroni as {name}, but trigger-value is \"{expected}\""),
            format!("set trigger-value: {name}, or {STATUS} for this host's own Patroni under any name"),
        );
    }
    let role = rest.role.as_ref().map_or_else(String::new, |role| format!(" ({role})"));
    let text = if status == 200 {
        format!("is answered with 200: {name} leads")
    } else {
        format!("is answered with 503: {name} does not lead{role}")
    };
    Finding::pass("key-value", facts.subject(), text)
}

/// What makes a 200 no ground to hold, or a weaker one.
fn lock(facts: &WatchedKey, rest: &RestFacts) -> Option<Finding> {
    let (text, cure) = match rest {
        RestFacts { status: 200, unlocked: true, paused: true, .. } => (
            "comes from a Patroni in pause that sees no leader's lock: it tells the role of PostgreSQL, and the VIP is not \
             held for that",
            "see why Patroni does not reach its store (patronictl list); the VIP returns with the lock",
        ),
        RestFacts { status: 200, unlocked: true, failsafe: false, .. } => (
            "comes from a Patroni that sees no leader's lock: the VIP is not held for that",
            "see why Patroni does not reach its store (patronictl list); the VIP returns with the lock",
        ),
        RestFacts { failsafe: true, .. } => (
            "comes from a Patroni in failsafe mode: its store is gone, and the VIP stays as long as all members agree",
            "repair the store; until then each hold is four seconds shorter",
        ),
        RestFacts { .. } => return None,
    };
    Some(Finding::warning("rest-lock", facts.subject(), text, cure))
}

/// How long an answer holds, and what that is worth.
fn bound(facts: &WatchedKey, rest: &RestFacts) -> Finding {
    let (Some([ttl, loop_wait, retry_timeout]), Some(left)) = (rest.timing, rest.left) else {
        return Finding::warning(
            "rest-settings",
            facts.subject(),
            "has a bound of 5 s, since Patroni does not tell its settings (GET /config)",
            "see whether Patroni reaches its store: without it, it has no settings to tell",
        );
    };
    let hold = left.saturating_sub(facts.lease_margin.min(left / 2)).min(facts.hold_timeout);
    let settings =
        format!("ttl {}, loop_wait {}, retry_timeout {}", whole(ttl), whole(loop_wait), whole(retry_timeout));
    if hold < SHORTEST {
        return Finding::error(
            "lease-too-short",
            facts.subject(),
            format!("leaves {} for a hold, by Patroni's settings ({settings})", span(hold)),
            "raise ttl (patronictl edit-config): it must be well above loop_wait + retry_timeout",
        );
    }
    let text = format!(
        "has the grade assumed: each answer holds the VIP for {}, by Patroni's settings ({settings})",
        span(hold)
    );
    Finding::pass("rest-grade", facts.subject(), text)
}

fn whole(span: Duration) -> String {
    format!("{} s", span.as_secs())
}

/// Patroni's own file on this host, if it names a store whose promise would be exact.
pub fn direct(file: &str, text: &str, supported: impl Fn(&str) -> bool) -> Option<Finding> {
    let sections = EXACT.iter().filter(|(_, kind)| supported(kind)).map(|(section, _)| *section);
    let section = sections.into_iter().find(|section| names_section(text, section))?;
    Some(Finding::warning(
        "rest-direct",
        "dcs-type",
        format!(
            "is patroni, whose promise is assumed; {file} names a store ({section}:), and following that one is exact"
        ),
        format!("set patroni-config: {file}, and remove dcs-type, dcs-endpoints, trigger-key and trigger-value"),
    ))
}

/// Whether the YAML has this key at its top.
fn names_section(text: &str, section: &str) -> bool {
    text.lines().any(|line| line.strip_prefix(section).is_some_and(|rest| rest.trim_start().starts_with(':')))
}

/// Sections of Patroni's file, and the kind of store that follows them with the exact grade.
const EXACT: [(&str, &str); 3] = [("etcd3", "etcd"), ("kubernetes", "kubernetes"), ("etcd", "etcd2")];
const STATUS: &str = "200";
/// Shorter than this, a few polls that are late lose the address.
const SHORTEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;
    use crate::check::key::judge;
    use crate::source::facts::{Around, KeyFacts, LeaseFacts};

    fn leader() -> RestFacts {
        let seconds = |all: [u64; 3]| Some(all.map(Duration::from_secs));
        RestFacts {
            own: true,
            status: 200,
            complete: true,
            name: Some("pg1".into()),
            role: Some("master".into()),
            paused: false,
            unlocked: false,
            failsafe: false,
            timing: seconds([30, 10, 10]),
            left: Some(Duration::from_secs(10)),
        }
    }

    fn watched(rest: RestFacts, expected: &str) -> WatchedKey {
        let held = Held { value: rest.status.to_string(), changed: 0, lease: LeaseFacts::Unknown };
        WatchedKey {
            key: "/leader".into(),
            expected: expected.into(),
            found: KeyFacts {
                held: Ok(Some(held)),
                around: Around::default(),
                beside: None,
                detail: KeyDetail::Patroni(rest),
            },
            hold_timeout: Duration::from_secs(10),
            lease_margin: Duration::from_secs(3),
            claimed: false,
        }
    }

    fn ids(rest: RestFacts, expected: &str) -> Vec<(&'static str, Level)> {
        let findings = judge(&Patroni, &watched(rest, expected));
        findings.iter().map(|finding| (finding.id, finding.level)).collect()
    }

    #[test]
    fn an_own_patroni_passes_whether_it_leads_or_not() {
        let passes = vec![("key-value", Level::Pass), ("rest-grade", Level::Pass)];
        assert_eq!(ids(leader(), "200"), passes);
        assert_eq!(ids(leader(), "pg1"), passes);
        assert_eq!(ids(RestFacts { status: 503, ..leader() }, "200"), passes);
        let findings = judge(&Patroni, &watched(leader(), "200"));
        assert!(
            findings[1].text.contains("for 7.0 s, by Patroni's settings (ttl 30 s, loop_wait 10 s"),
            "{findings:?}"
        );
    }

    #[test]
    fn what_cannot_mean_this_host_is_an_error_with_a_cure() {
        let error = |id| vec![(id, Level::Error)];
        assert_eq!(ids(RestFacts { own: false, ..leader() }, "200"), error("rest-remote"));
        assert_eq!(ids(leader(), "pg2"), error("rest-name"));
        assert_eq!(ids(RestFacts { complete: false, ..leader() }, "200"), error("rest-foreign"));
        assert_eq!(ids(RestFacts { status: 404, ..leader() }, "200"), error("rest-foreign"));
        let remote = RestFacts { own: false, ..leader() };
        assert_eq!(ids(remote, "pg2"), [("key-value", Level::Pass), ("rest-grade", Level::Pass)], "by name");
    }

    #[test]
    fn a_missing_lock_and_short_settings_are_told() {
        let unlocked = RestFacts { unlocked: true, ..leader() };
        assert_eq!(ids(unlocked.clone(), "200")[1], ("rest-lock", Level::Warning));
        assert_eq!(ids(RestFacts { paused: true, ..unlocked.clone() }, "200")[1], ("rest-lock", Level::Warning));
        assert_eq!(ids(RestFacts { failsafe: true, ..unlocked.clone() }, "200")[1], ("rest-lock", Level::Warning));
        assert_eq!(ids(RestFacts { status: 503, ..unlocked }, "200").len(), 2);
        let short = RestFacts { left: Some(Duration::from_secs(1)), ..leader() };
        assert_eq!(ids(short, "200")[1], ("lease-too-short", Level::Error));
        assert_eq!(
            ids(RestFacts { timing: None, left: None, ..leader() }, "200")[1],
            ("rest-settings", Level::Warning)
        );
    }

    #[test]
    fn a_store_that_would_be_exact_is_recommended() {
        let told = |text: &str| direct("/etc/patroni/a.yml", text, |kind| kind != "etcd2").map(|found| found.text);
        assert!(told("scope: pg\netcd3:\n  host: a\n").unwrap().contains("names a store (etcd3:)"));
        assert!(told("kubernetes :\n  namespace: a\n").unwrap().contains("(kubernetes:)"));
        for other in ["etcd:\n  host: a\n", "raft:\n", "# etcd3:\n", "bootstrap:\n  etcd3: a\n", "etcd3_not: a\n", ""] {
            assert_eq!(told(other), None, "{other}");
        }
    }

    #[test]
    fn who_leads_is_known_from_the_status_or_the_name() {
        let us = |rest: RestFacts, expected: &str| {
            let watched = watched(rest, expected);
            let Ok(Some(held)) = &watched.found.held else { panic!() };
            Patroni.is_us(&watched, held)
        };
        assert!(us(leader(), "200") && us(leader(), "pg1"));
        assert!(!us(leader(), "pg2") && !us(RestFacts { status: 503, ..leader() }, "200"));
    }
}
