//! The trigger key: what it holds, and whether that can ever mean this host.

use std::time::Duration;

use super::Finding;
use super::names::{self, Difference, Meant, listed};
use super::store::{Store, WatchedKey as Facts};
use crate::source::facts::{Forbidden, Held, LeaseFacts, scope};
use crate::text::brief;

pub fn judge(store: &dyn Store, facts: &Facts) -> Vec<Finding> {
    match &facts.found.held {
        Ok(Some(held)) => present(store, facts, held),
        Ok(None) => vec![absent(store, facts)],
        Err(Forbidden) => vec![forbidden(store, facts)],
    }
}

fn present(store: &dyn Store, facts: &Facts, held: &Held) -> Vec<Finding> {
    if let Some(findings) = store.whole_key(facts) {
        return findings;
    }
    let since = if held.changed == 0 { String::new() } else { format!("since {} {}", store.version(), held.changed) };
    let mut findings = vec![value(store, facts, held, &since)];
    findings.extend(never_meant(facts, held));
    findings.extend(lease(store, facts, held));
    findings.extend(store.key(facts, held));
    findings
}

fn value(store: &dyn Store, facts: &Facts, held: &Held, since: &str) -> Finding {
    let (expected, around) = (&facts.expected, &facts.found.around);
    let value = &held.value;
    if value == expected {
        let since = if since.is_empty() { String::new() } else { format!(" ({since})") };
        let text = format!("holds \"{value}\", which is this host{since}");
        return Finding::pass("key-value", facts.subject(), text);
    }
    if value.is_empty() {
        let text = "is empty: it names nobody";
        return Finding::error(
            "key-empty",
            facts.subject(),
            text,
            format!("Patroni never writes that; find out who does ({})", store.watch()),
        );
    }
    if value.trim_start().starts_with('{') {
        let text = format!("holds \"{}\", which is not a member's name", brief(value, 30));
        let cure = "set trigger-key to Patroni's leader key, /<namespace>/<scope>/leader";
        return Finding::error("key-not-leader", facts.subject(), text, cure);
    }
    let shown = brief(value, 256);
    let since = if since.is_empty() { String::new() } else { format!(" {since}") };
    let told = format!("holds \"{shown}\"{since}; this host expects \"{expected}\"");
    let Some(names) = &around.members else { return unlisted(store, facts, value, &told) };
    let told = format!("{told}; {}", members(names));
    let other_is_member = names.contains(expected);
    // Two members may have similar names, but no name has whitespace or quotes around it.
    match names::meant(expected, &[value]).filter(|meant| !other_is_member || meant.by.is_around()) {
        Some(meant) => differs(store, facts, &meant, told),
        None if other_is_member || names.is_empty() => {
            Finding::pass("key-value", facts.subject(), format!("{told}: another host leads"))
        }
        None => never(facts, names, told),
    }
}

/// If this user may read only the key, it is unknown whether the key can ever name this host.
fn unlisted(store: &dyn Store, facts: &Facts, value: &String, told: &str) -> Finding {
    // Two members may have similar names.
    if let Some(meant) = names::meant(&facts.expected, &[value]).filter(|meant| meant.by != Difference::Letters) {
        return differs(store, facts, &meant, told.to_owned());
    }
    let text = format!("{told}; this user may not list the members, so whether one has that name is unknown");
    Finding::warning(
        "key-members-unlisted",
        facts.subject(),
        text,
        grant(store, &format!("{}members/", root(&facts.key))),
    )
}

fn differs(store: &dyn Store, facts: &Facts, meant: &Meant, told: String) -> Finding {
    let Meant { name, by } = meant;
    // As `echo pg1 | etcdctl put` leaves them.
    let left_by_hand = by.is_around() && names::bare(name) != name;
    let cure = if left_by_hand {
        format!("{by}, which Patroni does not write: {}", store.put(&facts.key, names::bare(name)))
    } else {
        format!("{by}: if both mean this host, set trigger-value: {name}")
    };
    Finding::error("key-value-differs", facts.subject(), told, cure)
}

