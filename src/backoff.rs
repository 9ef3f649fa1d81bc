//! How long to wait before something that failed is tried again.

#![warn(missing_docs)]

use std::time::Duration;

use crate::time::Moment;

/// Pauses that double, with jitter from a seed, so that a keeper remains a function of its inputs.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    longest: Duration,
    failures: u32,
    retry_at: Option<Moment>,
    seed: u64,
}

impl Backoff {
    pub(crate) const fn new(seed: u64) -> Self {
        Self::up_to(LONGEST, seed)
    }

    /// Pauses that grow up to `longest`, which must not be longer than the usual limit.
    pub(crate) const fn up_to(longest: Duration, seed: u64) -> Self {
        Self { longest, failures: 0, retry_at: None, seed }
    }

    /// Whether an attempt may be made now.
    pub(crate) fn ready(&self, now: Moment) -> bool {
        self.retry_at.is_none_or(|at| at <= now)
    }

    pub(crate) const fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// An attempt has failed; returns the pause until the next.
    pub(crate) fn failed(&mut self, now: Moment) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(DOUBLINGS)).min(self.longest);
        let pause = jittered(full, &mut self.seed);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + pause);
        pause
    }

    /// An attempt has succeeded, or something changed that makes waiting pointless.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
        self.retry_at = None;
    }
}

/// Between 90 % and 110 % of a span. Each call advances the seed by an xorshift step.
pub(crate) fn jittered(span: Duration, seed: &mut u64) -> Duration {
    let mut x = *seed | 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *seed = x;
    let permille = u32::try_from(x % 201).unwrap_or(100);
    span.saturating_mul(900 + permille) / 1000
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
const DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_a_success_resets_them() {
        let mut backoff = Backoff::new(7);
        let now = Moment::from_boot(Duration::from_secs(100));
        let pauses: Vec<_> = (0..12).map(|_| backoff.failed(now)).collect();
        assert!((90..=110).contains(&pauses[0].as_millis()), "{pauses:?}");
        assert!((180..=220).contains(&pauses[1].as_millis()), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST * 11 / 10));
        assert!(!backoff.ready(now));
        assert!(backoff.ready(now + LONGEST * 11 / 10));
        backoff.reset();
        assert!(backoff.ready(now));
        assert!(backoff.failed(now) <= FIRST * 11 / 10);
    }

    #[test]
    fn pauses_stay_below_a_limit_of_their_own() {
        let longest = Duration::from_secs(1);
        let mut backoff = Backoff::up_to(longest, 7);
        assert!((0..12).all(|_| backoff.failed(Moment::default()) <= longest * 11 / 10));
    }

    #[test]
    fn jitter_spreads_and_is_the_same_for_the_same_seed() {
        let draw = |mut seed: u64| (0..50).map(|_| jittered(LONGEST, &mut seed)).collect::<Vec<_>>();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(5));
    }

    /// A seed reproduces a history that the simulator found, so what a seed draws must not change unnoticed.
    #[test]
    fn a_seed_always_draws_the_same() {
        let draw = |mut seed: u64| [(); 4].map(|()| jittered(Duration::from_secs(1), &mut seed).as_millis());
        assert_eq!(draw(1), [1_035, 977, 1_056, 1_022]);
        assert_eq!(draw(0), draw(1), "a seed of zero draws, too");
        assert_eq!(draw(0x5eed_5eed_5eed_5eed), [1_089, 912, 907, 1_047]);
    }

    #[test]
    fn repeated_failures_wait_longer_each_time_up_to_five_seconds() {
        let mut backoff = Backoff::new(7);
        let now = Moment::from_boot(Duration::from_secs(100));
        for full in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000_u32] {
            let pause = backoff.failed(now);
            assert!((full * 9 / 10..=full * 11 / 10).contains(&u32::try_from(pause.as_millis()).unwrap()), "{pause:?}");
            assert_eq!(backoff.retry_at(), Some(now + pause));
        }
    }
}
