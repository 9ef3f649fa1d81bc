//! An instant, as the keeper knows it.
//!
//! The keeper has no clock. It is handed instants, and they are counted since boot with suspended time included
//! (`CLOCK_BOOTTIME`), because a lease goes on running out while a machine sleeps. `std::time::Instant` stands
//! still meanwhile and cannot be made from a number, so it could serve neither the promise nor a simulator.

use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant, as the time since boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(Duration);

impl Moment {
    pub const fn from_boot(since: Duration) -> Self {
        Self(since)
    }

    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to here; nothing where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_at_both_ends_rather_than_to_run_over() {
        let (second, hour) = (Duration::from_secs(1), Moment::from_boot(Duration::from_secs(3600)));
        assert_eq!((hour + second).since_boot(), Duration::from_secs(3601));
        assert_eq!((hour - second).since_boot(), Duration::from_secs(3599));
        assert_eq!((hour + second).since(hour), second);
        assert_eq!(hour.since(hour + second), Duration::ZERO);
        assert_eq!(
            (Moment::default() - second, Moment::from_boot(Duration::MAX) + second),
            (Moment::default(), Moment::from_boot(Duration::MAX))
        );
    }
}
