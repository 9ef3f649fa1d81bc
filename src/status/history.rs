//! The last transitions with their causes, in a bounded ring that survives a reload.
//!
//! It is fed from the notes that make the log lines, so the two cannot contradict each other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::keeper::{Cause, Note};
use crate::time::WallTime;

/// One transition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// Counted since the start of the daemon.
    pub number: u64,
    pub at: WallTime,
    pub vip: String,
    pub interface: String,
    pub from: &'static str,
    pub to: &'static str,
    /// One word, for machines.
    pub cause: &'static str,
    /// The log line, for people.
    pub reason: String,
    /// The endpoint that reported it.
    pub source: Option<Arc<str>>,
    /// From the decision until the kernel had carried it out.
    pub took: Option<Duration>,
}

/// The last [`CAPACITY`] transitions.
#[derive(Clone, Debug, Default)]
pub struct History {
    ring: VecDeque<Arc<Transition>>,
    count: u64,
}

impl History {
    /// Adds a transition and numbers it. Drops the oldest if the ring is full.
    pub fn push(&mut self, transition: Transition) {
        self.count += 1;
        if self.ring.len() == CAPACITY {
            self.ring.pop_front();
        }
        self.ring.push_back(Arc::new(Transition { number: self.count, ..transition }));
    }

    /// Oldest first.
    pub fn all(&self) -> Vec<Arc<Transition>> {
        self.ring.iter().cloned().collect()
    }
}

impl Transition {
    /// "from -> to", or the state alone if it did not change.
    pub fn between(&self) -> String {
        let Self { from, to, .. } = self;
        if from == to { (*to).to_owned() } else { format!("{from} -> {to}") }
    }
}

/// What a note means as a transition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    pub to: &'static str,
    pub cause: &'static str,
    pub source: Option<Arc<str>>,
    pub took: Option<Duration>,
}

/// The transition that a note describes, if any; `now` is the keeper's state after it.
pub fn told(note: &Note, now: &'static str) -> Option<Told> {
    let told = |to, cause, source: Option<&Arc<str>>, took| Some(Told { to, cause, source: source.cloned(), took });
    match note {
        Note::Adopted { .. } => told("unknown", START, None, None),
        Note::Acquired { evidence, took, .. } => told("held", "read", Some(&evidence.from), Some(*took)),
        Note::Doubtful { last, .. } => told("doubtful", "silence", last.as_ref().map(|last| &last.from), None),
        Note::Confirmed { evidence, .. } => told("held", "read", Some(&evidence.from), None),
        Note::Missing { .. } => told("acquiring", "taken-away", None, None),
        Note::Restored => told("held", "put-back", None, None),
        Note::Released { cause, after } => told(resting(cause, now), word(cause), source(cause), Some(*after)),
        Note::StandingBy { cause } => told("standby", word(cause), source(cause), None),
        // The address did not move, but something happened to it.
        Note::Contested { .. } => told(now, "conflict", None, None),
        Note::Uncontested { lasted, .. } => told(now, "conflict-over", None, Some(*lasted)),
        Note::Echo { .. }
        | Note::Graded { .. }
        | Note::StillContested { .. }
        | Note::Waiting { .. }
        | Note::Releasing { .. }
        | Note::Claimed { .. }
        | Note::ClaimRefused { .. }
        | Note::ClaimUnconfirmed { .. }
        | Note::Refused { .. } => None,
    }
}

/// The state before the first transition: `stopped` for an inherited address, which nobody has managed until now, and
/// `unknown` for any other.
pub fn origin(first: &Told) -> &'static str {
    if first.cause == START { "stopped" } else { "unknown" }
}

/// The state that a release leads to. The keeper itself may have moved on since.
fn resting(cause: &Cause, now: &'static str) -> &'static str {
    match cause {
        Cause::Read(_) | Cause::Event(_) => "standby",
        Cause::Deadline { .. }
        | Cause::Lifetime { .. }
        | Cause::LeaseEnding(_)
        | Cause::NeverConfirmed { .. }
        | Cause::ClaimLost { .. }
        | Cause::ClaimTaken { .. }
        | Cause::ClaimDeadline { .. } => "unknown",
        Cause::Stop => "stopped",
        Cause::Foreign => now,
    }
}

const fn word(cause: &Cause) -> &'static str {
    match cause {
        Cause::Read(_) => "read",
        Cause::Event(_) => "event",
        Cause::Deadline { .. } => "deadline",
        Cause::Lifetime { .. } => "lifetime",
        Cause::LeaseEnding(_) => "lease",
        Cause::NeverConfirmed { .. } => "never-confirmed",
        Cause::ClaimLost { .. } => "claim-lost",
        Cause::ClaimTaken { .. } => "claim-taken",
        Cause::ClaimDeadline { .. } => "claim-deadline",
        Cause::Foreign => "intruder",
        Cause::Stop => "stop",
    }
}

fn source(cause: &Cause) -> Option<&Arc<str>> {
    match cause {
        Cause::Read(read) | Cause::LeaseEnding(read) => Some(&read.from),
        Cause::Event(change) => Some(&change.from),
        Cause::Deadline { last, .. } | Cause::Lifetime { last, .. } => last.as_ref().map(|last| &last.from),
        Cause::NeverConfirmed { .. }
        | Cause::ClaimLost { .. }
        | Cause::ClaimTaken { .. }
        | Cause::ClaimDeadline { .. }
        | Cause::Foreign
        | Cause::Stop => None,
    }
}

const START: &str = "start";

/// Number of remembered transitions.
pub const CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Transition {
        Transition {
            number: 0,
            at: WallTime::default(),
            vip: "10.0.0.5/32".into(),
            interface: "eth0".into(),
            from: "standby",
            to: "held",
            cause: "read",
            reason: String::new(),
            source: None,
            took: None,
        }
    }

    #[test]
    fn an_event_without_a_move_shows_the_state_alone() {
        assert_eq!(one().between(), "standby -> held");
        assert_eq!(Transition { from: "held", cause: "conflict", ..one() }.between(), "held");
    }

    #[test]
    fn the_ring_keeps_the_last_256_and_numbering_continues() {
        let mut history = History::default();
        for _ in 0..300 {
            history.push(one());
        }
        let all = history.all();
        assert_eq!((all.len(), all[0].number, all[255].number), (256, 45, 300));
    }
}
