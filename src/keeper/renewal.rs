//! Adding or renewing an address for a limited time, with the clock compared before each step.
//!
//! A process can be stopped between any two of its instructions and continue hours later. So what was true before a
//! request is checked again after it. A request that came too late is undone; one that was delayed is repeated, since
//! the kernel counts a lifetime from when it acts and the address would outlive its deadline by the delay. The steps
//! are decided here, apart from the socket that carries them out, so that a simulator can stop them anywhere.
//!
//! The kernel counts whole seconds, and its count starts a little after ours. So the time left is rounded down: the
//! address never outlives its deadline through rounding. A lifetime of zero cannot be requested, which makes the last
//! second a special case.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::time::Moment;

/// One attempt to keep an address until a deadline and no longer.
///
/// Read the clock, ask for the [`next`](Self::next) step, carry it out, and repeat until the step is a final one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renewal {
    until: Moment,
    present: bool,
    /// The lifetime that was last requested from the kernel.
    asked: Option<NonZeroU32>,
    /// It was requested in the last second, for an address that was present: it outlives its deadline knowingly.
    at_last: bool,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Add the address, or renew it, with a lifetime of so many seconds.
    Put(NonZeroU32),
    /// Final: the address is present, with this lifetime.
    Done(NonZeroU32),
    /// Final: there is no time left. Remove the address, whether or not it was present.
    TooLate,
}

impl Renewal {
    /// `present` says whether the address is known to be present, which decides what may be done in the last second.
    pub const fn new(until: Moment, present: bool) -> Self {
        Self { until, present, asked: None, at_last: false }
    }

    /// The next step.
    pub fn next(&mut self, now: Moment) -> Step {
        match self.asked {
            None => {
                self.at_last = lifetime(self.until, now, false).is_none();
                lifetime(self.until, now, self.present).map_or(Step::TooLate, |seconds| self.put(seconds))
            }
            Some(_) if now >= self.until => Step::TooLate,
            Some(seconds) if self.at_last => Step::Done(seconds),
            Some(seconds) => self.recheck(seconds, now),
        }
    }

    /// The kernel counts from when it acted, and this process may not live to correct it at the next read. A lifetime
    /// that is too long is requested again; where none is short enough, the address is removed now.
    fn recheck(&mut self, asked: NonZeroU32, now: Moment) -> Step {
        let longest = lifetime(self.until, now, false)
            .or_else(|| lifetime(self.until, now, true).filter(|_| self.until.since(now) >= LAST_SECOND));
        match longest {
            Some(shorter) if shorter < asked => self.put(shorter),
            Some(_) => Step::Done(asked),
            None => Step::TooLate,
        }
    }

    const fn put(&mut self, seconds: NonZeroU32) -> Step {
        self.asked = Some(seconds);
        Step::Put(seconds)
    }
}

/// The lifetime, in whole seconds, of an address that may stay until `until`; `None` where it must not be touched.
///
/// With less than a second left an absent address is not added: it would outlive the deadline. One that is `present`
/// gets the shortest lifetime there is, since an earlier, more generous deadline may have given it a longer one.
fn lifetime(until: Moment, now: Moment, present: bool) -> Option<NonZeroU32> {
    let left = until.since(now);
    if left.is_zero() {
        return None;
    }
    let seconds = u32::try_from(left.as_secs()).unwrap_or(LONGEST).min(LONGEST);
    NonZeroU32::new(seconds).or(present.then_some(NonZeroU32::MIN))
}

