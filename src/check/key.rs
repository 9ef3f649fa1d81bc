//! The trigger key: what it holds, and whether that can ever mean this host.

use std::time::Duration;

use super::Finding;
use super::names::{self, Kinship, listed};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub key: String,
    /// The value that means this host.
    pub expected: String,
    pub held: Option<Held>,
    pub around: Around,
    /// What the old v2 store holds under this name, where it could be asked.
    pub v2: Option<String>,
    pub hold_timeout: Duration,
    pub lease_margin: Duration,
}

/// What the key holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub value: String,
    pub created: i64,
    pub changed: i64,
    pub lease: Lease,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    None,
    /// Seconds left, and granted.
    Left {
        left: i64,
        granted: i64,
    },
    /// It could not be asked after.
    Unknown,
}

/// What else the store holds; all of it empty where it may not be listed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Around {
    /// Whether listing was permitted.
    pub listed: bool,
    /// The names of Patroni's members in this scope.
    pub members: Vec<String>,
    /// Whether there is any key of this scope.
    pub scope: bool,
    /// Leader keys of other scopes.
    pub leaders: Vec<String>,
    /// Whether there is any key at all.
    pub anything: bool,
}

pub fn judge(facts: &Facts) -> Vec<Finding> {
    match &facts.held {
        Some(held) => present(facts, held),
        None => vec![absent(facts)],
    }
}

fn subject(facts: &Facts) -> String {
    format!("key {}", facts.key)
}

fn present(facts: &Facts, held: &Held) -> Vec<Finding> {
    let since = format!("revision {}", held.changed);
    let mut findings = vec![value(facts, held, &since)];
    findings.extend(never_meant(facts, held));
    findings.extend(lease(facts, held));
    findings
}

fn value(facts: &Facts, held: &Held, since: &str) -> Finding {
    let Facts { expected, around, .. } = facts;
    let value = &held.value;
    if value == expected {
        let text = format!("holds \"{value}\", which is this host (since {since})");
        return Finding::good("key-value", subject(facts), text);
    }
    if value.is_empty() {
        let text = "is there and empty: it names nobody";
        return Finding::bad(
            "key-empty",
            subject(facts),
            text,
            "Patroni never writes that; find out who does (etcdctl watch)",
        );
    }
    if value.trim_start().starts_with('{') {
        let text = format!("holds \"{}\", which is no member's name", brief(value));
        let cure = "set trigger-key to Patroni's leader key, /<namespace>/<scope>/leader";
        return Finding::bad("key-not-leader", subject(facts), text, cure);
    }
    let told = format!("holds \"{value}\" since {since}; this host expects \"{expected}\"; {}", members(around));
    let other_is_member = around.members.contains(expected);
    match names::meant(expected, &[value]).filter(|_| !other_is_member) {
        Some(kinship) => {
            let difference = difference(&kinship);
            let cure = format!("{difference}: where both mean this host, set trigger-value: {value}");
            Finding::bad("key-value-differs", subject(facts), told, cure)
        }
        None if other_is_member || around.members.is_empty() => {
            Finding::good("key-value", subject(facts), format!("{told}: another host leads"))
        }
        None => never(facts, told),
    }
}

/// The key names somebody else; and would it ever name us?
fn never_meant(facts: &Facts, held: &Held) -> Option<Finding> {
    let Facts { expected, around, .. } = facts;
    let doubtful = held.value == *expected && !around.members.is_empty() && !around.members.contains(expected);
    doubtful.then(|| {
        Finding::caution(
            "key-no-member",
            subject(facts),
            format!("names \"{expected}\", and no member of Patroni is called that; {}", members(around)),
            "the member may have been removed, or something other than Patroni wrote the key",
        )
    })
}

fn never(facts: &Facts, told: String) -> Finding {
    let near = names::meant(&facts.expected, &facts.around.members);
    let cure = match near {
        Some(kinship) => {
            let (Kinship::Case(name) | Kinship::Domain(name) | Kinship::Near(name)) = &kinship;
            format!("{}: set trigger-value: {name}", difference(&kinship))
        }
        None => "set trigger-value to this host's name in Patroni (name: in its file)".to_owned(),
    };
    Finding::bad("key-value-unknown", subject(facts), told, cure)
}

fn difference(kinship: &Kinship) -> &'static str {
    match kinship {
        Kinship::Case(_) => "they differ in capitals alone",
        Kinship::Domain(_) => "one has a domain behind it and the other has not",
        Kinship::Near(_) => "they look alike",
    }
}

