//! The status for people: one block a VIP, eighty columns, colour where it is asked for.

use std::sync::Arc;

use super::sentence::{self, span};
use super::sheet::{Ink, Sheet};
use super::{EndpointLink, EndpointStatus, KernelLifetime, Status, Tally, Transition, VipStatus};

/// Whether a text may carry the terminal's commands for colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    No,
    Yes,
}

/// The whole status.
pub fn status(status: &Status, colour: Colour) -> String {
    let mut sheet = Sheet::new(colour);
    if status.daemon {
        sheet.words("", &daemon(status));
    }
    for vip in &status.vips {
        sheet.gap();
        // A state is a daemon's; without one there is only what stands.
        let (ink, state) = if status.daemon { (ink(vip.state), vip.state) } else { (Ink::Plain, "no daemon") };
        let (name, place) = (vip.vip.to_string(), format!("on {}:", vip.interface));
        sheet.inked("", &[(Ink::Bold, &name), (Ink::Plain, &place), (ink, state)]);
        block(&mut sheet, vip, status);
    }
    sheet.gap();
    sheet.inked("", &[(Ink::Bold, "etcd")]);
    for member in &status.endpoints {
        endpoint(&mut sheet, member);
    }
    sheet.finish()
}

/// Every transition that is remembered, oldest first.
pub fn events(status: &Status, colour: Colour) -> String {
    let mut sheet = Sheet::new(colour);
    for event in &status.events {
        let (at, place, between) = (event.at.to_string(), format!("on {}:", event.interface), event.between());
        sheet.inked("", &[(Ink::Plain, &at), (Ink::Bold, &event.vip), (Ink::Plain, &place), (ink(event.to), &between)]);
        let took = event.took.map_or_else(String::new, |took| format!(", took {}", span(took)));
        sheet.words("    ", &format!("{}{took}: {}", event.cause, event.reason));
    }
    if status.events.is_empty() {
        sheet.words("", "nothing has happened yet");
    }
    sheet.finish()
}

/// That nobody has answered who was asked.
pub fn nobody(why: &str, colour: Colour) -> String {
    let mut sheet = Sheet::new(colour);
    sheet.inked("", &[(Ink::BoldRed, "no daemon answers:"), (Ink::Plain, why)]);
    sheet.finish()
}

fn daemon(status: &Status) -> String {
    let Status { version, host, pid, .. } = status;
    let age = span(status.taken.0.saturating_sub(status.started.0));
    let config = status.config.as_deref().unwrap_or("no file");
    format!("vip-manager {version} on {host}, process {pid}, up for {age}, {config}")
}

fn block(sheet: &mut Sheet, vip: &VipStatus, status: &Status) {
    sheet.words("  ", &sentence::why(vip));
    sheet.field("key", &vip.key);
    sheet.field("expected", &vip.expected);
    match &vip.read {
        Some(read) => {
            let found = read.holder.as_ref().map_or("(absent)", |holder| holder);
            sheet.field("found", &format!("{found} (revision {})", read.revision));
            sheet.field("read", &format!("{} ago from {}", span(read.age), read.from));
            sheet.field("lease", &sentence::lease(read.lease));
        }
        None => sheet.field("found", "(not read)"),
    }
    if let Some(deadline) = vip.deadline {
        sheet.field("deadline", &format!("in {} unless confirmed", span(deadline)));
    }
    sheet.field("kernel", &kernel(vip));
    if status.daemon {
        let place = (vip.vip.to_string(), vip.interface.to_string());
        counted(sheet, status.counters.vips.get(&place).unwrap_or(&Tally::default()));
        recent(sheet, &place, &status.events);
    }
}

fn kernel(vip: &VipStatus) -> String {
    match (vip.kernel, vip.link_up) {
        (Some(KernelLifetime::Never), _) => "shows it, for ever".to_owned(),
        (Some(KernelLifetime::In(left)), _) => format!("shows it, and drops it in {}", span(left)),
        (None, None) => format!("knows no interface {}", vip.interface),
        (None, Some(true)) => "does not show it".to_owned(),
        (None, Some(false)) => format!("does not show it; {} is down", vip.interface),
    }
}

fn counted(sheet: &mut Sheet, tally: &Tally) {
    sheet.field("announced", &format!("{} times, {} failed", tally.announcements, tally.announcement_failures));
    sheet.field("renewed", &format!("{} times, {} refused", tally.renewals, tally.refusals));
    sheet.field("conflicts", &tally.conflicts.to_string());
}

fn recent(sheet: &mut Sheet, place: &(String, String), events: &[Arc<Transition>]) {
    let ours = |event: &&Arc<Transition>| event.vip == place.0 && event.interface == place.1;
    let mut last: Vec<_> = events.iter().rev().filter(ours).take(RECENT).collect();
    last.reverse();
    for (row, event) in last.into_iter().enumerate() {
        let took = event.took.map_or_else(String::new, |took| format!(", {}", span(took)));
        let text = format!("{} {} ({}{took})", event.at.time_of_day(), event.between(), event.cause);
        sheet.field(if row == 0 { "last" } else { "" }, &text);
    }
}

fn endpoint(sheet: &mut Sheet, member: &EndpointStatus) {
    let (word, ink) = match &member.link {
        EndpointLink::Up => ("up", Ink::Green),
        EndpointLink::Connecting => ("connecting", Ink::Yellow),
        EndpointLink::Down { .. } => ("down", Ink::Red),
    };
    let since = format!("for {}", span(member.since));
    sheet.inked("  ", &[(Ink::Plain, &member.endpoint), (ink, word), (Ink::Plain, &since)]);
    if let EndpointLink::Down { why } = &member.link {
        sheet.words("    ", why);
    }
}

fn ink(state: &str) -> Ink {
    match state {
        "held" => Ink::BoldGreen,
        "doubtful" | "acquiring" | "releasing" => Ink::BoldYellow,
        "unknown" => Ink::BoldRed,
        _ => Ink::Bold,
    }
}

const RECENT: usize = 5;
