//! Totals since the start, kept through reloads.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::source::facts::SourceError;

/// All counters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// By VIP and interface.
    pub vips: BTreeMap<Place, Tally>,
    pub errors: BTreeMap<SourceError, u64>,
    pub reads: Histogram,
    /// Intervals in which no endpoint answered.
    pub unreachable: u64,
    pub reloads: u64,
}

/// The VIP with its prefix length, and the interface.
pub type Place = (String, String);

/// What is counted for one VIP.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub announcements: u64,
    pub announcement_failures: u64,
    /// Lifetimes that the kernel has acknowledged, the first included.
    pub renewals: u64,
    /// Changes that the kernel has refused.
    pub refusals: u64,
    /// Times that another host claimed the VIP while it was held.
    pub conflicts: u64,
    /// New connections that were refused after a release.
    pub refused_connections: u64,
    pub transitions: BTreeMap<(&'static str, &'static str), u64>,
}

impl Counters {
    /// Adds what one VIP has counted since the last call.
    pub fn absorb(&mut self, place: Place, tally: Tally) {
        if tally != Tally::default() || !self.vips.contains_key(&place) {
            self.vips.entry(place).or_default().add(tally);
        }
    }

    /// Adds the errors that a source has counted since its start.
    pub fn add_errors(&mut self, errors: impl IntoIterator<Item = (SourceError, u64)>) {
        for (error, count) in errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

impl Tally {
    fn add(&mut self, more: Self) {
        self.announcements += more.announcements;
        self.announcement_failures += more.announcement_failures;
        self.renewals += more.renewals;
        self.refusals += more.refusals;
        self.conflicts += more.conflicts;
        self.refused_connections += more.refused_connections;
        for (transition, count) in more.transitions {
            *self.transitions.entry(transition).or_default() += count;
        }
    }
}

/// Durations of reads.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    /// One per bound and one for everything above; not cumulated.
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    pub fn observe(&mut self, span: Duration) {
        let bucket = BOUNDS.iter().position(|(bound, _)| span <= *bound).unwrap_or(BOUNDS.len());
        self.counts[bucket] += 1;
        self.sum = self.sum.saturating_add(span);
    }

    /// Each bound with the number of reads no longer than that; the last bound is `+Inf`.
    pub fn cumulated(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let bounds = BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        bounds.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub const fn sum(&self) -> Duration {
        self.sum
    }
}

/// A read on a healthy network takes about a millisecond; one of more than a second is near its time limit.
const BOUNDS: [(Duration, &str); 11] = [
    (Duration::from_micros(500), "0.0005"),
    (Duration::from_millis(1), "0.001"),
    (Duration::from_micros(2_500), "0.0025"),
    (Duration::from_millis(5), "0.005"),
    (Duration::from_millis(10), "0.01"),
    (Duration::from_millis(25), "0.025"),
    (Duration::from_millis(50), "0.05"),
    (Duration::from_millis(100), "0.1"),
    (Duration::from_millis(250), "0.25"),
    (Duration::from_secs(1), "1.0"),
    (Duration::from_millis(2_500), "2.5"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_read_once_and_cumulates_on_request() {
        let mut reads = Histogram::default();
        for millis in [1, 1, 3, 9_000] {
            reads.observe(Duration::from_millis(millis));
        }
        let shown: BTreeMap<_, _> = reads.cumulated().collect();
        assert_eq!((shown["0.0005"], shown["0.001"], shown["0.005"], shown["2.5"], shown["+Inf"]), (0, 2, 3, 3, 4));
        assert_eq!((reads.count(), reads.sum()), (4, Duration::from_millis(9_005)));
    }
}
