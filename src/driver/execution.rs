//! One order, step by step.
//!
//! A process can be stopped between any two steps and continue hours later, so no step both compares the clock and acts.
//! [`Renewal`] decides what a comparison means.

use std::num::NonZeroU32;

use super::actuator::{Actuator, Failure, Removed};
use crate::keeper::renewal::{Renewal, Step};
use crate::keeper::{Order, Outcome};
use crate::time::Moment;
use crate::vip::Vip;

/// What the next call of [`Turn::advance`](super::Turn::advance) does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// Nothing: the turn is over.
    Idle,
    /// Asks a keeper for its next order.
    Settling,
    /// An order was taken: compares the clock for the first time.
    Ordered,
    /// The clock was compared: asks the kernel for the address.
    Putting,
    /// The kernel has acted: compares the clock again.
    Put,
    /// The deadline has passed: removes what was added.
    Undoing,
    /// Removes an address, or one of its prefix lengths.
    Removing,
    /// The order is over: tells the keeper.
    Applied,
    /// Begins or ends to refuse new connections.
    Refusing,
    /// Asks for announcements and notes.
    Announcing,
}

/// An order that is being carried out.
#[derive(Clone, Debug)]
pub struct Execution {
    pub(super) order: Order,
    link: u32,
    /// With the prefix length that the order is about.
    vip: Vip,
    renewal: Renewal,
    next: Next,
    /// The kernel has removed something.
    pub(super) removed: bool,
}

#[derive(Clone, Debug)]
enum Next {
    /// Compare the clock; `acted` once the kernel has been asked for something.
    Compare {
        acted: bool,
    },
    Put(NonZeroU32),
    /// Remove what was added too late.
    Undo,
    /// Remove these prefix lengths, the last one first. Then report the outcome, or compare the clock if there is none.
    Remove {
        prefixes: Vec<u8>,
        outcome: Option<Outcome>,
    },
    /// Remove every form of an IPv4 address, at most so many more. Then as for `Remove`.
    Clear {
        left: u8,
        outcome: Option<Outcome>,
    },
    Report(Outcome),
}

impl Execution {
    /// IPv4 keeps an address once per prefix length, so other prefix lengths are removed last and the address is there
    /// throughout. IPv6 keeps it once, and acknowledges a renewal with another prefix length without changing it: so
    /// there they are removed first.
    pub fn new(vip: Vip, order: Order) -> Self {
        match order {
            Order::Hold { link, prefix, until, present, ref other_prefixes, clear } => {
                let vip = Vip::new(vip.address(), prefix).unwrap_or(vip);
                let mut first = if vip.address().is_ipv6() { reversed(other_prefixes) } else { Vec::new() };
                first.extend((clear && vip.address().is_ipv6()).then_some(prefix));
                let next = if clear && vip.address().is_ipv4() {
                    Next::Clear { left: FORMS, outcome: None }
                } else if first.is_empty() {
                    Next::Compare { acted: false }
                } else {
                    Next::Remove { prefixes: first, outcome: None }
                };
                let untouched = matches!(next, Next::Compare { .. });
                Self { link, vip, renewal: Renewal::new(until, present && untouched), next, order, removed: false }
            }
            Order::Limit { link, prefix, until, clear } => {
                let clear = clear && vip.address().is_ipv4();
                let next =
                    if clear { Next::Clear { left: FORMS, outcome: None } } else { Next::Compare { acted: false } };
                let (vip, next) =
                    Vip::new(vip.address(), prefix).map_or((vip, Next::Report(Outcome::Late)), |vip| (vip, next));
                Self { link, vip, renewal: Renewal::new(until, !clear), next, order, removed: false }
            }
            Order::Release { link, ref prefixes, .. } => {
                let next = Next::Remove { prefixes: reversed(prefixes), outcome: Some(Outcome::Released) };
                Self { link, vip, renewal: Renewal::new(Moment::default(), false), next, order, removed: false }
            }
        }
    }

    pub const fn point(&self) -> Point {
        match self.next {
            Next::Compare { acted: false } => Point::Ordered,
            Next::Compare { acted: true } => Point::Put,
            Next::Put(_) => Point::Putting,
            Next::Undo => Point::Undoing,
            Next::Remove { .. } | Next::Clear { .. } => Point::Removing,
            Next::Report(_) => Point::Applied,
        }
    }

    /// Takes the next step, unless the order is over.
    pub fn advance(&mut self, host: &mut impl Actuator, now: Moment) {
        let step = match &mut self.next {
            Next::Compare { .. } => Ok(self.compare(now)),
            Next::Put(seconds) => host.put(self.link, &self.vip, *seconds).map(|()| Next::Compare { acted: true }),
            Next::Undo => {
                host.remove(self.link, self.vip.address(), self.vip.prefix()).map(|_| self.remove_others(Outcome::Late))
            }
            Next::Remove { prefixes, outcome } => match prefixes.pop() {
                Some(prefix) => match host.remove(self.link, self.vip.address(), prefix) {
                    Ok(removed) => {
                        self.removed |= removed == Removed::Gone;
                        if !prefixes.is_empty() {
                            return;
                        }
                        // The kernel has the last word on what is left.
                        if matches!(self.order, Order::Release { .. }) && self.vip.address().is_ipv4() {
                            Ok(Next::Clear { left: FORMS, outcome: outcome.take() })
                        } else {
                            Ok(after_removals(outcome.take()))
                        }
                    }
                    Err(failure) => Err(failure),
                },
                None => Ok(after_removals(outcome.take())),
            },
            Next::Clear { left, outcome } => match host.remove_any(self.link, self.vip.address()) {
                Ok(Removed::Gone) if *left > 0 => {
                    self.removed = true;
                    *left -= 1;
                    return;
                }
                Ok(_) => Ok(after_removals(outcome.take())),
                Err(failure) => Err(failure),
            },
            Next::Report(_) => return,
        };
        self.next = step.unwrap_or_else(|Failure { why, .. }| Next::Report(Outcome::Refused { why }));
    }

    /// What became of the order, once it is over.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.next {
            Next::Report(outcome) => Some(outcome),
            Next::Compare { .. } | Next::Put(_) | Next::Undo | Next::Remove { .. } | Next::Clear { .. } => None,
        }
    }

    fn compare(&mut self, now: Moment) -> Next {
        match self.renewal.next(now) {
            Step::Put(seconds) => Next::Put(seconds),
            Step::TooLate => Next::Undo,
            Step::Done(_) => match self.order {
                Order::Hold { until, .. } => self.remove_others(Outcome::Held { until }),
                Order::Limit { prefix, until, .. } => Next::Report(Outcome::Limited { prefix, until }),
                Order::Release { .. } => Next::Report(Outcome::Released),
            },
        }
    }

    fn remove_others(&self, outcome: Outcome) -> Next {
        match &self.order {
            Order::Hold { other_prefixes, .. } if self.vip.address().is_ipv4() && !other_prefixes.is_empty() => {
                Next::Remove { prefixes: reversed(other_prefixes), outcome: Some(outcome) }
            }
            Order::Hold { .. } | Order::Limit { .. } | Order::Release { .. } => Next::Report(outcome),
        }
    }
}

/// More forms of one address than anybody adds.
const FORMS: u8 = 64;

fn after_removals(outcome: Option<Outcome>) -> Next {
    outcome.map_or(Next::Compare { acted: false }, Next::Report)
}

fn reversed(prefixes: &[u8]) -> Vec<u8> {
    prefixes.iter().rev().copied().collect()
}
