//! The claim: whether there is one, who has it, and whether this host may have it.

use std::time::Duration;

use super::Finding;
use crate::keeper::ClaimMode;
use crate::source::facts::{ClaimFacts, Claimant};

/// A VIP's claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub key: String,
    pub mode: ClaimMode,
    /// The leader key names this host.
    pub leads: bool,
    pub found: ClaimFacts,
}

/// VIPs are not claimed, although the store would do.
pub fn off() -> Finding {
    Finding::pass("claim", "claim", "is off: the leader key decides alone")
}

pub fn judge(facts: &Facts) -> Option<Finding> {
    let subject = format!("claim {}", facts.key);
    let word = if facts.mode == ClaimMode::Require { "require" } else { "auto" };
    let finding = match &facts.found {
        ClaimFacts::Free => {
            Finding::pass("claim", subject, format!("nobody has it, and this host may claim (claim: {word})"))
        }
        ClaimFacts::Held { claimant: Claimant::ThisHost, at_most, .. } => {
            Finding::pass("claim", subject, format!("this host has it{} (claim: {word})", left(*at_most)))
        }
        ClaimFacts::Held { by, claimant: Claimant::AnotherHost, at_most } if facts.leads => Finding::warning(
            "claim-taken",
            subject,
            format!("{by} has it{}, but the leader key names this host: the VIP waits for {by}", left(*at_most)),
            format!("it ends by itself if {by} is down; if it is renewed, see vip-manager status there"),
        ),
        ClaimFacts::Held { by, claimant: Claimant::AnotherHost, at_most } => {
            Finding::pass("claim", subject, format!("{by} has it{} (claim: {word})", left(*at_most)))
        }
        ClaimFacts::Held { by, claimant: Claimant::Unknown, at_most } => Finding::warning(
            "claim-foreign",
            subject,
            format!("holds \"{by}\"{}, which vip-manager has not written: no host can hold the VIP", left(*at_most)),
            "find out who writes it; delete the key once no host holds the VIP, or set another claim-key",
        ),
        ClaimFacts::Refused { why, cure } => {
            let cure = cure.as_deref().unwrap_or("let it write this key");
            if facts.mode == ClaimMode::Require {
                let text = format!("this host may not claim, so it never holds the VIP (claim: require): {why}");
                Finding::error("claim-forbidden", subject, text, cure)
            } else {
                let text = format!("this host may not claim, so the leader key decides alone (claim: auto): {why}");
                Finding::warning("claim-forbidden-auto", subject, text, cure)
            }
        }
        // The findings about the endpoints say why.
        ClaimFacts::Unknown { .. } => return None,
    };
    Some(finding)
}

fn left(at_most: Option<Duration>) -> String {
    at_most.map_or_else(String::new, |left| format!(", for at most {} s unless it is renewed", whole(left)))
}

fn whole(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    fn judged(mode: ClaimMode, leads: bool, found: ClaimFacts) -> Finding {
        judge(&Facts { key: "/vip".into(), mode, leads, found }).unwrap()
    }

    #[test]
    fn who_has_the_claim_is_told_and_is_a_warning_where_this_host_waits_for_it() {
        let held =
            |claimant| ClaimFacts::Held { by: "pg2".into(), claimant, at_most: Some(Duration::from_millis(6500)) };
        for (leads, claimant, id) in [
            (true, Claimant::ThisHost, "claim"),
            (false, Claimant::AnotherHost, "claim"),
            (true, Claimant::AnotherHost, "claim-taken"),
            (false, Claimant::Unknown, "claim-foreign"),
        ] {
            let finding = judged(ClaimMode::Require, leads, held(claimant));
            assert_eq!(finding.id, id);
            assert!(finding.text.contains(", for at most 7 s unless it is renewed"), "{}", finding.text);
        }
    }

    #[test]
    fn a_missing_right_is_an_error_only_if_the_claim_is_required() {
        let found = ClaimFacts::Refused { why: "denied".into(), cure: Some("grant it".into()) };
        let required = judged(ClaimMode::Require, false, found.clone());
        assert_eq!((required.level, required.cure.as_deref()), (Level::Error, Some("grant it")));
        assert_eq!(judged(ClaimMode::Auto, false, found).level, Level::Warning);
    }

    #[test]
    fn an_unreachable_store_is_the_endpoints_finding() {
        let found = ClaimFacts::Unknown { why: "silent".into() };
        assert_eq!(judge(&Facts { key: "/vip".into(), mode: ClaimMode::Auto, leads: false, found }), None);
    }
}
