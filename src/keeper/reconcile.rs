//! What the kernel shows and what it acknowledges, compared with the target: the differences are the orders.

use std::time::Duration;

use super::contract::Keeper;
use super::note::{Cause, Note};
use super::order::{Link, LinkView, Order, Outcome, PresentAddress};
use super::renewal::SHORTEST_LIFETIME;
use super::state::{Fact, State};
use crate::time::{Lifetime, Moment};

impl Keeper {
    pub(super) fn handle_view(&mut self, view: LinkView, now: Moment) {
        let before = self.view.replace(view);
        self.narrow();
        let first = before.is_none();
        let link_before = before.and_then(|before| before.link);
        let link = self.link();
        let came_up = link.is_some_and(|link| link.up) && !link_before.is_some_and(|link| link.up);
        let another = link.map(|link| link.index) != link_before.map(|link| link.index);
        if another {
            self.programmed = None;
        }
        if another || came_up {
            self.backoff.reset();
        }
        if came_up || link.map(|link| link.mac) != link_before.map(|link| link.mac) {
            self.restart_announcements(now);
        }
        if first && self.state == (State::Unknown { adopting: None }) && !self.present().is_empty() {
            let until = self.adopted_until(now);
            self.state = State::Unknown { adopting: Some(until) };
            self.notes.push_back(Note::Adopted { until });
        }
        self.compare(Some(Cause::Foreign), now);
        if self.drifted() {
            self.note_interference(now);
        }
    }

    /// An address that was added as a single one stays one, whoever joins it later: it is widened only after it was
    /// absent.
    fn narrow(&mut self) {
        let alone = self.view.as_ref().and_then(|view| view.narrow);
        let kept = self.narrowed.filter(|prefix| self.present().iter().any(|present| present.prefix == *prefix));
        self.narrowed = alone.or(kept);
    }

    /// An inherited address may stay for a hold-timeout, or to the end of its lifetime if that is sooner: that was the
    /// deadline of whoever added it. The kernel may act late on it, and does after a pause of the whole machine.
    fn adopted_until(&self, now: Moment) -> Moment {
        let longest = now + self.rules.hold_timeout;
        let ends = self.present().iter().map(|present| match present.lifetime {
            Lifetime::Until(end) => end.min(longest),
            Lifetime::Forever => longest,
        });
        ends.max().unwrap_or(longest)
    }

    /// Whether the kernel shows another lifetime than the one that it acknowledged.
    fn drifted(&self) -> bool {
        let (Some((_, until)), Some(present)) = (self.programmed, self.exact()) else { return false };
        wrong_lifetime(present.lifetime, until)
    }

    fn compare(&mut self, cause: Option<Cause>, now: Moment) {
        let exact = self.exact().is_some();
        let any = !self.present().is_empty();
        if let State::Unknown { adopting: Some(until) } = self.state
            && !any
            && until.since(now) <= SLACK
        {
            // The kernel counts whole seconds, so it removes an inherited address a little before the deadline.
            let cause = Cause::NeverConfirmed { why: self.unreachable.clone() };
            self.notes.push_back(Note::Released { cause, after: Duration::ZERO });
        }
        if !any && self.lapses(now) {
            let (last, why) = (self.evidence.newest().cloned(), self.unreachable.clone());
            self.lapsed = true;
            // Its connections are left, so there is something to do before the release is over.
            return self.step(Fact::Expired, Some(Cause::Lifetime { last, why }), now);
        }
        self.step(Fact::Seen { exact, any }, cause, now);
    }

    /// Whether an address that is gone has come to the end of its lifetime in the kernel, which counts whole seconds:
    /// it removes the address up to a second before the deadline, and there is no time left to add it again.
    fn lapses(&self, now: Moment) -> bool {
        match self.state {
            State::Held { until } | State::Doubtful { until } => until.since(now) <= SHORTEST_LIFETIME,
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Releasing { .. }
            | State::Stopped { .. } => false,
        }
    }

