//! The claim: a key of our own in the same store, one per VIP, under a lease or session of our own.
//!
//! A leader key says who leads. It cannot say until when a host that is cut off still holds the VIP, and not every
//! store says how long the key lasts. The claim answers both: nobody else can have it while it is ours, and we know
//! when each of our renewals was sent, so we know a moment before which the store cannot have ended it.
//!
//! # Rules
//! - C1: The address is added only if a read names this host and the claim is acknowledged, and that read was sent after
//!   it or the very step that created the claim showed that the leader key names this host. A store that compares the
//!   leader key in that step may be asked as soon as a watch has heard of the change, while the key is read.
//! - C2: The claim ends the hold a margin before the store can end the claim, counted from when the last acknowledged
//!   renewal was sent.
//! - C3: The claim is deleted after the kernel has confirmed that the address is gone, never before.
//! - C4: A claim of another host is waited for. It is neither taken over nor deleted.
//! - C5: A claim that is gone releases the address at once.
//! - C6: Without the right to claim, `require` adds nothing, and `auto` goes by the leader key alone.
//!
//! What is wanted of the claim follows from the state alone ([`ClaimWish`]), and the source carries it out.

use std::sync::Arc;
use std::time::Duration;

use super::claim::{ClaimMode, ClaimReport, ClaimWish, Claimed};
use super::contract::Keeper;
use super::input::{Grade, KeyRead};
use super::note::{Cause, Note};
use super::state::{Fact, State};
use crate::time::Moment;

impl Keeper {
    /// What is wanted of the claim now.
    pub const fn claim_wish(&self) -> ClaimWish {
        self.claim.wish
    }

    /// What is known of the claim; `None` if the VIP is not claimed.
    pub fn claimed(&self) -> Option<&Claimed> {
        (self.rules.claim != ClaimMode::Off).then_some(&self.claim.known)
    }

    pub(super) fn handle_claim(&mut self, report: ClaimReport, now: Moment) {
        if self.rules.claim == ClaimMode::Off {
            return;
        }
        match report {
            ClaimReport::Held { sent_at, answered_at, bound, named } => {
                if !self.claim.wish.is_wanted() || sent_at <= self.claim.wanted_since {
                    return;
                }
                let until = sent_at + bound.saturating_sub(self.rules.lease_margin);
                self.claim.known = match self.claim.known {
                    // What was acknowledged before stays true.
                    Claimed::Ours { until: before } => Claimed::Ours { until: until.max(before) },
                    Claimed::Unknown | Claimed::Taken { .. } | Claimed::Refused { .. } | Claimed::Absent => {
                        // The read that made this host claim is confirmed by what came with the claim.
                        self.claim.reads_count_from = if named { Moment::default() } else { answered_at };
                        Claimed::Ours { until }
                    }
                };
                self.claim.unconfirmed = None;
                self.claim.told_by = None;
                self.claim.told_refused = false;
                self.move_bound(now);
                self.hold_by_newest_read(now);
            }
            ClaimReport::Taken { by, at_most } => self.respect(by, at_most, now),
            ClaimReport::Lost { why } => self.lose(why, now),
            ClaimReport::Absent => self.lose("it is absent".into(), now),
            ClaimReport::Refused { why, cure } => self.be_refused(why, cure),
            ClaimReport::Unknown { why } => {
                let known = self.claim.unconfirmed.replace(Arc::clone(&why)).is_some();
                if !known && self.claim.wish == ClaimWish::Hold {
                    let until = self.claim_until().filter(|_| self.is_holding());
                    self.notes.push_back(Note::ClaimUnconfirmed { why, until });
                }
            }
        }
    }

