//! How often the same thing is worth a line.
//!
//! Once, it is news; a few times, it is a pattern; from then on it only buries what else there is to read.

use std::time::Duration;

use super::Moment;

/// Lets the first few of a minute be told, and counts the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    since: Option<Moment>,
    told: u32,
    untold: u32,
}

impl Repeats {
    /// Once more: how many were not told since the last that was, if this one is to be told.
    pub(super) fn again(&mut self, now: Moment) -> Option<u32> {
        if self.since.is_none_or(|since| now.since(since) >= MINUTE) {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told == MOST {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
    }
}

const MOST: u32 = 3;
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_a_minute_are_told_and_the_next_minute_tells_how_many_were_not() {
        let mut repeats = Repeats::default();
        let at = |seconds: u64| Moment::from_boot(Duration::from_secs(1_000 + seconds));
        let told: Vec<_> = (0..8).map(|second| repeats.again(at(second))).collect();
        assert_eq!(told, [Some(0), Some(0), Some(0), None, None, None, None, None]);
        assert_eq!(repeats.again(at(60)), Some(5));
        assert_eq!(repeats.again(at(61)), Some(0));
    }
}