    pub(super) fn handle_outcome(&mut self, outcome: Outcome, now: Moment) {
        if let Outcome::Refused { why } = outcome {
            let retry_in = self.backoff.failed(now);
            if self.narration.refused.as_ref() != Some(&why) {
                self.narration.refused = Some(why.clone());
                self.notes.push_back(Note::Refused { why, retry_in });
            }
            return;
        }
        self.backoff.reset();
        self.narration.refused = None;
        let prefix = self.prefix();
        if let Some(view) = &mut self.view {
            match outcome {
                Outcome::Held { until } => {
                    view.present = vec![PresentAddress { prefix, lifetime: Lifetime::Until(until), unusable: false }];
                    self.programmed = view.link.map(|link| (link.index, until));
                    self.programmed_until(until, now);
                }
                Outcome::Limited { prefix, until } => {
                    for present in view.present.iter_mut().filter(|present| present.prefix == prefix) {
                        present.lifetime = Lifetime::Until(until);
                    }
                }
                Outcome::Late | Outcome::Released => view.present.clear(),
                Outcome::Refused { .. } => {}
            }
        }
        self.compare(None, now);
    }

    pub(super) fn pending_order(&self, now: Moment) -> Option<Order> {
        let link = self.link()?.index;
        match self.state {
            State::Acquiring { until, .. } | State::Held { until } | State::Doubtful { until } => {
                self.pending_hold(link, until, now)
            }
            State::Unknown { adopting: Some(until) } => self
                .present()
                .iter()
                .find(|present| present.lifetime > Lifetime::Until(until + SLACK))
                .map(|present| Order::Limit { link, prefix: present.prefix, until, clear: present.unusable }),
            State::Releasing { .. } => {
                let mut prefixes: Vec<u8> = self.other_prefixes();
                if self.prefix() != self.rules.prefix && !prefixes.contains(&self.rules.prefix) {
                    prefixes.insert(0, self.rules.prefix);
                }
                prefixes.insert(0, self.prefix());
                let present = !self.present().is_empty();
                Some(Order::Release { link, prefixes, present, reset: present || self.lapsed })
            }
            State::Unknown { adopting: None } | State::Standby | State::Stopped { .. } => None,
        }
    }

    fn pending_hold(&self, link: u32, until: Moment, now: Moment) -> Option<Order> {
        let other_prefixes = self.other_prefixes();
        let exact = self.exact();
        if exact.is_none() && until < now + SHORTEST_LIFETIME {
            return None;
        }
        let wrong = exact.is_none_or(|present| wrong_lifetime(present.lifetime, until));
        let due = wrong || !other_prefixes.is_empty() || self.programmed != Some((link, until));
        due.then(|| Order::Hold {
            link,
            prefix: self.prefix(),
            until,
            present: exact.is_some(),
            other_prefixes,
            clear: self.present().iter().any(|present| present.unusable),
        })
    }

    /// The interface, if it exists.
    pub fn link(&self) -> Option<Link> {
        self.view.as_ref().and_then(|view| view.link)
    }

    /// The address as the kernel shows it, once per prefix length.
    pub fn present(&self) -> &[PresentAddress] {
        self.view.as_ref().map_or(&[], |view| &view.present)
    }

    /// The prefix length that the address is to have.
    fn prefix(&self) -> u8 {
        self.narrowed.unwrap_or(self.rules.prefix)
    }

    fn exact(&self) -> Option<&PresentAddress> {
        self.present().iter().find(|present| present.prefix == self.prefix() && !present.unusable)
    }

    fn other_prefixes(&self) -> Vec<u8> {
        self.present().iter().map(|present| present.prefix).filter(|prefix| *prefix != self.prefix()).collect()
    }

    /// Somebody else changed the address. The first correction is made at once, the next ones at a bounded pace.
    pub(super) fn note_interference(&mut self, now: Moment) {
        let again = self.interfered_at.is_some_and(|last| now.since(last) < INTERFERENCE_WINDOW);
        self.interfered_at = Some(now);
        self.backoff.reset();
        if again {
            self.backoff.failed(now);
        }
    }
}

fn wrong_lifetime(lifetime: Lifetime, until: Moment) -> bool {
    lifetime > Lifetime::Until(until + SLACK) || lifetime < Lifetime::Until(until - TOO_SHORT)
}

/// The kernel reports whole seconds, rounded up, and its notice is read a little later: an end that seems to be this
/// much after the deadline may be the right one.
const SLACK: Duration = Duration::from_millis(1_500);
/// A kernel lifetime that ends this much before the deadline was not set by us: rounding and a notice that is one
/// renewal late explain less.
const TOO_SHORT: Duration = Duration::from_millis(2_500);
/// Two interventions within this time are corrected at a bounded pace.
const INTERFERENCE_WINDOW: Duration = Duration::from_secs(1);