    fn respect(&mut self, by: Arc<str>, at_most: Option<Duration>, now: Moment) {
        self.claim.known = Claimed::Taken { by: Arc::clone(&by), until: at_most.map(|span| now + span) };
        self.claim.unconfirmed = None;
        let before = self.state;
        self.step(Fact::Expired, Some(Cause::ClaimTaken { by: Arc::clone(&by) }), now);
        if self.claim.wish == ClaimWish::Hold && self.claim.told_by.as_ref() != Some(&by) {
            self.claim.told_by = Some(Arc::clone(&by));
            if self.state == before {
                self.notes.push_back(Note::Claimed { by, at_most });
            }
        }
    }

    fn lose(&mut self, why: Arc<str>, now: Moment) {
        self.claim.unconfirmed = None;
        if matches!(std::mem::replace(&mut self.claim.known, Claimed::Absent), Claimed::Ours { .. }) {
            self.step(Fact::Expired, Some(Cause::ClaimLost { why }), now);
        }
    }

    fn be_refused(&mut self, why: Arc<str>, cure: Option<Arc<str>>) {
        let required = self.rules.claim == ClaimMode::Require;
        // One that is ours binds until it ends: whoever is let in may take it then.
        if !(required && matches!(self.claim.known, Claimed::Ours { .. })) {
            self.claim.known = Claimed::Refused { why: Arc::clone(&why) };
        }
        self.claim.unconfirmed = None;
        if !std::mem::replace(&mut self.claim.told_refused, true) {
            self.notes.push_back(Note::ClaimRefused { why, cure, required });
        }
    }

    /// The claim was renewed: the deadline moves with it, as far as the newest read allows. It confirms nothing.
    fn move_bound(&mut self, now: Moment) {
        if let Some(qualified) = self.qualified.filter(|_| self.is_holding()) {
            let until = self.bounded(qualified);
            if until > now {
                self.step(Fact::Renewed { until }, None, now);
            }
        }
    }

    /// The claim may be what was missing. A read that would leave a doubt by now does not do.
    fn hold_by_newest_read(&mut self, now: Moment) {
        let fresh = |until: &Moment| {
            let overdue = self.rules.pace.overdue(until.since(self.confirmed_at));
            self.unreachable.is_none() && now < self.confirmed_at + overdue
        };
        if let Some(until) = self.qualified.filter(|_| !self.is_holding()).filter(fresh)
            && let Some(read) = self.evidence.newest().filter(|read| read.names.is_us()).cloned()
        {
            self.consider_hold(until, read, now);
        }
    }

    pub(super) const fn is_holding(&self) -> bool {
        matches!(self.state, State::Acquiring { .. } | State::Held { .. } | State::Doubtful { .. })
    }

    /// Whether no claim is needed to hold.
    pub(super) const fn goes_by_reads_alone(&self) -> bool {
        matches!(
            (self.rules.claim, &self.claim.known),
            (ClaimMode::Off, _) | (ClaimMode::Auto, Claimed::Refused { .. })
        )
    }

    /// Whether a claim bounds the hold, or will before it begins.
    pub(super) const fn is_claimed_or_to_be(&self) -> bool {
        self.is_claimed() || !(self.is_holding() || self.goes_by_reads_alone())
    }

    /// Whether the address may be added on the ground of this read.
    pub(super) fn admits(&self, read: &KeyRead) -> bool {
        match &self.claim.known {
            _ if self.goes_by_reads_alone() => true,
            Claimed::Ours { .. } => read.sent_at >= self.claim.reads_count_from,
            Claimed::Unknown | Claimed::Taken { .. } | Claimed::Refused { .. } | Claimed::Absent => false,
        }
    }

    /// The deadline by the reads, or by the claim if that is sooner.
    pub(super) fn bounded(&self, until: Moment) -> Moment {
        self.claim_until().map_or(until, |claim| until.min(claim))
    }

    /// Whether the claim is ours.
    pub(super) const fn is_claimed(&self) -> bool {
        matches!(self.claim.known, Claimed::Ours { .. })
    }

