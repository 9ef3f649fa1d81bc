//! A series of measured times and its statistics.

use std::time::Duration;

use crate::support::fail::OrFail;
use vip_manager::time::Moment;

/// Milliseconds; negative if before the reference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn add(&mut self, milliseconds: f64) {
        self.0.push(milliseconds);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that `share` of all values do not exceed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * to_f64(self.0.len())).ceil();
        let place = (1..self.0.len()).take_while(|place| to_f64(*place) < rank).count();
        *self.0.get(place).or_fail("a quantile of an empty series")
    }

    /// How many values are before the reference.
    pub(crate) fn below_zero(&self) -> usize {
        self.0.iter().filter(|value| **value < 0.0).count()
    }

    pub(crate) fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }
}

/// The time from `reference` to `at` in milliseconds; negative if `at` was before.
pub(crate) fn after(reference: Moment, at: Moment) -> f64 {
    let span = |duration: Duration| duration.as_secs_f64() * 1e3;
    span(at.since(reference)) - span(reference.since(at))
}

/// A count as a number to divide by.
pub(crate) fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).or_fail("a count of moderate size"))
}
