//! The schedule of announcements, as data.
//!
//! A series is sent at once and repeated over the next seconds, because a packet may be lost and a neighbour ignores
//! some packets within its lock time of a second. Refreshes follow for as long as the address is held: switches forget
//! a silent MAC after some 300 s, gateways an ARP entry after 1,200 s or more.

use std::time::Duration;

use crate::backoff::jittered;
use crate::time::Moment;

/// How an address is announced: a series of rounds, then a refresh now and then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// The number of rounds in a series, at least one; the built-in series without.
    pub count: Option<u32>,
    /// The time between two rounds of a series; the built-in offsets without.
    pub interval: Option<Duration>,
    /// The time between two refreshes; zero for none.
    pub refresh: Duration,
}

impl Schedule {
    /// When the round with this number is due, `previous` being when the one before was sent.
    fn due(self, round: u32, started: Moment, previous: Moment, seed: &mut u64) -> Option<Moment> {
        let built_in = u32::try_from(OFFSETS.len()).unwrap_or(u32::MAX);
        if round < self.count.unwrap_or(built_in).clamp(1, MOST_ROUNDS) {
            return Some(
                started + self.interval.map_or_else(|| built_in_offset(round), |gap| gap.saturating_mul(round)),
            );
        }
        (!self.refresh.is_zero()).then(|| previous + jittered(self.refresh, seed))
    }
}

fn built_in_offset(round: u32) -> Duration {
    let last = OFFSETS.len() - 1;
    let index = usize::try_from(round).unwrap_or(usize::MAX);
    let beyond = u32::try_from(index.saturating_sub(last)).unwrap_or(u32::MAX);
    Duration::from_millis(OFFSETS[index.min(last)]) + BEYOND.saturating_mul(beyond)
}

/// The position of a keeper in its schedule.
#[derive(Clone, Debug)]
pub(super) struct Series {
    started: Moment,
    round: u32,
    due: Option<Moment>,
    seed: u64,
}

impl Series {
    /// Nothing is due before the first series.
    pub(super) const fn idle(seed: u64) -> Self {
        Self { started: Moment::from_boot(Duration::ZERO), round: 0, due: None, seed }
    }

    /// Begins a new series: its first round is due at once.
    pub(super) const fn begin(&mut self, now: Moment) {
        self.started = now;
        self.round = 0;
        self.due = Some(now);
    }

    pub(super) const fn due(&self) -> Option<Moment> {
        self.due
    }

    /// Takes the round that is due, if one is. Rounds that were missed are not made up for.
    pub(super) fn take(&mut self, schedule: Schedule, now: Moment) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        while self.due.is_some_and(|due| due <= now) {
            self.round = self.round.saturating_add(1);
            self.due = schedule.due(self.round, self.started, now, &mut self.seed);
        }
        true
    }
}

/// Twice within a neighbour's lock time, then around and beyond it.
const OFFSETS: [u64; 6] = [0, 100, 500, 1_100, 2_200, 4_400];
/// The gap between rounds beyond the built-in ones.
const BEYOND: Duration = Duration::from_millis(2_200);
const MOST_ROUNDS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(count: Option<u32>, interval: Option<Duration>, refresh: Duration) -> Schedule {
        Schedule { count, interval, refresh }
    }

    fn rounds(schedule: Schedule, most: usize) -> Vec<u64> {
        let start = Moment::from_boot(Duration::from_secs(50));
        let mut series = Series::idle(1);
        series.begin(start);
        let mut sent = Vec::new();
        while let Some(due) = series.due().filter(|_| sent.len() < most) {
            assert!(series.take(schedule, due));
            sent.push(u64::try_from(due.since(start).as_millis()).unwrap());
        }
        sent
    }

    #[test]
    fn the_built_in_series_is_six_rounds_and_then_a_refresh_a_minute() {
        let sent = rounds(schedule(None, None, Duration::from_secs(60)), 8);
        assert_eq!(sent[..6], [0, 100, 500, 1_100, 2_200, 4_400]);
        assert!((54_000..=66_000).contains(&(sent[6] - sent[5])), "{sent:?}");
        assert!((54_000..=66_000).contains(&(sent[7] - sent[6])), "{sent:?}");
    }

    #[test]
    fn count_and_interval_shape_the_series_and_zero_disables_the_refresh() {
        let even = schedule(Some(3), Some(Duration::from_millis(250)), Duration::ZERO);
        assert_eq!(rounds(even, 9), [0, 250, 500]);
        let longer = schedule(Some(8), None, Duration::ZERO);
        assert_eq!(rounds(longer, 9), [0, 100, 500, 1_100, 2_200, 4_400, 6_600, 8_800]);
    }

    #[test]
    fn an_interval_of_zero_still_ends() {
        let rush = schedule(Some(5), Some(Duration::ZERO), Duration::ZERO);
        assert_eq!(rounds(rush, 9), [0]);
    }

    #[test]
    fn missed_rounds_are_not_made_up_for() {
        let schedule = schedule(None, None, Duration::from_secs(60));
        let start = Moment::from_boot(Duration::from_secs(50));
        let mut series = Series::idle(1);
        series.begin(start);
        assert!(series.take(schedule, start + Duration::from_secs(3)));
        assert!(!series.take(schedule, start + Duration::from_secs(3)));
        assert_eq!(series.due(), Some(start + Duration::from_millis(4_400)));
    }
}
