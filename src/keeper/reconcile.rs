//! The keeper's eyes on the kernel, and its hands: what an view changes, and which order follows.

use super::state::Fact;
use super::{
    Cause, Keeper, Lifetime, Link, LinkView, Moment, Note, Order, Outcome, SHORTEST_LIFETIME, Standing, State,
};
use std::time::Duration;

impl Keeper {
    pub(super) fn observe(&mut self, view: LinkView, now: Moment) {
        let before = self.view.replace(view);
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
            self.announce_anew(now);
        }
        if first && self.state == (State::Unknown { adopting: None }) && !self.standing().is_empty() {
            let until = self.adopted_until(now);
            self.state = State::Unknown { adopting: Some(until) };
            self.notes.push_back(Note::Adopted { until });
        }
        self.see(Some(Cause::Intruder), now);
        if self.drifted() {
            self.contest(now);
        }
    }

    /// An inherited address may stay for a hold-timeout, or to the end of its lifetime if that is sooner: it was the
    /// deadline of whoever put it there. The kernel may be late with it, and is after a pause of the whole machine.
    fn adopted_until(&self, now: Moment) -> Moment {
        let longest = now + self.rules.hold_timeout;
        let ends = self.standing().iter().map(|standing| match standing.lifetime {
            Lifetime::Until(end) => end.min(longest),
            Lifetime::Forever => longest,
        });
        ends.max().unwrap_or(longest)
    }

    /// Whether the kernel shows another lifetime than the one that it acknowledged.
    fn drifted(&self) -> bool {
        let (Some((_, until)), Some(standing)) = (self.programmed, self.exact()) else { return false };
        wrong_lifetime(standing.lifetime, until)
    }

    fn see(&mut self, cause: Option<Cause>, now: Moment) {
        let exact = self.exact().is_some();
        let any = !self.standing().is_empty();
        if let State::Unknown { adopting: Some(until) } = self.state
            && !any
            && until.since(now) <= SLACK
        {
            // The kernel counts whole seconds, so it ends what was inherited a little before the deadline.
            let cause = Cause::NeverConfirmed { why: self.unreachable.clone() };
            self.notes.push_back(Note::Released { cause, after: Duration::ZERO });
        }
        self.step(Fact::Seen { exact, any }, cause, now);
    }

    pub(super) fn applied(&mut self, outcome: Outcome, now: Moment) {
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
        let prefix = self.rules.prefix;
        if let Some(view) = &mut self.view {
            match outcome {
                Outcome::Held { until } => {
                    view.standing = vec![Standing { prefix, lifetime: Lifetime::Until(until) }];
                    self.programmed = view.link.map(|link| (link.index, until));
                    self.programmed_until(until, now);
                }
                Outcome::Limited { prefix, until } => {
                    for standing in view.standing.iter_mut().filter(|standing| standing.prefix == prefix) {
                        standing.lifetime = Lifetime::Until(until);
                    }
                }
                Outcome::Late | Outcome::Released => view.standing.clear(),
                Outcome::Refused { .. } => {}
            }
        }
        self.see(None, now);
    }

    pub(super) fn wanted(&self, now: Moment) -> Option<Order> {
        let link = self.link()?.index;
        match self.state {
            State::Acquiring { until, .. } | State::Held { until } | State::Doubtful { until } => {
                self.wanted_hold(link, until, now)
            }
            State::Unknown { adopting: Some(until) } => self
                .standing()
                .iter()
                .find(|standing| standing.lifetime > Lifetime::Until(until + SLACK))
                .map(|standing| Order::Limit { link, prefix: standing.prefix, until }),
            State::Releasing { .. } => {
                let mut prefixes: Vec<u8> = self.other_prefixes();
                prefixes.insert(0, self.rules.prefix);
                Some(Order::Release { link, prefixes, standing: !self.standing().is_empty() })
            }
            State::Unknown { adopting: None } | State::Standby | State::Stopped { .. } => None,
        }
    }

    fn wanted_hold(&self, link: u32, until: Moment, now: Moment) -> Option<Order> {
        let other_prefixes = self.other_prefixes();
        let exact = self.exact();
        if exact.is_none() && until < now + SHORTEST_LIFETIME {
            return None;
        }
        let wrong = exact.is_none_or(|standing| wrong_lifetime(standing.lifetime, until));
        let due = wrong || !other_prefixes.is_empty() || self.programmed != Some((link, until));
        due.then(|| Order::Hold { link, until, standing: exact.is_some(), other_prefixes })
    }

    pub(super) fn link(&self) -> Option<Link> {
        self.view.as_ref().and_then(|view| view.link)
    }

    pub(super) fn standing(&self) -> &[Standing] {
        self.view.as_ref().map_or(&[], |view| &view.standing)
    }

    fn exact(&self) -> Option<&Standing> {
        self.standing().iter().find(|standing| standing.prefix == self.rules.prefix)
    }

    fn other_prefixes(&self) -> Vec<u8> {
        self.standing().iter().map(|standing| standing.prefix).filter(|prefix| *prefix != self.rules.prefix).collect()
    }

    /// Somebody else works on the same address. The first answer comes at once, the next ones at a bounded pace.
    pub(super) fn contest(&mut self, now: Moment) {
        let again = self.contested_at.is_some_and(|last| now.since(last) < CONTEST);
        self.contested_at = Some(now);
        self.backoff.reset();
        if again {
            self.backoff.failed(now);
        }
    }
}

fn wrong_lifetime(lifetime: Lifetime, until: Moment) -> bool {
    lifetime > Lifetime::Until(until + SLACK) || lifetime < Lifetime::Until(until - TOO_SHORT)
}

/// The kernel tells whole seconds, rounded up, and its notice is read a little later: an end that seems to lie this
/// much behind the deadline may be the right one.
const SLACK: Duration = Duration::from_millis(1_500);
/// A kernel lifetime that ends this much before the deadline was not set by us: rounding and a notice that is one
/// renewal late explain less.
const TOO_SHORT: Duration = Duration::from_millis(2_500);
/// Two interventions within this time are a contest.
const CONTEST: Duration = Duration::from_secs(1);
