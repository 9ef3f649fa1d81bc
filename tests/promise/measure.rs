//! Figures: how two moments lie to each other, and how they are told.

use std::io::{Write, stderr};
use std::time::Duration;

use vip_manager::time::Moment;

/// From `earlier` to `later` in milliseconds; negative where they came the other way round.
pub(crate) fn millis(earlier: Moment, later: Moment) -> f64 {
    (later.since(earlier).as_secs_f64() - earlier.since(later).as_secs_f64()) * 1_000.0
}

/// The same in seconds.
pub(crate) fn seconds(earlier: Moment, later: Moment) -> f64 {
    millis(earlier, later) / 1_000.0
}

/// Tells a measurement to whoever reads the test's output.
pub(crate) fn report(measurement: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(stderr(), "measured: {measurement}");
}

/// The middle one of some times.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}
