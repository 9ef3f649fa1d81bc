//! Another host claims the address while the key says that it is ours.
//!
//! The answer is a fresh series of announcements, since neighbours believe the last packet. Two hosts that both answer
//! would do so without end. So the first answer is sent at once, and the pauses before the next ones grow; a claim
//! within a pause is answered at its end. One note reports the beginning, a rare one that it continues, one the end.
//!
//! Just after the address was added, packets of the former holder may still be on their way, and two hosts may differ
//! by a round trip in what they know of the key. Such an echo is answered, but is no conflict.

use std::time::Duration;

use crate::time::Moment;
use crate::vip::Mac;

/// The claims of others since the address was added.
#[derive(Clone, Debug, Default)]
pub(super) struct Conflict {
    /// When the address was added.
    acquired_at: Moment,
    /// An echo was reported since then.
    echo_told: bool,
    answers: Answers,
    ongoing: Option<Ongoing>,
}

/// A claim that is worth a note.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    Echo,
    /// The first of this rival in this conflict.
    First,
    Ongoing {
        claims: u64,
        since: Moment,
    },
}

/// The pace of the answers.
#[derive(Clone, Debug, Default)]
struct Answers {
    /// When the next one may be sent; `None` before the first.
    not_before: Option<Moment>,
    pause: Duration,
    /// A claim waits for its answer.
    pending: bool,
}

#[derive(Clone, Debug)]
struct Ongoing {
    since: Moment,
    /// When the last claim came.
    last: Moment,
    told_at: Moment,
    claims: u64,
    /// Those that were reported; any beyond these are only counted.
    rivals: Vec<Mac>,
}

impl Conflict {
    /// The address was added: forgets the echo of the hold before.
    pub(super) const fn begin_hold(&mut self, now: Moment) {
        self.acquired_at = now;
        self.echo_told = false;
    }

    /// Takes a claim, which then waits for its answer.
    pub(super) fn claimed(&mut self, mac: Mac, claims: u32, now: Moment) -> Option<Claim> {
        self.answers.pending = true;
        if now.since(self.acquired_at) < ECHO && self.ongoing.is_none() {
            return (!std::mem::replace(&mut self.echo_told, true)).then_some(Claim::Echo);
        }
        let claims = u64::from(claims);
        let Some(ongoing) = &mut self.ongoing else {
            self.ongoing = Some(Ongoing { since: now, last: now, told_at: now, claims, rivals: vec![mac] });
            return Some(Claim::First);
        };
        ongoing.last = now;
        ongoing.claims = ongoing.claims.saturating_add(claims);
        if !ongoing.rivals.contains(&mac) && ongoing.rivals.len() < MOST_RIVALS {
            ongoing.rivals.push(mac);
            ongoing.told_at = now;
            return Some(Claim::First);
        }
        if now.since(ongoing.told_at) < REMINDER {
            return None;
        }
        ongoing.told_at = now;
        Some(Claim::Ongoing { claims: ongoing.claims, since: ongoing.since })
    }

    /// Ends the conflict, if there is one: with whom, after how many claims, and how long it lasted.
    pub(super) fn end(&mut self) -> Option<(Mac, u64, Duration)> {
        self.answers = Answers::default();
        let over = self.ongoing.take()?;
        Some((*over.rivals.last()?, over.claims, over.last.since(over.since)))
    }

    /// When the conflict is over unless there is another claim.
    pub(super) fn ends_at(&self) -> Option<Moment> {
        self.ongoing.as_ref().map(|ongoing| ongoing.last + QUIET)
    }

    /// When an answer that is pending may be sent.
    pub(super) fn answer_at(&self) -> Option<Moment> {
        self.answers.not_before.filter(|_| self.answers.pending)
    }

    /// A host that has lost the address, or doubts, owes no answer.
    pub(super) const fn cancel_answer(&mut self) {
        self.answers.pending = false;
    }

    /// Whether a pending answer may be sent now; if so, it counts as sent.
    pub(super) fn take_answer(&mut self, now: Moment) -> bool {
        let answers = &mut self.answers;
        if !answers.pending || answers.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let calm = answers.not_before.is_none_or(|at| now.since(at) >= QUIET);
        answers.pause = if calm { FIRST_PAUSE } else { (answers.pause * 2).min(LONGEST_PAUSE) };
        answers.not_before = Some(now + answers.pause);
        answers.pending = false;
        true
    }
}

/// How long after the beginning of a hold a claim may be an echo of the one before: what a stopped process had queued,
/// the time in which two hosts know different things of the key, and the next round of a series.
const ECHO: Duration = Duration::from_secs(2);
/// Neighbours ignore a second change within a second: answering more often would not help.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A series takes less, so that each is sent whole even in a lasting conflict.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Without a claim for this long, the conflict is over.
const QUIET: Duration = Duration::from_secs(60);
const REMINDER: Duration = Duration::from_secs(600);
/// A sender that invents a new hardware address for each packet is reported this often.
pub(super) const MOST_RIVALS: usize = 4;
