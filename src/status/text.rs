//! The status for people: one block a VIP, eighty columns, colour where it is asked for.

use std::sync::Arc;

use super::explain;
use super::layout::{Layout, Style};
use super::{EndpointLink, EndpointStatus, Status, Tally, Transition, VipStatus};
use crate::text::span;
use crate::time::Lifetime;

/// Whether a text may carry the terminal's commands for colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    No,
    Yes,
}

/// The whole status.
pub fn status(status: &Status, colour: Colour) -> String {
    let mut layout = Layout::new(colour);
    if status.daemon {
        layout.words("", &daemon(status));
    }
    for vip in &status.vips {
        layout.gap();
        // A state is a daemon's; without one there is only what stands.
        let (style, state) = if status.daemon { (style(vip.state), vip.state) } else { (Style::Plain, "no daemon") };
        let (name, place) = (vip.vip.to_string(), format!("on {}:", vip.interface));
        layout.inked("", &[(Style::Bold, &name), (Style::Plain, &place), (style, state)]);
        block(&mut layout, vip, status);
    }
    layout.gap();
    layout.inked("", &[(Style::Bold, "etcd")]);
    for member in &status.endpoints {
        endpoint(&mut layout, member);
    }
    layout.finish()
}

/// Every transition that is remembered, oldest first.
pub fn events(status: &Status, colour: Colour) -> String {
    let mut layout = Layout::new(colour);
    for event in &status.events {
        let (at, place, between) = (event.at.to_string(), format!("on {}:", event.interface), event.between());
        layout.inked(
            "",
            &[(Style::Plain, &at), (Style::Bold, &event.vip), (Style::Plain, &place), (style(event.to), &between)],
        );
        let took = event.took.map_or_else(String::new, |took| format!(", took {}", span(took)));
        layout.words("    ", &format!("{}{took}: {}", event.cause, event.reason));
    }
    if status.events.is_empty() {
        layout.words("", "nothing has happened yet");
    }
    layout.finish()
}

/// That nobody has answered who was asked.
pub fn nobody(why: &str, colour: Colour) -> String {
    let mut layout = Layout::new(colour);
    layout.inked("", &[(Style::BoldRed, "no daemon answers:"), (Style::Plain, why)]);
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
        }
        None => layout.field("found", "(not read)"),
    }
    if let Some(deadline) = vip.deadline {
        layout.field("deadline", &format!("in {} unless confirmed", span(deadline)));
    }
    layout.field("kernel", &kernel(vip));
    if status.daemon {
        let place = (vip.vip.to_string(), vip.interface.to_string());
        counted(layout, status.counters.vips.get(&place).unwrap_or(&Tally::default()));
        recent(layout, &place, &status.events);
    }
}

fn kernel(vip: &VipStatus) -> String {
    match (vip.kernel, vip.link_up) {
        (Some(Lifetime::Forever), _) => "shows it, for ever".to_owned(),
        (Some(Lifetime::Until(left)), _) => format!("shows it, and drops it in {}", span(left)),
        (None, None) => format!("knows no interface {}", vip.interface),
        (None, Some(true)) => "does not show it".to_owned(),
        (None, Some(false)) => format!("does not show it; {} is down", vip.interface),
    }
}

fn counted(layout: &mut Layout, tally: &Tally) {
    layout.field("announced", &format!("{} times, {} failed", tally.announcements, tally.announcement_failures));
    layout.field("renewed", &format!("{} times, {} refused", tally.renewals, tally.refusals));
    layout.field("conflicts", &tally.conflicts.to_string());
}

fn recent(layout: &mut Layout, place: &(String, String), events: &[Arc<Transition>]) {
    let ours = |event: &&Arc<Transition>| event.vip == place.0 && event.interface == place.1;
    let mut last: Vec<_> = events.iter().rev().filter(ours).take(RECENT).collect();
    last.reverse();
    for (row, event) in last.into_iter().enumerate() {
        let took = event.took.map_or_else(String::new, |took| format!(", {}", span(took)));
        let text = format!("{} {} ({}{took})", event.at.time_of_day(), event.between(), event.cause);
        layout.field(if row == 0 { "last" } else { "" }, &text);
    }
}

fn endpoint(layout: &mut Layout, member: &EndpointStatus) {
    let (word, style) = match &member.link {
        EndpointLink::Up => ("up", Style::Green),
        EndpointLink::Connecting => ("connecting", Style::Yellow),
        EndpointLink::Down { .. } => ("down", Style::Red),
    };
    let since = format!("for {}", span(member.since));
    layout.inked("  ", &[(Style::Plain, &member.endpoint), (style, word), (Style::Plain, &since)]);
    if let EndpointLink::Down { why } = &member.link {
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
