//! When the next read of every key is due.
//!
//! Pure: it has no clock and starts nothing.
//!
//! # Rules
//! - Reads are [`Pace::full`] apart, and up to [`Pace::longest`] while everything is quiet: a watch is up and the last
//!   reads were answered in time.
//! - A host that is named reads after a fifth of what its deadline leaves, so that four fifths stay in hand.
//! - A host whose key names it but allows no hold, because its lease is about to end, reads at the full pace: no watch
//!   tells when the lease is renewed.
//! - Whatever the pace, the next read comes when a third of what the deadline leaves remains, and so on if it fails.

use std::time::Duration;

use crate::time::Moment;

/// The times between two reads of every key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// While anything is in doubt.
    pub full: Duration,
    /// The longest while everything is quiet; no more than `full` for a pace that never changes.
    pub longest: Duration,
}

/// What the reads so far say of all keys.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Need {
    /// A key names this host and allows no hold, or did so a moment ago.
    pub confirmation: bool,
    /// A key names this host and lets it hold until then; the earliest of these deadlines.
    pub deadline: Option<Moment>,
}

impl Pace {
    /// Unless the configuration says otherwise.
    pub const USUAL: Self = Self { full: Duration::from_secs(1), longest: Duration::from_secs(10) };

    /// A pace that never changes.
    pub const fn steady(interval: Duration) -> Self {
        Self { full: interval, longest: interval }
    }

    /// The time from a round that began at `began` to the next. `dice` spreads the rounds of quiet hosts.
    pub fn next(self, began: Moment, quiet: bool, need: Need, dice: u64) -> Duration {
        let longest = self.longest.max(self.full);
        let calm = quiet && !need.confirmation && longest > self.full;
        match need.deadline.map(|until| until.since(began)) {
            Some(left) if calm => self.holding(left),
            Some(left) => self.in_time(self.full, left),
            None if calm => spread(longest, dice),
            None => self.full,
        }
    }

    /// The longest time between two reads of a host that is named and whose deadline leaves it so much.
    pub fn holding(self, left: Duration) -> Duration {
        self.in_time((left / IN_HAND).clamp(self.full, self.longest.max(self.full)), left)
    }

    /// How long after a confirmation that leaves so much the next one is missing: the read that should have brought it is
    /// late, and so is the one after that, which came at the full pace.
    pub fn overdue(self, left: Duration) -> Duration {
        self.holding(left) + self.full
    }

    fn in_time(self, pace: Duration, left: Duration) -> Duration {
        pace.min((left * 2 / 3).max(self.full.min(SHORTEST)))
    }
}

/// Between seven and nine eighths of the span.
fn spread(span: Duration, dice: u64) -> Duration {
    let part = u32::try_from(dice % 1024).unwrap_or(0);
    span * 7 / 8 + span / 4 * part / 1024
}

/// The part of the deadline that may pass between two reads.
const IN_HAND: u32 = 5;
/// Reads are never closer together because of a deadline.
const SHORTEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn next(pace: Pace, quiet: bool, left: u64) -> Duration {
        let began = Moment::from_boot(millis(100_000));
        pace.next(began, quiet, Need { confirmation: false, deadline: Some(began + millis(left)) }, 0)
    }

    #[test]
    fn four_fifths_of_a_quiet_deadline_stay_in_hand_and_doubt_reads_at_the_full_pace() {
        for (left, quiet, doubt) in [(60_000, 10_000, 1_000), (10_000, 2_000, 1_000), (4_000, 1_000, 1_000)] {
            assert_eq!(
                (next(Pace::USUAL, true, left), next(Pace::USUAL, false, left)),
                (millis(quiet), millis(doubt)),
                "{left}"
            );
        }
    }

    #[test]
    fn a_confirmation_is_missing_after_two_reads() {
        for (left, overdue) in [(60_000, 11_000), (10_000, 3_000), (4_000, 2_000), (1_200, 1_800)] {
            assert_eq!(Pace::USUAL.overdue(millis(left)), millis(overdue), "{left}");
            assert!(next(Pace::USUAL, true, left) + next(Pace::USUAL, false, left) <= millis(overdue));
        }
        assert_eq!(Pace::steady(millis(1_000)).overdue(millis(10_000)), millis(2_000));
    }

    #[test]
    fn a_long_interval_is_bounded_by_what_is_left_of_the_deadline() {
        let long = Pace::steady(Duration::from_secs(30));
        for (left, pause) in [(90_000, 30_000), (27_000, 18_000), (9_000, 6_000), (3_000, 2_000), (300, 500), (0, 500)]
        {
            for quiet in [true, false] {
                assert_eq!(next(long, quiet, left), millis(pause), "{left}");
            }
        }
    }

    #[test]
    fn a_short_interval_stays_the_shortest() {
        let short = Pace::steady(millis(50));
        assert_eq!(
            (next(short, false, 10_000), next(short, true, 10_000), next(short, true, 30)),
            (millis(50), millis(50), millis(50))
        );
    }

    #[test]
    fn hosts_that_are_not_named_read_seldom_and_not_in_step() {
        let began = Moment::from_boot(millis(100_000));
        let next =
            |quiet, confirmation, dice| Pace::USUAL.next(began, quiet, Need { confirmation, deadline: None }, dice);
        assert_eq!((next(false, false, 7), next(true, true, 7)), (Pace::USUAL.full, Pace::USUAL.full));
        assert_eq!((next(true, false, 0), next(true, false, 512)), (millis(8_750), millis(10_000)));
        assert!(next(true, false, u64::MAX) < millis(11_250));
    }
}
