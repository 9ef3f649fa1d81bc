//! The trace of a history: one line per event, formatted only if it was requested.

use std::fmt::Write as _;

use vip_manager::keeper::{Cause, Note};

use crate::time::{MILLI, Micros, SECOND};

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Fault,
    Etcd,
    Daemon(usize),
    Kernel(usize),
    Judge,
}

#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    at: Micros,
    who: Who,
    /// It happens every second and matters only shortly before the end.
    routine: bool,
    words: String,
}

impl Trace {
    pub const fn silent() -> Self {
        Self { lines: None }
    }

    pub const fn written() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    pub fn record(&mut self, at: Micros, who: Who, words: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line { at, who, routine: false, words: words() });
        }
    }

    pub fn record_routine(&mut self, at: Micros, who: Who, words: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(Line { at, who, routine: true, words: words() });
        }
    }

    /// The timeline: all faults, and everything in the last half minute.
    pub fn timeline(&self) -> String {
        let Some(lines) = &self.lines else { return String::new() };
        let end = lines.last().map_or(0, |line| line.at);
        let mut text = String::new();
        let mut left_out = 0;
        for Line { at, who, routine, words } in lines {
            let recent = at + if *routine { 4 } else { 40 } * SECOND >= end;
            if !recent && !matches!(who, Who::Fault | Who::Judge) {
                left_out += 1;
                continue;
            }
            if std::mem::take(&mut left_out) > 0 {
                text.push_str("         …\n");
            }
            let (seconds, millis) = (at / SECOND, at % SECOND / MILLI);
            let subject = match who {
                Who::Fault => "   FAULT".to_owned(),
                Who::Etcd => "    etcd".to_owned(),
                Who::Daemon(host) => format!("     pg{}", host + 1),
                Who::Kernel(host) => format!("pg{} kernel", host + 1),
                Who::Judge => "  BROKEN".to_owned(),
            };
            let _infallible = writeln!(text, "{seconds:>6}.{millis:03} s  {subject:<10}  {words}");
        }
        text
    }
}

pub fn name(holder: Option<u8>) -> String {
    holder.map_or("nobody".to_owned(), |holder| format!("pg{}", holder + 1))
}

pub fn note(note: &Note) -> String {
    match note {
        Note::Adopted { .. } => "found the address".to_owned(),
        Note::Waiting { for_what, .. } => format!("waiting: {for_what:?}"),
        Note::Acquired { .. } => "holds".to_owned(),
        Note::Graded { now, .. } => format!("has the grade {}", now.name()),
        Note::Doubtful { .. } => "doubtful".to_owned(),
        Note::Confirmed { .. } => "confirmed again".to_owned(),
        Note::Missing { .. } => "address missing".to_owned(),
        Note::Restored => "address restored".to_owned(),
        Note::Releasing { cause } => format!("releasing: {}", cause_of(cause)),
        Note::Released { .. } => "released".to_owned(),
        Note::StandingBy { .. } => "standing by".to_owned(),
        Note::Claimed { by, .. } => format!("waiting: claimed by {by}"),
        Note::ClaimRefused { .. } => "claim refused".to_owned(),
        Note::ClaimUnconfirmed { .. } => "claim unconfirmed".to_owned(),
        Note::Refused { .. } => "the kernel refuses".to_owned(),
        Note::Echo { .. } => "claim of the former holder".to_owned(),
        Note::Contested { .. } | Note::StillContested { .. } => "contested".to_owned(),
        Note::Uncontested { .. } => "no longer contested".to_owned(),
    }
}

const fn cause_of(cause: &Cause) -> &'static str {
    match cause {
        Cause::Read(_) => "a read",
        Cause::Event(_) => "an event",
        Cause::Deadline { .. } => "the deadline",
        Cause::Lifetime { .. } => "the end of its lifetime in the kernel",
        Cause::LeaseEnding(_) => "the lease is about to end",
        Cause::NeverConfirmed { .. } => "never confirmed",
        Cause::ClaimLost { .. } => "the claim is gone",
        Cause::ClaimTaken { .. } => "claimed by another host",
        Cause::ClaimDeadline { .. } => "the claim's deadline",
        Cause::Foreign => "not added by the daemon",
        Cause::Stop => "stop",
    }
}
