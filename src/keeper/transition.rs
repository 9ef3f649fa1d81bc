//! From what was read or heard to a fact, from a fact to the next state, and what each transition brings with it.

use std::time::Duration;

use super::contract::Keeper;
use super::evidence::{Limits, Verdict};
use super::input::{KeyEvent, KeyRead, Tenure};
use super::note::{Cause, Note, Obstacle};
use super::renewal::SHORTEST_LIFETIME;
use super::state::{Fact, State};
use crate::time::Moment;

impl Keeper {
    pub(super) fn handle_key_read(&mut self, read: KeyRead, now: Moment) {
        let limits = Limits { hold_timeout: self.rules.hold_timeout, lease_margin: self.rules.lease_margin };
        match self.evidence.read(&read, limits) {
            Verdict::Overtaken | Verdict::Inconclusive => {}
            Verdict::NotMine => {
                self.unreachable = None;
                self.qualified = None;
                self.decide_by(&read);
                let named = Some(read.names.clone());
                let known = self.narration.told_holder == named;
                self.narration.told_holder = named;
                if self.state == State::Standby && !known {
                    self.notes.push_back(Note::StandingBy { cause: Cause::Read(read) });
                } else {
                    self.step(Fact::NotMine, Some(Cause::Read(read)), now);
                }
            }
            Verdict::Mine { until } => {
                self.unreachable = None;
                self.decide_by(&read);
                self.narration.told_holder = None;
                self.confirmed_at = self.confirmed_at.max(read.answered_at);
                self.note_grade(&read);
                // What the store does not prove is no bound where a claim is one, or is to be.
                let unbound = matches!(read.tenure, Tenure::Assumed { .. }) && self.is_claimed_or_to_be();
                let until = if unbound { read.sent_at + self.rules.hold_timeout } else { until };
                let until = self.outage.map_or(until, |outage| outage.bound(&read, until));
                self.consider_hold(until, read, now);
            }
        }
    }

    /// The grade at the beginning of a hold is told by the note of that.
    fn note_grade(&mut self, read: &KeyRead) {
        let holding = matches!(self.state, State::Held { .. } | State::Doubtful { .. });
        if let (true, Some(now), Some(before)) = (holding, self.grade_of(read), self.narration.told_grade)
            && now != before
        {
            self.narration.told_grade = Some(now);
            self.notes.push_back(Note::Graded { evidence: read.clone(), before, now });
        }
    }

    pub(super) fn consider_hold(&mut self, until: Moment, read: KeyRead, now: Moment) {
        self.qualified = Some(until);
        // An inherited address is being held, perhaps by a daemon that is gone: what ends a hold ends it too.
        let holding = match self.state {
            State::Acquiring { .. } | State::Held { .. } | State::Doubtful { .. } => true,
            State::Unknown { adopting } => adopting.is_some(),
            State::Standby | State::Releasing { .. } | State::Stopped { .. } => false,
        };
        if !self.is_holding() && !self.admits(&read) {
            return;
        }
        let by_reads = until;
        let until = self.bounded(by_reads);
        let least = if holding { Duration::from_nanos(1) } else { SHORTEST_LIFETIME };
        if until >= now + least {
            self.step(Fact::Mine { until }, None, now);
        } else if until < by_reads {
            let cause = self.claim_deadline();
            self.step(Fact::Expired, Some(cause), now);
        } else if holding {
            self.step(Fact::Expired, Some(Cause::LeaseEnding(read)), now);
        } else {
            self.wait_for(Obstacle::LeaseTooShort);
        }
    }

    pub(super) fn handle_key_event(&mut self, event: KeyEvent, now: Moment) {
        if !self.evidence.event(&event) {
            return;
        }
        if event.names.is_us() {
            self.expect_hold(event.heard_at);
        } else {
            self.qualified = None;
            self.expect_nothing();
            if self.state != State::Standby {
                self.narration.told_holder = Some(event.names.clone());
            }
            self.step(Fact::NotMine, Some(Cause::Event(event)), now);
        }
    }

    pub(super) fn step(&mut self, fact: Fact, cause: Option<Cause>, now: Moment) {
        let before = self.state;
        self.state = before.after(fact);
        if std::mem::discriminant(&before) != std::mem::discriminant(&self.state) {
            self.on_exit(before, now);
            self.on_entry(before, cause, now);
        }
    }