fn members(around: &Around) -> String {
    match (around.members.as_slice(), around.listed) {
        ([], true) => "Patroni lists no members there".to_owned(),
        ([], false) => "the members may not be listed by this user".to_owned(),
        ([one], _) => format!("the only member is {one}"),
        (several, _) => format!("members are {}", listed(several)),
    }
}

fn lease(facts: &Facts, held: &Held) -> Option<Finding> {
    let subject = subject(facts);
    let margin = seconds(facts.lease_margin);
    let finding = match held.lease {
        Lease::Unknown => return None,
        Lease::None => Finding::caution(
            "key-no-lease",
            subject,
            format!(
                "has no lease: it stays when its leader dies, and hold-timeout ({} s) alone bounds the VIP",
                seconds(facts.hold_timeout)
            ),
            "Patroni always sets one; a key written by hand (etcdctl put) has to be deleted by hand",
        ),
        Lease::Left { granted, .. } if granted <= margin => Finding::bad(
            "lease-too-short",
            subject,
            format!(
                "has a lease of {granted} s and lease-margin is {margin} s: it never has enough left to hold the VIP"
            ),
            "set lease-margin well below Patroni's ttl, or raise the ttl (patronictl edit-config)",
        ),
        Lease::Left { granted, left } if granted - margin < seconds(facts.hold_timeout) => Finding::caution(
            "lease-short",
            subject,
            format!(
                "has a lease of {granted} s, of which {left} s are left: less lease-margin it bounds the VIP before hold-timeout ({} s) does",
                seconds(facts.hold_timeout)
            ),
            "all is well; outages of etcd are survived for that much shorter",
        ),
        Lease::Left { granted, left } => {
            Finding::good("key-lease", subject, format!("is on a lease of {granted} s, of which {left} s are left"))
        }
    };
    Some(finding)
}

fn absent(facts: &Facts) -> Finding {
    let Facts { around, key, .. } = facts;
    if let Some(value) = &facts.v2 {
        return Finding::bad(
            "key-v2",
            subject(facts),
            format!(
                "is not in etcd's v3 store, and the v2 store holds it (\"{value}\"): Patroni writes with the old API"
            ),
            "name Patroni's section etcd3: instead of etcd:, on one host after the other",
        );
    }
    if around.scope {
        return Finding::caution(
            "key-no-leader",
            subject(facts),
            format!("is not there, and its scope is: nobody leads now; {}", members(around)),
            "patronictl list tells why; the VIP comes with the leader",
        );
    }
    let names: Vec<&str> = around.leaders.iter().map(String::as_str).collect();
    if let [_, ..] = names.as_slice() {
        let near = match (names::meant(key, &names), names.as_slice()) {
            (Some(Kinship::Case(name) | Kinship::Domain(name) | Kinship::Near(name)), _) => Some(name),
            (None, [only]) => Some((*only).to_owned()),
            (None, _) => None,
        };
        let cure = near
            .map_or_else(|| "set trigger-key to one of these".to_owned(), |name| format!("set trigger-key: {name}"));
        return Finding::bad("key-wrong", subject(facts), format!("is not there; etcd has {}", listed(&names)), cure);
    }
    let (id, text) = match (around.listed, around.anything) {
        (false, _) => ("key-absent", "is not there, and this user may not list what is"),
        (true, true) => {
            ("key-no-scope", "is not there, nor is any leader key: Patroni has written nothing into this etcd")
        }
        (true, false) => ("store-empty", "is not there: etcd's v3 store holds nothing at all"),
    };
    let cure =
        "start Patroni with this etcd; its section must be etcd3:, since what etcd: writes (v2) cannot be seen here";
    Finding::bad(id, subject(facts), text, cure)
}

fn brief(text: &str) -> String {
    const LONGEST: usize = 30;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// `/service/pg/leader` → `/service/pg/`: what all keys of the scope begin with.
pub fn scope(key: &str) -> Option<&str> {
    key.strip_suffix("leader").filter(|scope| scope.ends_with('/'))
}

/// `/service/pg/leader` → `/service/`: what all scopes of the namespace begin with.
pub fn namespace(key: &str) -> Option<&str> {
    let scope = scope(key)?.trim_end_matches('/');
    scope.rfind('/').map(|at| &scope[..=at])
}

#[cfg(test)]
mod tests;
