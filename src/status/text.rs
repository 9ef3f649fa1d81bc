//! The status for people: one block per VIP, eighty columns, colour on request.

use std::sync::Arc;
use std::time::Duration;

use super::counters::Place;
use super::explain;
use super::history::Transition;
use super::layout::Layout;
use super::model::{Status, VipStatus};
use crate::endpoint::{EndpointLink, EndpointState};
use crate::terminal::{Colour, Style};
use crate::text::span;
use crate::time::Lifetime;

/// The whole status.
pub fn status(status: &Status, colour: Colour) -> String {
    let mut layout = Layout::new(colour);
    if status.daemon {
        layout.words("", &daemon(status));
    }
    for vip in &status.vips {
        layout.gap();
        // Only a daemon has states.
        let (style, state) = if status.daemon { (style(vip.state), vip.state) } else { (Style::Plain, "no daemon") };
        let (name, place) = (vip.vip.to_string(), format!("on {}:", vip.interface));
        layout.styled("", &[(Style::Bold, &name), (Style::Plain, &place), (style, state)]);
        block(&mut layout, vip, status);
    }
    layout.gap();
    layout.styled("", &[(Style::Bold, "endpoints")]);
    for one in &status.endpoints {
        endpoint(&mut layout, one);
    }
    layout.finish()
}

/// All remembered transitions, oldest first.
pub fn events(status: &Status, colour: Colour) -> String {
    let mut layout = Layout::new(colour);
    for event in &status.events {
        let (at, place, between) = (event.at.to_string(), format!("on {}:", event.interface), event.between());
        layout.styled(
            "",
            &[(Style::Plain, &at), (Style::Bold, &event.vip), (Style::Plain, &place), (style(event.to), &between)],
        );
        let took = event.took.map_or_else(String::new, |took| format!(", took {}", span(took)));
        layout.words("    ", &format!("{}{took}: {}", event.cause, event.reason));
    }
    if status.events.is_empty() {
        layout.words("", "no transitions yet");
    }
    layout.finish()
}

/// Says that no daemon answers.
pub fn nobody(why: &str, colour: Colour) -> String {
    let mut layout = Layout::new(colour);
    layout.styled("", &[(Style::BoldRed, "no daemon answers:"), (Style::Plain, why)]);
    layout.finish()
}

fn daemon(status: &Status) -> String {
    let Status { version, host, pid, .. } = status;
    let age = span(status.taken.0.saturating_sub(status.started.0));
    let config = status.config.as_deref().unwrap_or("no file");
    format!("vip-manager {version} on {host}, process {pid}, up for {age}, {config}")
}

fn block(layout: &mut Layout, vip: &VipStatus, status: &Status) {
    layout.words("  ", &explain::why(vip));
    layout.field("key", &vip.key);
    layout.field("expected", &vip.expected);
    match &vip.read {
        Some(read) => {
            let found = read.holder.as_ref().map_or("(absent)", |holder| holder);
            let revision = read.revision.map_or_else(String::new, |version| format!(" (revision {version})"));
            layout.field("found", &format!("{found}{revision}"));
            layout.field("read", &format!("{} ago from {}", span(read.age), read.from));
            layout.field("lease", &explain::lease(read.tenure));
            if let Some(grade) = vip.grade() {
                layout.field("grade", explain::grade(grade));
            }
        }
        None => layout.field("found", "(not read)"),
    }
    if let Some(claim) = &vip.claim {
        layout.field("claim", &explain::claim(claim));
    }
    if let Some(deadline) = vip.deadline {
        layout.field("deadline", &format!("in {} unless confirmed", span(deadline)));
    }
    layout.field("kernel", &kernel(vip));
    if status.daemon {
        let tally = status.tally(vip);
        layout.field("announced", &format!("{} times, {} failed", tally.announcements, tally.announcement_failures));
        layout.field("renewed", &format!("{} times, {} refused", tally.renewals, tally.refusals));
        layout.field("conflicts", &tally.conflicts.to_string());
        if let Some(left) = vip.refusing {
            layout.field("refusing", &format!("new connections, for {} more", span(left)));
        }
        if tally.refused_connections > 0 {
            layout.field("refused", &format!("{} new connections", tally.refused_connections));
        }
        recent(layout, &vip.place(), &status.events);
    }
}

fn kernel(vip: &VipStatus) -> String {
    match (vip.kernel, vip.link_up) {
        (Some(present), _) => {
            let prefix =
                if present.prefix == vip.vip.prefix() { String::new() } else { format!(" as /{}", present.prefix) };
            let unusable = if present.unusable { " but does not use it (duplicate or tentative)" } else { "" };
            match present.left {
                Lifetime::Forever => format!("has the address{prefix}{unusable}, permanently"),
                Lifetime::Until(left) => format!("has the address{prefix}{unusable}, removes it in {}", span(left)),
            }
        }
        (None, None) => format!("has no interface {}", vip.interface),
        (None, Some(true)) => "does not have the address".to_owned(),
        (None, Some(false)) => format!("does not have the address; {} is down", vip.interface),
    }
}

fn recent(layout: &mut Layout, place: &Place, events: &[Arc<Transition>]) {
    let ours = |event: &&Arc<Transition>| event.vip == place.0 && event.interface == place.1;
    let mut last: Vec<_> = events.iter().rev().filter(ours).take(RECENT).collect();
    last.reverse();
    for (row, event) in last.into_iter().enumerate() {
        let took = event.took.map_or_else(String::new, |took| format!(", {}", span(took)));
        let text = format!("{} {} ({}{took})", event.at.time_of_day(), event.between(), event.cause);
        layout.field(if row == 0 { "last" } else { "" }, &text);
    }
}

fn endpoint(layout: &mut Layout, endpoint: &EndpointState<Duration>) {
    let (word, style) = match &endpoint.link {
        EndpointLink::Up => ("up", Style::Green),
        EndpointLink::Connecting => ("connecting", Style::Yellow),
        EndpointLink::Down { .. } => ("down", Style::Red),
    };
    let since = format!("for {}", span(endpoint.since));
    layout.styled("  ", &[(Style::Plain, &endpoint.endpoint), (style, word), (Style::Plain, &since)]);
    if let EndpointLink::Down { why } = &endpoint.link {
        layout.words("    ", why);
    }
}

fn style(state: &str) -> Style {
    match state {
        "held" => Style::BoldGreen,
        "doubtful" | "acquiring" | "releasing" => Style::BoldYellow,
        "unknown" => Style::BoldRed,
        _ => Style::Bold,
    }
}

const RECENT: usize = 5;
