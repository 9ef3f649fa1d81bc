//! How long to wait before a member is tried again.
//!
//! After a session that worked: not at all. Then longer and longer, up to a bound that is well below two seconds, since a
//! cluster that comes back must be noticed within two. The wait is counted from the start of the attempt before: one
//! that hung until its deadline has waited enough. It is scattered, lest all hosts knock at the same instant.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(1500);

#[derive(Debug)]
pub(super) struct Pace {
    next: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { next: Duration::ZERO }
    }

    /// The session worked: the next attempt may follow at once.
    pub(super) fn reset(&mut self) {
        self.next = Duration::ZERO;
    }

    /// What is left to wait after an attempt that took `spent`.
    pub(super) fn pause(&mut self, spent: Duration) -> Duration {
        self.step(spent, scatter())
    }

    fn step(&mut self, spent: Duration, scatter: f64) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).clamp(FIRST, LONGEST);
        whole.mul_f64(scatter).saturating_sub(spent)
    }
}

/// Between a half and one. The hasher's seed is random, and asking for one costs no dependency.
fn scatter() -> f64 {
    let bits = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(u32::MAX);
    0.5 + f64::from(bits) / f64::from(u32::MAX) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_comes_at_once_and_the_later_ones_ever_slower() {
        let mut pace = Pace::new();
        let waits: Vec<_> = (0..8).map(|_| pace.step(Duration::ZERO, 1.0).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200, 400, 800, 1500, 1500, 1500]);
        pace.reset();
        assert_eq!(pace.step(Duration::ZERO, 1.0), Duration::ZERO);
    }

    #[test]
    fn an_attempt_that_hung_has_waited_enough() {
        let mut pace = Pace { next: LONGEST };
        assert_eq!(pace.step(Duration::from_secs(1), 1.0), Duration::from_millis(500));
        assert_eq!(pace.step(Duration::from_secs(3), 1.0), Duration::ZERO);
    }

    #[test]
    fn the_scatter_stays_between_a_half_and_one() {
        for _ in 0..1_000 {
            assert!((0.5..=1.0).contains(&scatter()));
        }
    }
}
