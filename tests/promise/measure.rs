//! Measurements: differences of moments, and their output.

use std::io::{Write, stderr};
use std::time::Duration;

use vip_manager::time::Moment;

/// From `earlier` to `later` in milliseconds; negative if `later` was first.
pub(crate) fn millis(earlier: Moment, later: Moment) -> f64 {
    (later.since(earlier).as_secs_f64() - earlier.since(later).as_secs_f64()) * 1_000.0
}

/// The same in seconds.
pub(crate) fn seconds(earlier: Moment, later: Moment) -> f64 {
    millis(earlier, later) / 1_000.0
}

/// Prints a measurement to the test's output.
pub(crate) fn report(measurement: &str) {
    // The reader may be gone.
    let _ = writeln!(stderr(), "measured: {measurement}");
}

/// The median.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}
