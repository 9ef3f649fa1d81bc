//! What is peculiar to ZooKeeper: sessions whose remainder nobody tells, their limit, ACLs, and its commands.

use crate::check::Finding;
use crate::check::store::{Store, WatchedKey};
use crate::source::facts::{EndpointFacts, Held, KeyDetail, LeaseFacts, SessionFacts};

/// ZooKeeper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Zookeeper;

impl Store for Zookeeper {
    fn name(&self) -> &'static str {
        "ZooKeeper"
    }

    fn version(&self) -> &'static str {
        "zxid"
    }

    fn serves(&self) -> &'static str {
        "and reaches a quorum"
    }

    fn endpoint(&self, _facts: &EndpointFacts) -> Vec<Finding> {
        Vec::new()
    }

    fn skew(&self) -> &'static str {
        "sessions do not depend on them"
    }

    fn key(&self, facts: &WatchedKey, held: &Held) -> Vec<Finding> {
        let KeyDetail::Zookeeper(session) = facts.found.detail else { return Vec::new() };
        // A znode that is not ephemeral has no session.
        if held.lease != LeaseFacts::Unknown {
            return Vec::new();
        }
        // A claim says how long the address is held.
        let assumed = (!facts.claimed).then(|| grade(facts, session));
        assumed.into_iter().chain(limited(facts, session)).collect()
    }

    fn without_leaders(&self, anything: bool) -> (String, String) {
        let text = if anything {
            "does not exist, nor does any leader key: Patroni has written nothing to this ZooKeeper"
        } else {
            "does not exist: this ZooKeeper is empty"
        };
        let cure = "start Patroni with this ZooKeeper; if the servers are used below a path (chroot), write it behind \
                    the port in dcs-endpoints";
        (text.to_owned(), cure.to_owned())
    }

    fn put(&self, key: &str, value: &str) -> String {
        format!("zkCli.sh set {key} {value}")
    }

    fn watch(&self) -> &'static str {
        "zkCli.sh stat -w"
    }

    fn allow_read(&self, key: &str) -> String {
        format!(
            "Patroni creates {key} with the ACL of set_acls in its section zookeeper: add the subject of this host's \
             client certificate there with READ (set_acls: {{CN=…: [READ]}}), or, if the ACL is for a digest user, set \
             dcs-user and dcs-password to it (zkCli.sh getAcl {key})"
        )
    }

    fn allow_list(&self, prefix: &str) -> String {
        let path = if prefix.len() > 1 { prefix.trim_end_matches('/') } else { prefix };
        format!("zkCli.sh getAcl {path}, then setAcl with r for this client")
    }
}

/// How good the promise is. The time that is left of a session is nowhere to be read.
fn grade(facts: &WatchedKey, session: SessionFacts) -> Finding {
    let (left, margin) = (session.left.as_secs_f64(), facts.lease_margin.as_secs_f64());
    let of = session.ttl.map_or_else(
        || "Patroni's ttl may not be read here, so its shortest counts".to_owned(),
        |ttl| format!("Patroni's ttl is {} s", ttl.as_secs()),
    );
    let told = format!(
        "ZooKeeper does not tell what is left of the leader's session: at least {left} s is assumed while Patroni lives \
         ({of})"
    );
    let subject = facts.subject();
    if session.left <= facts.lease_margin {
        let text = format!("{told}, and lease-margin is {margin} s: too little is left to hold the VIP");
        return Finding::error("lease-too-short", subject, text, "raise Patroni's ttl (patronictl edit-config)");
    }
    if session.left < facts.lease_margin + facts.hold_timeout {
        let bound = session.left.saturating_sub(facts.lease_margin).as_secs_f64();
        let text = format!("{told}; minus lease-margin, the VIP is held for {bound} s without an answer");
        return Finding::warning(
            "lease-short",
            subject,
            text,
            "no action needed; the VIP survives only shorter outages of ZooKeeper",
        );
    }
    Finding::pass("key-session", subject, format!("{told}; the promise has the grade \"assumed\""))
}

/// Patroni asks for more than ZooKeeper grants.
fn limited(facts: &WatchedKey, session: SessionFacts) -> Option<Finding> {
    let ttl = session.ttl.filter(|ttl| *ttl > session.longest)?;
    let (ttl, longest) = (ttl.as_secs(), session.longest.as_secs());
    Some(Finding::warning(
        "session-limit",
        facts.subject(),
        format!(
            "Patroni's ttl is {ttl} s, but ZooKeeper grants sessions of {longest} s: the key of a dead leader is gone \
             after {longest} s"
        ),
        format!("lower Patroni's ttl to {longest}, or raise maxSessionTimeout in ZooKeeper (default: 20 ticks)"),
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::key::judge;
    use crate::source::facts::{Around, Forbidden, KeyFacts};

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn facts(ttl: u64, longest: u64, left: u64) -> WatchedKey {
        let session = SessionFacts { ttl: Some(secs(ttl)), longest: secs(longest), left: secs(left) };
        let held = Held { value: "pg1".into(), changed: 7, lease: LeaseFacts::Unknown };
        let around = Around { members: Some(vec!["pg1".into()]), scope: true, ..Around::default() };
        let found = KeyFacts { held: Ok(Some(held)), around, beside: None, detail: KeyDetail::Zookeeper(session) };
        let (key, expected) = ("/service/pg/leader".to_owned(), "pg1".to_owned());
        WatchedKey { key, expected, found, hold_timeout: secs(10), lease_margin: secs(3), claimed: false }
    }

    fn ids(facts: &WatchedKey) -> Vec<&'static str> {
        judge(&Zookeeper, facts).iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn the_grade_is_told_with_what_bounds_the_hold() {
        assert_eq!(ids(&facts(30, 40, 25)), ["key-value", "key-session"]);
        assert_eq!(ids(&facts(60, 40, 35)), ["key-value", "key-session", "session-limit"]);
        assert_eq!(ids(&facts(15, 40, 10)), ["key-value", "lease-short"]);
        assert_eq!(ids(&facts(8, 40, 3)), ["key-value", "lease-too-short"]);
    }

    #[test]
    fn a_key_that_may_not_be_read_names_patronis_setting() {
        let mut facts = facts(30, 40, 25);
        facts.found.held = Err(Forbidden);
        let finding = &judge(&Zookeeper, &facts)[0];
        assert_eq!(finding.id, "key-forbidden");
        assert!(finding.cure.as_ref().unwrap().contains("set_acls"), "{finding:?}");
    }
}