/// A kernel lifetime is a whole number of seconds and at least one.
pub(super) const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);
/// The largest number of seconds that does not mean "forever" to the kernel.
const LONGEST: u32 = u32::MAX - 1;
/// With less than this left, a lifetime of one second outlives the deadline by more than the lease margin allows for,
/// beside a kernel that is 2.1 s late and clocks that are wrong. A process that is merely busy is back before.
const LAST_SECOND: Duration = Duration::from_millis(750);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(millis))
    }

    fn whole(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn a_request_in_time_is_done() {
        let mut renewal = Renewal::new(at(10_500), false);
        assert_eq!(renewal.next(at(0)), Step::Put(whole(10)));
        assert_eq!(renewal.next(at(1)), Step::Done(whole(10)));
    }

    #[test]
    fn a_process_that_was_stopped_before_its_request_undoes_it() {
        let mut renewal = Renewal::new(at(10_000), true);
        assert_eq!(renewal.next(at(5)), Step::Put(whole(9)));
        assert_eq!(renewal.next(at(10_000)), Step::TooLate);
    }

    #[test]
    fn a_delayed_request_is_repeated_with_the_time_left() {
        let mut renewal = Renewal::new(at(10_000), true);
        assert_eq!(renewal.next(at(5)), Step::Put(whole(9)));
        assert_eq!(renewal.next(at(1_400)), Step::Put(whole(8)));
        assert_eq!(renewal.next(at(8_990)), Step::Put(whole(1)));
        assert_eq!(renewal.next(at(9_010)), Step::Done(whole(1)));
    }

    #[test]
    fn a_request_delayed_into_the_last_second_is_undone() {
        for asked_at in [5, 8_100, 8_990] {
            let mut renewal = Renewal::new(at(10_000), true);
            assert!(matches!(renewal.next(at(asked_at)), Step::Put(_)), "{asked_at}");
            assert_eq!(renewal.next(at(9_780)), Step::TooLate, "{asked_at}");
        }
    }

    #[test]
    fn in_the_last_second_a_present_address_is_shortened_and_kept() {
        let mut renewal = Renewal::new(at(10_000), true);
        assert_eq!(renewal.next(at(9_500)), Step::Put(whole(1)));
        assert_eq!(renewal.next(at(9_501)), Step::Done(whole(1)));
        assert_eq!(renewal.next(at(10_000)), Step::TooLate);
    }

    #[test]
    fn without_time_left_nothing_is_requested() {
        assert_eq!(Renewal::new(at(10_000), true).next(at(10_000)), Step::TooLate);
        assert_eq!(Renewal::new(at(10_000), false).next(at(9_001)), Step::TooLate);
    }

    fn seconds(until: u64, now: u64, present: bool) -> Option<u32> {
        lifetime(at(until), at(now), present).map(NonZeroU32::get)
    }

    #[test]
    fn the_time_left_is_rounded_down() {
        assert_eq!(seconds(10_000, 0, false), Some(10));
        assert_eq!(seconds(10_000, 1, false), Some(9));
        assert_eq!(seconds(2_999, 0, true), Some(2));
    }

    #[test]
    fn in_the_last_second_only_a_present_address_is_touched() {
        assert_eq!(seconds(999, 0, true), Some(1));
        assert_eq!(seconds(999, 0, false), None);
        assert_eq!(seconds(1_000, 0, false), Some(1));
    }

    #[test]
    fn at_the_deadline_and_after_it_there_is_no_lifetime() {
        for present in [true, false] {
            assert_eq!(seconds(5_000, 5_000, present), None);
            assert_eq!(seconds(5_000, 9_000, present), None);
        }
    }

    #[test]
    fn a_deadline_beyond_all_counting_is_still_finite() {
        let never = Moment::from_boot(Duration::MAX);
        assert_eq!(lifetime(never, at(0), false), NonZeroU32::new(u32::MAX - 1));
    }

    proptest! {
        #[test]
        fn an_absent_address_never_gets_more_than_is_left(until in 0..100_000_u64, now in 0..100_000_u64) {
            if let Some(seconds) = seconds(until, now, false) {
                prop_assert!(now + u64::from(seconds) * 1_000 <= until);
            }
        }

        #[test]
        fn a_present_address_gets_a_lifetime_as_long_as_any_time_is_left(until in 0..9_000_u64, now in 0..9_000_u64) {
            prop_assert_eq!(seconds(until, now, true).is_some(), until > now);
        }
    }
}