    /// The grade of the promise on the ground of this read: a claim proves when it ends, whatever the read tells.
    pub(super) fn grade_of(&self, read: &KeyRead) -> Option<Grade> {
        let grade = read.grade();
        if self.is_claimed() { grade.map(|_| Grade::Exact) } else { grade }
    }

    fn claim_until(&self) -> Option<Moment> {
        match self.claim.known {
            Claimed::Ours { until, .. } => Some(until),
            Claimed::Unknown | Claimed::Taken { .. } | Claimed::Refused { .. } | Claimed::Absent => None,
        }
    }

    /// Whether the claim and not the reads ends the hold.
    pub(super) fn is_bound_by_claim(&self) -> bool {
        let claim = self.claim_until().filter(|_| self.is_holding());
        claim.is_some_and(|claim| self.qualified.is_none_or(|qualified| claim < qualified))
    }

    /// Why the claim ends the hold.
    pub(super) fn claim_deadline(&self) -> Cause {
        Cause::ClaimDeadline { why: self.claim.unconfirmed.clone() }
    }

    /// A watch heard that the key names this host. The read that follows confirms it, or the claim is given up.
    pub(super) const fn expect_hold(&mut self, heard_at: Moment) {
        self.claim.heard_at = Some(heard_at);
    }

    /// A read decides, unless it was sent before the watch heard of the change.
    pub(super) fn decide_by(&mut self, read: &KeyRead) {
        self.claim.heard_at = self.claim.heard_at.filter(|heard_at| read.sent_at < *heard_at);
    }

    /// Something newer that a watch heard decides.
    pub(super) const fn expect_nothing(&mut self) {
        self.claim.heard_at = None;
    }

    /// When to give up a claim that no read confirms.
    pub(super) fn ahead_until(&self) -> Option<Moment> {
        self.claim.heard_at.filter(|_| self.rules.claim != ClaimMode::Off).map(|heard_at| heard_at + AHEAD)
    }

    /// What is wanted follows from the state.
    pub(super) fn settle_claim(&mut self, now: Moment) {
        if self.rules.claim == ClaimMode::Off {
            return;
        }
        let wish = self.wished(now);
        let begins = wish.is_wanted() && !self.claim.wish.is_wanted();
        // What nobody renews or deletes is not counted on.
        let ends = !wish.is_wanted();
        if begins {
            self.claim.wanted_since = now;
            self.claim.unconfirmed = None;
            self.claim.told_by = None;
        }
        if (begins || ends) && matches!(self.claim.known, Claimed::Ours { .. }) {
            self.claim.known = Claimed::Unknown;
        }
        self.claim.wish = wish;
    }

    fn wished(&self, now: Moment) -> ClaimWish {
        let qualified = self.qualified.is_some_and(|until| until > now);
        match self.state {
            State::Acquiring { .. } | State::Held { .. } | State::Doubtful { .. } => ClaimWish::Hold,
            State::Unknown { .. } | State::Standby if qualified => ClaimWish::Hold,
            State::Unknown { adopting: None } | State::Standby
                if self.ahead_until().is_some_and(|until| until > now) =>
            {
                ClaimWish::Ahead
            }
            // The address may be there.
            State::Unknown { adopting: Some(_) } | State::Releasing { .. } => ClaimWish::Keep,
            State::Unknown { adopting: None } | State::Standby | State::Stopped { kept: false } => {
                match self.claim.known {
                    Claimed::Unknown | Claimed::Ours { .. } if self.evidence.newest().is_some() => ClaimWish::Delete,
                    Claimed::Unknown
                    | Claimed::Ours { .. }
                    | Claimed::Taken { .. }
                    | Claimed::Refused { .. }
                    | Claimed::Absent => ClaimWish::Nothing,
                }
            }
            State::Stopped { kept: true } => ClaimWish::Nothing,
        }
    }
}

/// How long a claim that was created ahead waits for the read, which is sent as soon as the watch hears.
const AHEAD: Duration = Duration::from_secs(1);
