//! Announcing the address, and answering another host that claims it.

use super::conflict::Claim;
use super::contract::Keeper;
use super::note::Note;
use super::state::State;
use crate::time::Moment;
use crate::vip::Mac;

impl Keeper {
    /// Handles that `mac` has claimed the address so many times.
    pub(super) fn handle_rival(&mut self, mac: Mac, claims: u32, now: Moment) {
        // In doubt we may be the one who is wrong, and outside a hold we are.
        if matches!(self.state, State::Held { .. }) {
            self.notes.extend(self.conflict.claimed(mac, claims, now).map(|claim| match claim {
                Claim::Echo => Note::Echo { rival: mac },
                Claim::First => Note::Contested { rival: mac },
                Claim::Ongoing { claims, since } => Note::StillContested { rival: mac, claims, since },
            }));
            self.answer_rival(now);
        }
    }

    /// Ends the conflict, if there is one: nobody has claimed the address for a while, or it is no longer ours.
    pub(super) fn end_conflict(&mut self) {
        if let Some((rival, claims, lasted)) = self.conflict.end() {
            self.notes.push_back(Note::Uncontested { rival, claims, lasted });
        }
    }

    pub(super) fn check_conflict(&mut self, now: Moment) {
        self.answer_rival(now);
        if self.conflict.ends_at().is_some_and(|at| at <= now) {
            self.end_conflict();
        }
    }

    /// When there is something to do without a further claim.
    pub(super) fn conflict_deadline(&self) -> Option<Moment> {
        let answer = self.conflict.answer_at().filter(|_| self.may_announce());
        [answer, self.conflict.ends_at()].into_iter().flatten().min()
    }

    pub(super) fn may_announce(&self) -> bool {
        matches!(self.state, State::Held { .. }) && self.link().is_some_and(|link| link.up)
    }

    pub(super) fn restart_announcements(&mut self, now: Moment) {
        if self.may_announce() {
            self.series.begin(now);
        }
    }

    fn answer_rival(&mut self, now: Moment) {
        if self.may_announce() && self.conflict.take_answer(now) {
            self.restart_announcements(now);
        }
    }
}