/// The key names this host, but no member of Patroni has that name.
fn never_meant(facts: &Facts, held: &Held) -> Option<Finding> {
    let (expected, around) = (&facts.expected, &facts.found.around);
    let names = around.members.as_ref().filter(|names| !names.is_empty())?;
    (held.value == *expected && !names.contains(expected)).then(|| {
        Finding::warning(
            "key-no-member",
            facts.subject(),
            format!("names \"{expected}\", but no member of Patroni has that name; {}", members(names)),
            "the member may have been removed, or something other than Patroni wrote the key",
        )
    })
}

fn never(facts: &Facts, members: &[String], told: String) -> Finding {
    let cure = match names::meant(&facts.expected, members) {
        Some(Meant { name, by }) => format!("{by}: set trigger-value: {name}"),
        None => "set trigger-value to this host's name in Patroni (name: in its configuration)".to_owned(),
    };
    Finding::error("key-value-unknown", facts.subject(), told, cure)
}

fn members(names: &[String]) -> String {
    match names {
        [] => "Patroni lists no members there".to_owned(),
        [one] => format!("the only member is {one}"),
        several => format!("members are {}", listed(several)),
    }
}

fn lease(store: &dyn Store, facts: &Facts, held: &Held) -> Option<Finding> {
    let subject = facts.subject();
    let margin = seconds(facts.lease_margin);
    let finding = match held.lease {
        LeaseFacts::Unknown => return None,
        LeaseFacts::None => Finding::warning(
            "key-no-lease",
            subject,
            format!(
                "has no lease: it remains when its leader dies, and only hold-timeout ({} s) bounds the VIP",
                seconds(facts.hold_timeout)
            ),
            "Patroni always sets one; a key written by hand must be deleted by hand",
        ),
        LeaseFacts::Left { granted, .. } if granted <= margin => Finding::error(
            "lease-too-short",
            subject,
            format!("has a lease of {granted} s, and lease-margin is {margin} s: too little is left to hold the VIP"),
            "set lease-margin well below Patroni's ttl, or raise the ttl (patronictl edit-config)",
        ),
        LeaseFacts::Left { granted, left } if granted - margin < seconds(facts.hold_timeout) => Finding::warning(
            "lease-short",
            subject,
            format!(
                "has a lease of {granted} s, {left} s left: minus lease-margin, it bounds the VIP before hold-timeout ({} s) does",
                seconds(facts.hold_timeout)
            ),
            format!("no action needed; the VIP survives only shorter outages of {}", store.name()),
        ),
        LeaseFacts::Left { granted, left } => {
            Finding::pass("key-lease", subject, format!("has a lease of {granted} s, {left} s left"))
        }
    };
    Some(finding)
}

fn absent(store: &dyn Store, facts: &Facts) -> Finding {
    let (key, around) = (&facts.key, &facts.found.around);
    if let Some(finding) = store.absent(facts) {
        return finding;
    }
    if around.scope {
        let names = around.members.as_ref().map(|names| format!("; {}", members(names)));
        return Finding::warning(
            "key-no-leader",
            facts.subject(),
            format!("does not exist, but its scope does: nobody leads now{}", names.unwrap_or_default()),
            "run patronictl list; the VIP comes with the next leader",
        );
    }
    if !around.leaders.is_empty() {
        let text = format!("does not exist; {} has {}", store.name(), listed(&around.leaders));
        return Finding::error("key-wrong", facts.subject(), text, path::cure(key, &around.leaders));
    }
    if !around.listed {
        return Finding::warning(
            "key-absent",
            facts.subject(),
            "does not exist, and this user may not list other keys: the key may be misspelled, or the cluster may have \
             no leader",
            format!("see whether anybody leads (patronictl list), or {}", grant(store, root(key))),
        );
    }
    let id = if around.anything { "key-no-scope" } else { "store-empty" };
    let (text, cure) = store.without_leaders(around.anything);
    Finding::error(id, facts.subject(), text, cure)
}

fn forbidden(store: &dyn Store, facts: &Facts) -> Finding {
    let text = format!("{} does not let this user read it", store.name());
    Finding::error("key-forbidden", facts.subject(), text, format!("allow it: {}", store.allow_read(&facts.key)))
}

/// What lets a user list the keys that begin with `prefix`.
fn grant(store: &dyn Store, prefix: &str) -> String {
    format!("let this user list them: {}", store.allow_list(prefix))
}

/// The scope of a key, or what would be one.
fn root(key: &str) -> &str {
    scope(key).unwrap_or(key)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

mod path;
#[cfg(test)]
mod tests;
