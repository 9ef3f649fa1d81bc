//! Another host that claims the address while the key says that it is ours.
//!
//! The answer is a fresh series of announcements, since neighbours believe who spoke last. Two hosts that both do so
//! would shout at each other without end, so the first answer comes at once and the pauses between the next ones
//! grow; a claim that came within a pause is answered at its end. One line tells of the beginning, a rare one that it
//! goes on, one of the end.
//!
//! In the first moments after the address was put up, what the former holder sent last may still be on its way, and
//! two hosts may be a round trip apart in what they know of the key. Such an echo is answered, but wakes nobody.

use std::time::Duration;

use super::{Keeper, Moment, Note, State};
use crate::vip::Mac;

/// What is remembered of the claims of others.
#[derive(Clone, Debug, Default)]
pub(super) struct Conflict {
    /// When the address was put up.
    acquired_at: Moment,
    /// That an echo was told since then.
    echo_told: bool,
    answers: Answers,
    ongoing: Option<Ongoing>,
}

/// The pace of the answers.
#[derive(Clone, Debug, Default)]
struct Answers {
    /// When the next one may be given; nothing before the first.
    not_before: Option<Moment>,
    pause: Duration,
    /// A claim waits for its answer.
    owed: bool,
}

#[derive(Clone, Debug)]
struct Ongoing {
    since: Moment,
    /// When the last claim came.
    last: Moment,
    told_at: Moment,
    claims: u64,
    /// Who was told of; more than these are only counted.
    rivals: Vec<Mac>,
}

impl Keeper {
    /// Takes in that `mac` has claimed the address so many times.
    pub(super) fn rival(&mut self, mac: Mac, claims: u32, now: Moment) {
        // In doubt we may be the one who is wrong, and before and after a hold we are.
        if !matches!(self.state, State::Held { .. }) {
            return;
        }
        if now.since(self.conflict.acquired_at) < ECHO && self.conflict.ongoing.is_none() {
            if !std::mem::replace(&mut self.conflict.echo_told, true) {
                self.notes.push_back(Note::Echo { rival: mac });
            }
        } else {
            let note = self.conflict.claimed(mac, claims, now);
            self.notes.extend(note);
        }
        self.conflict.answers.owed = true;
        self.answer(now);
    }

    /// Forgets an echo of the hold before, and what was owed in it.
    pub(super) fn begin_hold(&mut self, now: Moment) {
        self.conflict.acquired_at = now;
        self.conflict.echo_told = false;
    }

    /// What is owed to a rival is not owed by one who has lost the address, or doubts.
    pub(super) const fn owe_nothing(&mut self) {
        self.conflict.answers.owed = false;
    }

    /// Ends the conflict, if there is one: nobody has claimed the address for a while, or it is no longer ours.
    pub(super) fn end_conflict(&mut self) {
        self.conflict.answers = Answers::default();
        if let Some(over) = self.conflict.ongoing.take() {
            let Some(rival) = over.rivals.last().copied() else { return };
            self.notes.push_back(Note::Uncontested { rival, claims: over.claims, lasted: over.last.since(over.since) });
        }
    }

    /// Takes in that time has passed.
    pub(super) fn watch_conflict(&mut self, now: Moment) {
        self.answer(now);
        if self.conflict.ends_at().is_some_and(|at| at <= now) {
            self.end_conflict();
        }
    }

    /// When there is something to do without a further claim.
    pub(super) fn conflict_deadline(&self) -> Option<Moment> {
        let answers = &self.conflict.answers;
        let answer = answers.not_before.filter(|_| answers.owed && self.may_announce());
        [answer, self.conflict.ends_at()].into_iter().flatten().min()
    }

    fn answer(&mut self, now: Moment) {
        if self.may_announce() && self.conflict.answers.give(now) {
            self.announce_anew(now);
        }
    }
}

impl Conflict {
    fn claimed(&mut self, mac: Mac, claims: u32, now: Moment) -> Option<Note> {
        let claims = u64::from(claims);
        let Some(ongoing) = &mut self.ongoing else {
            self.ongoing = Some(Ongoing { since: now, last: now, told_at: now, claims, rivals: vec![mac] });
            return Some(Note::Contested { rival: mac });
        };
        ongoing.last = now;
        ongoing.claims = ongoing.claims.saturating_add(claims);
        if !ongoing.rivals.contains(&mac) && ongoing.rivals.len() < MOST_RIVALS {
            ongoing.rivals.push(mac);
            ongoing.told_at = now;
            return Some(Note::Contested { rival: mac });
        }
        if now.since(ongoing.told_at) < REMINDER {
            return None;
        }
        ongoing.told_at = now;
        Some(Note::StillContested { rival: mac, claims: ongoing.claims, since: ongoing.since })
    }

    fn ends_at(&self) -> Option<Moment> {
        self.ongoing.as_ref().map(|ongoing| ongoing.last + QUIET)
    }
}

impl Answers {
    /// Whether an answer that is owed may be given now; if so, it counts as given.
    fn give(&mut self, now: Moment) -> bool {
        if !self.owed || self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let calm = self.not_before.is_none_or(|at| now.since(at) >= QUIET);
        self.pause = if calm { FIRST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
        self.not_before = Some(now + self.pause);
        self.owed = false;
        true
    }
}

/// How long after the beginning of a hold a claim may be an echo of the one before: what a stopped process had
/// queued, the time in which two hosts know different things of the key, and a series' next round.
const ECHO: Duration = Duration::from_secs(2);
/// Neighbours ignore a change of mind within a second: to answer more often would not help.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A series takes less, so that each is sent whole even in a lasting fight.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Without a claim for this long, the conflict is over.
const QUIET: Duration = Duration::from_secs(60);
const REMINDER: Duration = Duration::from_secs(600);
/// A sender that makes up a new hardware address for each packet is told of this often.
const MOST_RIVALS: usize = 4;
