//! The keeper's deadlines: when an address is released, when a missing confirmation becomes a doubt, and how the
//! kernel's lifetime, which counts whole seconds, is made to end with the deadline.

use std::time::Duration;

use super::contract::Keeper;
use super::note::Cause;
use super::renewal::SHORTEST_LIFETIME;
use super::state::{Fact, State};
use crate::time::Moment;

impl Keeper {
    pub(super) fn check_deadlines(&mut self, now: Moment) {
        self.release_if_expired(now);
        if self.overdue_at().is_some_and(|at| at <= now) {
            self.step(Fact::Doubt { until: None }, None, now);
            self.release_if_expired(now);
        }
        if self.align_at.is_some_and(|at| at <= now) {
            self.align(now);
        }
        self.check_conflict(now);
    }

    fn release_if_expired(&mut self, now: Moment) {
        if self.releases_at().is_some_and(|at| at <= now) {
            let why = self.unreachable.clone();
            let cause = if matches!(self.state, State::Unknown { .. }) {
                Cause::NeverConfirmed { why }
            } else if self.is_bound_by_claim() {
                self.claim_deadline()
            } else {
                Cause::Deadline { last: self.evidence.newest().cloned(), why }
            };
            self.step(Fact::Expired, Some(cause), now);
        }
    }

    /// When the keeper releases the address unless a read confirms it.
    ///
    /// That is a little before the deadline, where the kernel's lifetime ends too: connections can only be reset while
    /// the address is present, so the kernel must not be first.
    pub(super) fn releases_at(&self) -> Option<Moment> {
        match self.state {
            State::Held { until } | State::Doubtful { until } => Some(until - AHEAD_OF_KERNEL),
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Releasing { .. }
            | State::Stopped { .. } => self.state.until(),
        }
    }

    /// When a missing confirmation becomes a doubt.
    pub(super) fn overdue_at(&self) -> Option<Moment> {
        match self.state {
            State::Held { until } | State::Acquiring { until, doubtful: false } => {
                // The pace of the reads follows what they allow, not the claim.
                let until = self.qualified.map_or(until, |qualified| qualified.max(until));
                Some(self.confirmed_at + self.rules.pace.overdue(until.since(self.confirmed_at)))
            }
            State::Acquiring { doubtful: true, .. }
            | State::Unknown { .. }
            | State::Standby
            | State::Doubtful { .. }
            | State::Releasing { .. }
            | State::Stopped { .. } => None,
        }
    }

    /// Renews once more, at a moment when whole seconds are left.
    ///
    /// Kernel lifetimes are whole seconds, rounded down. Each ends up to a second before the deadline, so a silence
    /// shorter than the deadline would remove the address. Renewed with a whole number of seconds left, both end
    /// together.
    fn align(&mut self, now: Moment) {
        self.align_at = None;
        if let State::Acquiring { until, .. } | State::Held { until } | State::Doubtful { until } = self.state {
            if is_aligned(until, now) {
                self.programmed = None;
            } else {
                self.align_at = next_align(until, now);
            }
        }
    }

    /// The kernel has acknowledged a lifetime that ends at `until`, or up to a second before it.
    pub(super) fn programmed_until(&mut self, until: Moment, now: Moment) {
        if is_aligned(until, now) {
            self.align_at = None;
        } else {
            self.plan_align(now);
        }
    }

    /// Plans when to make the kernel's lifetime end with the deadline: in doubt soon, in case a timer is late; otherwise
    /// at the last chance, which a read in time makes unnecessary.
    pub(super) fn plan_align(&mut self, now: Moment) {
        self.align_at = match self.state {
            State::Doubtful { until } => next_align(until, now),
            State::Acquiring { until, .. } | State::Held { until } => {
                next_align(until, now.max(until - SHORTEST_LIFETIME * 2))
            }
            State::Unknown { .. } | State::Standby | State::Releasing { .. } | State::Stopped { .. } => None,
        };
    }
}

/// Whether a lifetime of whole seconds that begins now ends with the deadline.
fn is_aligned(until: Moment, now: Moment) -> bool {
    Duration::from_nanos(u64::from(until.since(now).subsec_nanos())) <= ALIGN_EARLY
}

/// The next moment, a little before whole seconds are left.
fn next_align(until: Moment, now: Moment) -> Option<Moment> {
    let left = until.since(now);
    let whole = left.checked_sub(ALIGN_EARLY / 2)?.as_secs();
    (whole > 0).then(|| until - Duration::from_secs(whole) - ALIGN_EARLY / 2)
}

/// An aligned lifetime may end as early as [`ALIGN_EARLY`] before the deadline, and a kernel may be early by as much.
const AHEAD_OF_KERNEL: Duration = Duration::from_millis(80);
/// How long before whole seconds are left the lifetime is aligned with the deadline, in case a timer is late.
const ALIGN_EARLY: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(millis))
    }

    #[test]
    fn a_lifetime_is_aligned_a_little_before_whole_seconds_are_left() {
        let until = at(100_000);
        for (now, aligned_at) in [
            (90_000, Some(90_980)),
            (90_979, Some(90_980)),
            (90_980, Some(90_980)),
            (90_981, Some(91_980)),
            (98_980, Some(98_980)),
            (98_981, None),
            (99_990, None),
            (100_001, None),
        ] {
            assert_eq!(next_align(until, at(now)), aligned_at.map(at), "{now}");
        }
    }

    #[test]
    fn a_timer_that_is_a_little_late_still_aligns() {
        let until = at(100_000);
        for (now, align) in [(94_959, false), (94_960, true), (94_980, true), (95_000, true), (95_001, false)] {
            assert_eq!(is_aligned(until, at(now)), align, "{now}");
        }
    }
}
