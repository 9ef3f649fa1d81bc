//! The status for people: one block a VIP, eighty columns, colour where it is asked for.

use std::fmt::Write as _;
use std::sync::Arc;

use super::sentence::{self, span};
use super::{EndpointLink, EndpointStatus, KernelLifetime, Status, Tally, Transition, VipStatus};

/// Whether a text may carry the terminal's commands for colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    No,
    Yes,
}

/// The whole status.
pub fn status(status: &Status, colour: Colour) -> String {
    let pen = Pen { colour };
    let mut page = Page::default();
    if status.daemon {
        let age = status.taken.0.saturating_sub(status.started.0);
        let config = status.config.as_deref().unwrap_or("no file");
        page.wrapped(
            "",
            &format!(
                "vip-manager {} on {}, process {}, up for {}, {config}",
                status.version,
                status.host,
                status.pid,
                span(age)
            ),
        );
    }
    for vip in &status.vips {
        page.gap();
        // A state is a daemon's; without one there is only what stands.
        let state = if status.daemon { pen.state(vip.state) } else { "no daemon".to_owned() };
        page.line(&format!("{} on {}: {state}", pen.bold(&vip.vip.to_string()), vip.interface));
        block(&mut page, vip, status);
    }
    page.gap();
    page.line(&pen.bold("etcd"));
    for member in &status.endpoints {
        endpoint(&mut page, member, &pen);
    }
    page.text
}

/// Every transition that is remembered, oldest first.
pub fn events(status: &Status, colour: Colour) -> String {
    let pen = Pen { colour };
    let mut page = Page::default();
    for event in &status.events {
        let took = event.took.map_or_else(String::new, |took| format!(", took {}", span(took)));
        page.line(&format!(
            "{}  {} on {}: {} -> {} ({}{took})",
            event.at,
            pen.bold(&clean(&event.vip)),
            event.interface,
            event.from,
            pen.state(event.to),
            event.cause,
        ));
        page.wrapped("    ", &event.reason);
    }
    if status.events.is_empty() {
        page.line("nothing has happened yet");
    }
    page.text
}

fn block(page: &mut Page, vip: &VipStatus, status: &Status) {
    page.wrapped("  ", &sentence::why(vip));
    page.field("key", &vip.key);
    page.field("expected", &vip.expected);
    match &vip.read {
        Some(read) => {
            let found = read.holder.as_ref().map_or("(absent)", |holder| holder);
            page.field("found", &format!("{found} (revision {})", read.revision));
            page.field("read", &format!("{} ago from {}", span(read.age), read.from));
            page.field("lease", &sentence::lease(read.lease));
        }
        None => page.field("found", "(not read)"),
    }
    if let Some(deadline) = vip.deadline {
        page.field("deadline", &format!("in {} unless confirmed", span(deadline)));
    }
    page.field("kernel", &kernel(vip));
    if status.daemon {
        let place = (vip.vip.to_string(), vip.interface.to_string());
        counted(page, status.counters.vips.get(&place).unwrap_or(&Tally::default()));
        recent(page, &place, &status.events);
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

fn counted(page: &mut Page, tally: &Tally) {
    page.field("announced", &format!("{} times, {} failed", tally.announcements, tally.announcement_failures));
    page.field("renewed", &format!("{} times, {} refused", tally.renewals, tally.refusals));
    page.field("conflicts", &tally.conflicts.to_string());
}

fn recent(page: &mut Page, place: &(String, String), events: &[Arc<Transition>]) {
    let ours = |event: &&Arc<Transition>| event.vip == place.0 && event.interface == place.1;
    let mut last: Vec<_> = events.iter().rev().filter(ours).take(RECENT).collect();
    last.reverse();
    for (row, event) in last.into_iter().enumerate() {
        let took = event.took.map_or_else(String::new, |took| format!(", {}", span(took)));
        let text = format!("{} {} -> {} ({}{took})", event.at.time_of_day(), event.from, event.to, event.cause);
        page.field(if row == 0 { "last" } else { "" }, &text);
    }
}

fn endpoint(page: &mut Page, member: &EndpointStatus, pen: &Pen) {
    let since = span(member.since);
    let name = clean(&member.endpoint);
    match &member.link {
        EndpointLink::Up => page.line(&format!("  {name}  {} for {since}", pen.paint("32", "up"))),
        EndpointLink::Connecting => page.line(&format!("  {name}  {} for {since}", pen.paint("33", "connecting"))),
        EndpointLink::Down { why } => {
            page.line(&format!("  {name}  {} for {since}", pen.paint("31", "down")));
            page.wrapped("    ", why);
        }
    }
}

struct Pen {
    colour: Colour,
}

impl Pen {
    fn paint(&self, code: &str, text: &str) -> String {
        match self.colour {
            Colour::Yes => format!("\x1b[{code}m{text}\x1b[0m"),
            Colour::No => text.to_owned(),
        }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn state(&self, state: &str) -> String {
        match state {
            "held" => self.paint("1;32", state),
            "doubtful" | "acquiring" | "releasing" => self.paint("1;33", state),
            "unknown" => self.paint("1;31", state),
            other => self.paint("1", other),
        }
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        let _infallible = writeln!(self.text, "{line}");
    }

    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        let first = format!("  {name:<NAME$}");
        self.filled(&first, &" ".repeat(NAME + 2), value);
    }

    fn wrapped(&mut self, indent: &str, text: &str) {
        self.filled(indent, indent, text);
    }

    /// Words as they fit; one that is longer than a line has one of its own.
    fn filled(&mut self, first: &str, next: &str, text: &str) {
        let mut line = first.to_owned();
        let mut empty = true;
        for word in clean(text).split_whitespace() {
            if !empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
                self.line(&line);
                next.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.line(line.trim_end());
    }
}

/// What came from outside must not reach the terminal as a command.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

const COLUMNS: usize = 80;
const NAME: usize = 11;
const RECENT: usize = 5;
