//! True time, and the clocks of the hosts.
//!
//! True time is counted in microseconds, and no host knows it. The clock of a host is up to 2 % too fast or too slow,
//! and stops or jumps when its machine is paused.

use std::time::Duration;

use vip_manager::time::Moment;

/// True time, in microseconds.
pub type Micros = u64;

pub const MILLI: Micros = 1_000;
pub const SECOND: Micros = 1_000_000;
pub const MINUTE: Micros = 60 * SECOND;
pub const HOUR: Micros = 60 * MINUTE;
pub const NEVER: Micros = u64::MAX;

/// A host's clock, which has a constant rate.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    true_base: Micros,
    local_base: Micros,
    /// How fast it is, in parts per million.
    ppm: i64,
}

impl Clock {
    pub const fn new(local_base: Micros, ppm: i64) -> Self {
        Self { true_base: 0, local_base, ppm }
    }

    pub const fn local(&self, at: Micros) -> Micros {
        let passed = at.saturating_sub(self.true_base);
        self.local_base + ((passed as i64) + ((passed as i64) * self.ppm).div_euclid(MILLION)) as u64
    }

    pub const fn moment(&self, at: Micros) -> Moment {
        Moment::from_boot(Duration::from_micros(self.local(at)))
    }

    /// The first true instant at which this clock shows at least this moment.
    pub fn when(&self, moment: Moment) -> Micros {
        let since = moment.since_boot();
        let local = since.as_micros() as u64 + u64::from(!since.subsec_nanos().is_multiple_of(1_000));
        self.when_local(local)
    }

    pub const fn when_local(&self, local: Micros) -> Micros {
        // Beyond the end of all histories any value will do.
        let ahead = local.saturating_sub(self.local_base);
        let ahead = (if ahead < BEYOND { ahead } else { BEYOND }) as i64;
        let mut at = self.true_base + (ahead * MILLION / (MILLION + self.ppm)) as u64;
        while self.local(at) < local && ahead < BEYOND as i64 {
            at += 1;
        }
        at
    }

    /// The machine did not run from `from` to `to`, and its clock stopped.
    pub const fn stood_still(&mut self, from: Micros, to: Micros) {
        self.local_base = self.local(from);
        self.true_base = to;
    }
}

const MILLION: i64 = 1_000_000;
const BEYOND: Micros = 1_000 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_to_local_time_and_back_at_any_rate() {
        for ppm in [-20_000, -1, 0, 3, 20_000] {
            let clock = Clock::new(500 * SECOND, ppm);
            for at in [0, 1, 999_999, 3_600_000_001] {
                let there = clock.moment(at);
                assert!(clock.when(there) <= at && clock.moment(clock.when(there)) >= there, "{ppm} {at}");
            }
        }
    }

    #[test]
    fn hides_a_pause_in_which_the_clock_stood_still() {
        let mut clock = Clock::new(0, 0);
        clock.stood_still(10 * SECOND, 70 * SECOND);
        assert_eq!(clock.local(71 * SECOND), 11 * SECOND);
    }
}
