//! The steps of putting an address up, with a look at the clock before each.
//!
//! A process can be stopped between any two of its instructions and go on hours later. So what was true before a
//! request is looked at again after it; a request that came too late is taken back, and one that was held up is made
//! again, since the kernel counts a lifetime from when it acts and would let the address outlive its deadline by the
//! delay. The steps are decided here,
//! apart from the socket that carries them out, so that a simulator can stop the very same steps anywhere.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Moment;
use super::lifetime::lifetime;

/// One try to have an address stand until a deadline and no longer.
///
/// Read the clock, ask for the [`next`](Self::next) step, carry it out, and again, until the step is an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Renewal {
    until: Moment,
    stands: bool,
    /// What was asked of the kernel last.
    asked: Option<NonZeroU32>,
    /// It was asked in the last second already, for an address that stands: it outlives its deadline knowingly.
    at_last: bool,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Put the address up, or renew it, with a lifetime of so many seconds.
    Put(NonZeroU32),
    /// The end: it stands, with this lifetime.
    Stands(NonZeroU32),
    /// The end: there is no time left. Remove the address, whatever was believed to stand.
    TooLate,
}

impl Renewal {
    /// `stands` says whether the address is known to stand already, which decides what may be done in the last
    /// second.
    pub const fn new(until: Moment, stands: bool) -> Self {
        Self { until, stands, asked: None, at_last: false }
    }

    pub fn next(&mut self, now: Moment) -> Step {
        match self.asked {
            None => {
                self.at_last = lifetime(self.until, now, false).is_none();
                lifetime(self.until, now, self.stands).map_or(Step::TooLate, |seconds| self.put(seconds))
            }
            Some(_) if now >= self.until => Step::TooLate,
            Some(seconds) if self.at_last => Step::Stands(seconds),
            Some(seconds) => self.look_again(seconds, now),
        }
    }

    /// The kernel counts from when it acted, and nobody may be there to correct it at the next read. What is too long
    /// is asked for again; where nothing is short enough, the address goes while somebody is there to remove it.
    fn look_again(&mut self, asked: NonZeroU32, now: Moment) -> Step {
        let longest = lifetime(self.until, now, false)
            .or_else(|| lifetime(self.until, now, true).filter(|_| self.until.since(now) >= LAST_SECOND));
        match longest {
            Some(shorter) if shorter < asked => self.put(shorter),
            Some(_) => Step::Stands(asked),
            None => Step::TooLate,
        }
    }

    const fn put(&mut self, seconds: NonZeroU32) -> Step {
        self.asked = Some(seconds);
        Step::Put(seconds)
    }
}

/// With less than this left, a second in the kernel outlives the deadline by more than the margin of the lease has for it,
/// beside a kernel that is 2.1 s late and clocks that are wrong. A process that is merely busy is back before.
const LAST_SECOND: Duration = Duration::from_millis(750);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(millis))
    }

    fn seconds(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn a_request_in_time_stands() {
        let mut renewal = Renewal::new(at(10_500), false);
        assert_eq!(renewal.next(at(0)), Step::Put(seconds(10)));
        assert_eq!(renewal.next(at(1)), Step::Stands(seconds(10)));
    }

    #[test]
    fn a_process_that_was_stopped_before_its_request_takes_it_back() {
        let mut renewal = Renewal::new(at(10_000), true);
        assert_eq!(renewal.next(at(5)), Step::Put(seconds(9)));
        assert_eq!(renewal.next(at(10_000)), Step::TooLate);
    }

    #[test]
    fn a_request_that_was_held_up_is_made_again_with_what_is_left() {
        let mut renewal = Renewal::new(at(10_000), true);
        assert_eq!(renewal.next(at(5)), Step::Put(seconds(9)));
        assert_eq!(renewal.next(at(1_400)), Step::Put(seconds(8)));
        assert_eq!(renewal.next(at(8_990)), Step::Put(seconds(1)));
        assert_eq!(renewal.next(at(9_010)), Step::Stands(seconds(1)));
    }

    #[test]
    fn a_request_that_was_held_up_into_the_last_second_is_taken_back() {
        for asked_at in [5, 8_100, 8_990] {
            let mut renewal = Renewal::new(at(10_000), true);
            assert!(matches!(renewal.next(at(asked_at)), Step::Put(_)), "{asked_at}");
            assert_eq!(renewal.next(at(9_780)), Step::TooLate, "{asked_at}");
        }
    }

    #[test]
    fn in_the_last_second_an_address_that_stands_is_cut_short_and_kept() {
        let mut renewal = Renewal::new(at(10_000), true);
        assert_eq!(renewal.next(at(9_500)), Step::Put(seconds(1)));
        assert_eq!(renewal.next(at(9_501)), Step::Stands(seconds(1)));
        assert_eq!(renewal.next(at(10_000)), Step::TooLate);
    }

    #[test]
    fn without_time_left_nothing_is_asked_of_the_kernel() {
        assert_eq!(Renewal::new(at(10_000), true).next(at(10_000)), Step::TooLate);
        assert_eq!(Renewal::new(at(10_000), false).next(at(9_001)), Step::TooLate);
    }
}
