//! Who holds a VIP and why, in a sentence.

use std::sync::Arc;

use super::VipStatus;
use crate::keeper::Tenure;
use crate::text::span;

/// "10.0.0.5/32 on eth0 is held: …".
pub fn line(vip: &VipStatus) -> String {
    format!("{} on {} is {}: {}", vip.vip, vip.interface, vip.state, why(vip))
}

/// Who holds it, and why.
pub fn why(vip: &VipStatus) -> String {
    let Some(read) = &vip.read else {
        return format!("{} was not read yet{}", vip.key, because(vip.unreachable.as_ref()));
    };
    let found = match &read.holder {
        Some(holder) if **holder == *vip.expected => format!("{} holds \"{holder}\", which is this host", vip.key),
        Some(holder) => format!("{} holds \"{holder}\", this host is \"{}\"", vip.key, vip.expected),
        None => format!("{} is absent, so nobody leads", vip.key),
    };
    match vip.state {
        "acquiring" if vip.link_up.is_none() => {
            format!("{found}; there is no interface {}; waiting for it", vip.interface)
        }
        "acquiring" => format!("{found}; it is being put up"),
        "doubtful" => {
            let silence = vip.confirmed.map_or_else(String::new, |since| format!(" for {}", span(since)));
            format!(
                "no confirmation{silence}{}; kept, but not announced; {found} then",
                because(vip.unreachable.as_ref())
            )
        }
        "releasing" => format!("it has to go: {found}"),
        "unknown" => format!("no read of {} counts now{}", vip.key, because(vip.unreachable.as_ref())),
        _ => found,
    }
}

/// What is known of the lease.
pub fn lease(tenure: Tenure) -> String {
    match tenure {
        Tenure::NoLease => "none".to_owned(),
        Tenure::AtLeast(left) => format!("{} left", span(left)),
        Tenure::Unknown => "not asked for, since the key does not name this host".to_owned(),
    }
}

fn because(why: Option<&Arc<str>>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}