    fn on_exit(&mut self, before: State, now: Moment) {
        match before {
            State::Held { .. } => self.conflict.cancel_answer(),
            State::Releasing { .. } => {
                self.lapsed = false;
                self.conclude_release(now);
            }
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Doubtful { .. }
            | State::Stopped { .. } => {}
        }
    }

    fn on_entry(&mut self, before: State, cause: Option<Cause>, now: Moment) {
        match self.state {
            State::Acquiring { .. } => {
                self.programmed = None;
                self.narration.missing = matches!(before, State::Held { .. } | State::Doubtful { .. });
                if self.narration.missing {
                    let suppressed = self.narration.interventions.count(now);
                    self.narration.missing_told = suppressed.is_some();
                    self.notes.extend(suppressed.map(|suppressed| Note::Missing { suppressed }));
                    self.note_interference(now);
                } else {
                    self.narration.decided_at = now;
                    self.backoff.reset();
                }
            }
            State::Held { until } => {
                if matches!(before, State::Acquiring { .. }) && !self.narration.missing {
                    self.conflict.begin_hold(now);
                }
                self.note_held(before, until, now);
                self.restart_announcements(now);
            }
            State::Doubtful { until } => {
                self.plan_align(now);
                self.narration.decided_at = self.confirmed_at;
                let last = self.evidence.newest().cloned();
                self.notes.push_back(Note::Doubtful { last, why: self.unreachable.clone(), until });
            }
            State::Releasing { .. } => self.begin_release(before, cause.unwrap_or(Cause::Stop), now),
            State::Unknown { .. } | State::Standby | State::Stopped { .. } => self.end_conflict(),
        }
    }

    fn begin_release(&mut self, before: State, cause: Cause, now: Moment) {
        let was_present = !self.present().is_empty() || matches!(before, State::Held { .. } | State::Doubtful { .. });
        self.narration.decided_at = now;
        self.programmed = None;
        self.align_at = None;
        self.end_conflict();
        let foreign = cause == Cause::Foreign;
        let told = !foreign || self.narration.interventions.count(now).is_some();
        if was_present && told {
            self.notes.push_back(Note::Releasing { cause: cause.clone() });
        }
        self.narration.release_cause = told.then_some((cause, was_present));
        self.backoff.reset();
        if foreign {
            self.note_interference(now);
        }
    }

    fn conclude_release(&mut self, now: Moment) {
        if let Some((cause, was_present)) = self.narration.release_cause.take() {
            if was_present && !matches!(self.state, State::Acquiring { .. }) {
                self.notes.push_back(Note::Released { cause, after: now.since(self.narration.decided_at) });
            } else if self.state == State::Standby {
                self.notes.push_back(Note::StandingBy { cause });
            }
        }
    }

    fn note_held(&mut self, before: State, until: Moment, now: Moment) {
        self.narration.waiting = None;
        let Some(evidence) = self.evidence.newest().cloned() else { return };
        let grade = self.grade_of(&evidence);
        self.narration.told_grade = grade;
        let note = match before {
            State::Doubtful { .. } => {
                let silent_for = evidence.answered_at.since(self.narration.decided_at);
                Note::Confirmed { evidence, silent_for }
            }
            State::Acquiring { .. } if self.narration.missing => {
                self.notes.extend(self.narration.missing_told.then_some(Note::Restored));
                return;
            }
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Held { .. }
            | State::Releasing { .. }
            | State::Stopped { .. } => {
                Note::Acquired { evidence, until, took: now.since(self.narration.decided_at), grade }
            }
        };
        self.notes.push_back(note);
    }

    /// What follows from the state alone.
    pub(super) fn settle(&mut self, now: Moment) {
        self.check_deadlines(now);
        let linkless = self.view.as_ref().is_some_and(|view| view.link.is_none());
        match self.state {
            // Without the interface there is nothing to remove.
            State::Releasing { .. } if linkless => self.step(Fact::Seen { exact: false, any: false }, None, now),
            State::Acquiring { .. } if linkless => self.wait_for(Obstacle::NoInterface),
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Held { .. }
            | State::Doubtful { .. }
            | State::Releasing { .. }
            | State::Stopped { .. } => {}
        }
        self.settle_claim(now);
    }

    fn wait_for(&mut self, for_what: Obstacle) {
        if self.narration.waiting != Some(for_what)
            && let Some(evidence) = self.evidence.newest().cloned()
        {
            self.narration.waiting = Some(for_what);
            self.notes.push_back(Note::Waiting { evidence, for_what });
        }
    }
}
