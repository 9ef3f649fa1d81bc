//! The output of the demo: one line per event, in chronological order, and a table at the end.

use std::collections::BTreeSet;
use std::env;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use vip_manager::time::Moment;

use crate::steps::StepResult;
use crate::support::clock::now;

/// How long an event waits for earlier events that a slower observer reports.
const SETTLE: Duration = Duration::from_millis(150);
const WIDTH: usize = 100;

/// The kind of an event. It determines the colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The demo does something to the cluster.
    Action,
    /// The leader key changed.
    Key,
    /// A host has acquired the address.
    Took(usize),
    /// A host has lost it.
    Lost(usize),
    /// A packet reached the client.
    Packet,
    /// The client works.
    ClientOk,
    /// The client has a problem.
    ClientTrouble,
}

/// Collects events and prints them once their order is certain.
pub(crate) struct Timeline {
    start: Moment,
    waiting: Vec<(Moment, Kind, String)>,
    holders: BTreeSet<usize>,
    hosts: usize,
}

impl Timeline {
    pub(crate) fn new(hosts: usize) -> Self {
        Self { start: now(), waiting: Vec::new(), holders: BTreeSet::new(), hosts }
    }

    pub(crate) fn event(&mut self, at: Moment, kind: Kind, text: impl Into<String>) {
        self.waiting.push((at, kind, text.into()));
    }

    /// Adds an event for what the demo does now.
    pub(crate) fn say(&mut self, text: impl Into<String>) {
        self.event(now(), Kind::Action, text);
    }

    /// Prints the events that no earlier event can precede any more.
    pub(crate) fn settle(&mut self) {
        self.print_until(now() - SETTLE);
    }

    /// Prints all events and a heading.
    pub(crate) fn heading(&mut self, text: &str) {
        self.print_until(now());
        let rule = "─".repeat(WIDTH.saturating_sub(text.chars().count() + 4));
        print(&format!("\n{}\n", paint("1", &format!("── {text} {rule}"))));
    }

    /// Prints all events.
    pub(crate) fn flush(&mut self) {
        self.print_until(now());
    }

    fn print_until(&mut self, limit: Moment) {
        self.waiting.sort_by_key(|(at, _, _)| *at);
        let ready = self.waiting.partition_point(|(at, _, _)| *at <= limit);
        for (at, kind, text) in self.waiting.drain(..ready).collect::<Vec<_>>() {
            self.print_event(at, kind, &text);
        }
    }

    fn print_event(&mut self, at: Moment, kind: Kind, text: &str) {
        match kind {
            Kind::Took(host) => drop(self.holders.insert(host)),
            Kind::Lost(host) => drop(self.holders.remove(&host)),
            Kind::Action | Kind::Key | Kind::Packet | Kind::ClientOk | Kind::ClientTrouble => {}
        }
        let dots: Vec<String> = (0..self.hosts).map(|host| self.dot(host)).collect();
        let (colour, sign) = match kind {
            Kind::Action => ("1", "▶"),
            Kind::Key => ("35", "="),
            Kind::Took(_) => ("32", "+"),
            Kind::Lost(_) => ("33", "-"),
            Kind::Packet => ("36", "»"),
            Kind::ClientOk => ("2", "·"),
            Kind::ClientTrouble => ("31", "!"),
        };
        let time = at.since(self.start).as_secs_f64();
        print(&format!("{time:8.3}   {}   {}\n", dots.join("   "), paint(colour, &format!("{sign} {text}"))));
    }

    fn dot(&self, host: usize) -> String {
        match (self.holders.contains(&host), self.holders.len()) {
            (false, _) => paint("2", "·"),
            (true, 1) => paint("32", "●"),
            (true, _) => paint("31", "●"),
        }
    }
}

/// Prints the introduction.
pub(crate) fn open(hosts: &[String], text: &str) {
    print(&format!("\n{text}\n\n    time   {}\n", hosts.join(" ")));
}

/// Prints the table of results.
pub(crate) fn close(results: &[StepResult]) {
    let line = |cells: [&str; 6]| {
        let [what, hosts, away, silent, lost, connection] = cells;
        format!("  {what:<32} {hosts:<9} {away:>10} {silent:>10} {lost:>6}  {connection}\n")
    };
    let heading = line(["", "hosts", "no holder", "no answer", "pings", "connection"]);
    print(&format!("\n{}\n{}", paint("1", &format!("── Summary {}", "─".repeat(WIDTH - 11))), paint("2", &heading)));
    for result in results {
        print(&line([
            &result.what,
            &result.hosts,
            &span(result.away),
            &span(result.silent),
            &result.lost.to_string(),
            &result.connection,
        ]));
    }
    let overlap: Duration = results.iter().map(|result| result.overlap).sum();
    if overlap.is_zero() {
        print(&format!("\n  {}\n\n", paint("32", "Two hosts never had the address at the same time.")));
    } else {
        let text = format!("Two hosts had the address at the same time for {}.", span(overlap));
        print(&format!("\n  {}\n\n", paint("31", &text)));
    }
}

/// Formats a duration.
pub(crate) fn span(duration: Duration) -> String {
    if duration.is_zero() {
        "-".to_owned()
    } else if duration < Duration::from_millis(10) {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    } else if duration < Duration::from_secs(1) {
        format!("{:.0} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

fn paint(colour: &str, text: &str) -> String {
    let wanted = stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

fn print(text: &str) {
    // If the pipe is closed, the demo continues so that the lab is removed properly.
    let _ = stdout().write_all(text.as_bytes());
}
