//! How long the kernel may keep an address without us.
//!
//! The kernel counts whole seconds, and its count starts a little after ours. So the time left is rounded down: the
//! address never outlives its deadline by what rounding adds. A lifetime of nothing cannot be asked for, which
//! makes the last second a case of its own.

use std::num::NonZeroU32;

use super::Moment;

/// The lifetime, in whole seconds, to give an address that may stand until `until`; nothing where it must not be
/// touched.
///
/// With less than a second left an absent address stays away: it would outlive the deadline. One that `stands` gets
/// the shortest lifetime there is, since an earlier, more generous deadline may have given it a longer one.
pub fn lifetime(until: Moment, now: Moment, stands: bool) -> Option<NonZeroU32> {
    let left = until.since(now);
    if left.is_zero() {
        return None;
    }
    let seconds = u32::try_from(left.as_secs()).unwrap_or(LONGEST).min(LONGEST);
    NonZeroU32::new(seconds).or(stands.then_some(NonZeroU32::MIN))
}

/// The largest number of seconds that does not mean "for ever" to the kernel.
const LONGEST: u32 = u32::MAX - 1;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(millis))
    }

    fn seconds(until: u64, now: u64, stands: bool) -> Option<u32> {
        lifetime(at(until), at(now), stands).map(NonZeroU32::get)
    }

    #[test]
    fn the_time_left_is_rounded_down() {
        assert_eq!(seconds(10_000, 0, false), Some(10));
        assert_eq!(seconds(10_000, 1, false), Some(9));
        assert_eq!(seconds(2_999, 0, true), Some(2));
    }

    #[test]
    fn in_the_last_second_only_an_address_that_stands_is_touched() {
        assert_eq!(seconds(999, 0, true), Some(1));
        assert_eq!(seconds(999, 0, false), None);
        assert_eq!(seconds(1_000, 0, false), Some(1));
    }

    #[test]
    fn at_the_deadline_and_after_it_there_is_no_lifetime() {
        for stands in [true, false] {
            assert_eq!(seconds(5_000, 5_000, stands), None);
            assert_eq!(seconds(5_000, 9_000, stands), None);
        }
    }

    #[test]
    fn a_deadline_beyond_all_counting_is_still_an_end() {
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
        fn one_that_stands_gets_a_lifetime_as_long_as_any_time_is_left(until in 0..9_000_u64, now in 0..9_000_u64) {
            prop_assert_eq!(seconds(until, now, true).is_some(), until > now);
        }
    }
}
