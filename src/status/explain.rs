//! Who holds a VIP and why, in a sentence; and what is missing before the daemon is ready.

use std::sync::Arc;

use super::model::{ClaimState, ClaimStatus, Status, VipStatus};
use crate::endpoint::EndpointLink;
use crate::keeper::{Grade, Tenure};
use crate::text::span;

/// "10.0.0.5/32 on eth0 is held: …".
pub fn line(vip: &VipStatus) -> String {
    format!("{} on {} is {}: {}", vip.vip, vip.interface, vip.state, why(vip))
}

/// Why the daemon is not ready; empty if it is: an endpoint answers, and every VIP has a verdict.
pub fn unready(status: &Status) -> Vec<String> {
    let undecided = |vip: &&VipStatus| vip.read.is_none() || vip.state == "unknown" || vip.state == "doubtful";
    let mut reasons: Vec<_> = status.vips.iter().filter(undecided).map(line).collect();
    if !status.endpoints.iter().any(|one| one.link == EndpointLink::Up) {
        reasons.push("no endpoint answers".to_owned());
    }
    reasons
}

/// Who holds it, and why.
pub fn why(vip: &VipStatus) -> String {
    let Some(read) = &vip.read else {
        return format!("{} has not been read yet{}", vip.key, because(vip.unreachable.as_ref()));
    };
    let found = match &read.holder {
        Some(holder) if **holder == *vip.expected => format!("{} holds \"{holder}\", which is this host", vip.key),
        Some(holder) => format!("{} holds \"{holder}\", this host is \"{}\"", vip.key, vip.expected),
        None => format!("{} is absent: there is no leader", vip.key),
    };
    match vip.state {
        "acquiring" if vip.link_up.is_none() => {
            format!("{found}; waiting for interface {}, which does not exist", vip.interface)
        }
        "acquiring" => format!("{found}; adding the address"),
        "doubtful" => {
            let silence = vip.confirmed.map_or_else(String::new, |since| format!(" for {}", span(since)));
            format!(
                "no confirmation{silence}{}; the address is kept, but not announced; last read: {found}",
                because(vip.unreachable.as_ref())
            )
        }
        "releasing" => format!("removing the address: {found}"),
        "unknown" => format!("no valid read of {}{}", vip.key, because(vip.unreachable.as_ref())),
        _ => found,
    }
}

/// What is known about the lease.
pub fn lease(tenure: Tenure) -> String {
    match tenure {
        Tenure::NoLease => "none".to_owned(),
        Tenure::AtLeast(left) => format!("{} left", span(left)),
        Tenure::Assumed { left, .. } => format!("{} left, assumed", span(left)),
        Tenure::Unknown => "not queried: the key does not name this host".to_owned(),
    }
}

/// Who has a claim, and for how long.
pub fn claim(claim: &ClaimStatus) -> String {
    let left = claim.left.map(span);
    match claim.state {
        ClaimState::Ours => format!("ours, ends the hold in {} unless renewed", left.unwrap_or_default()),
        ClaimState::Taken => {
            let by = claim.by.as_deref().unwrap_or_default();
            let left = left.map_or_else(String::new, |left| format!(", for {left} unless renewed"));
            format!("taken by {by}{left}")
        }
        ClaimState::Refused => format!("refused: {}", claim.refused.as_deref().unwrap_or_default()),
        ClaimState::Absent => "none".to_owned(),
        ClaimState::Unknown => "not known yet".to_owned(),
    }
}

/// What a grade means.
pub const fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Exact => "exact: the store proves how long the lease lasts",
        Grade::Assumed => "assumed: from the leader's settings, it covers any single failure",
        Grade::Leaseless => "none: the key has no lease, only hold-timeout bounds the hold",
    }
}

fn because(why: Option<&Arc<str>>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}
