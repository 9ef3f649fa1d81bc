//! What is expected of a fault, and whether it came so.

use std::time::Duration;

use vip_manager::time::Moment;

use super::seconds;
use crate::support::clock::now;
use crate::support::holding::{Interval, absence, overlap};

/// The expected course.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// The first host has the address throughout, the second one never.
    Kept,
    /// The first host may lack it while the fault lasts and for this time after it, the second one never has it.
    Interrupted { after: Duration },
    /// The second host has it after this time, and both hosts had it for no longer than this.
    Moved { within: Duration, overlap: Duration },
    /// The fault makes no sense with a store, for this reason.
    Senseless(&'static str),
}

/// What became of one pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    pub(super) good: bool,
    /// For how long nobody had the address, in total.
    pub(super) absent: Duration,
    /// For how long both hosts had it.
    pub(super) overlap: Duration,
    /// When the second host got it, after the beginning.
    pub(super) moved: Option<Duration>,
}

impl Expected {
    /// Moved at once: a read by the new host, and a release by the old one. Where no claim decides, the new host may be
    /// faster than an old one that waits for the processor.
    pub(super) const fn moved_at_once(claims: bool) -> Self {
        let overlap = if claims { Duration::ZERO } else { Duration::from_millis(500) };
        Self::Moved { within: Duration::from_secs(5), overlap }
    }

    pub(super) fn limit(self) -> Duration {
        match self {
            Self::Kept | Self::Senseless(_) => Duration::ZERO,
            Self::Interrupted { after } => after,
            Self::Moved { within, .. } => within,
        }
    }

    /// How the table says it.
    pub(super) fn text(self) -> String {
        match self {
            Self::Kept => "kept".to_owned(),
            Self::Interrupted { after } => format!("back within {} s", after.as_secs_f64()),
            Self::Moved { within, overlap: Duration::ZERO } => format!("moves within {} s", within.as_secs_f64()),
            Self::Moved { within, overlap } => {
                format!("moves within {} s, {} s of overlap", within.as_secs_f64(), overlap.as_secs_f64())
            }
            Self::Senseless(_) => "–".to_owned(),
        }
    }

    /// Judges the times in which the two hosts had the address from the beginning of a fault until long after its end.
    pub(super) fn judge(self, held: &[Vec<Interval>; 2], began: Moment, over: Moment, ended: Moment) -> Verdict {
        let [first, second] = held;
        let absent = absence(&held.concat(), began, ended);
        let shared = overlap(first, second, ended);
        let moved = second.first().map(|interval| interval.from.since(began));
        let has = |held: &[Interval]| held.last().is_some_and(|last| last.until.is_none());
        let since = |held: &[Interval]| held.last().map_or(ended, |last| last.from);
        let good = match self {
            Self::Kept => first.len() == 1 && has(first) && absent.is_zero() && second.is_empty(),
            Self::Interrupted { after } => has(first) && second.is_empty() && since(first) <= over + after,
            Self::Moved { within, overlap } => {
                let once = first.len() <= 1 && second.len() == 1;
                once && !has(first) && has(second) && shared <= overlap && moved.is_some_and(|moved| moved <= within)
            }
            Self::Senseless(_) => true,
        };
        Verdict { good, absent, overlap: shared, moved }
    }
}

/// The times in which a host had the address, for whoever reads a failure.
pub(super) fn shown(held: &[Interval], began: Moment) -> String {
    let one = |held: &Interval| {
        format!("{:.3}..{:.3}", seconds(began, held.from), seconds(began, held.until.unwrap_or_else(now)))
    };
    held.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn moment(seconds: u64) -> Moment {
        Moment::default() + at(seconds)
    }

    fn held(spans: &[(u64, Option<u64>)]) -> Vec<Interval> {
        let one = |(from, until): &(u64, Option<u64>)| Interval { from: moment(*from), until: until.map(moment) };
        spans.iter().map(one).collect()
    }

    fn judge(expected: Expected, first: &[(u64, Option<u64>)], second: &[(u64, Option<u64>)]) -> Verdict {
        expected.judge(&[held(first), held(second)], moment(10), moment(17), moment(30))
    }

    #[test]
    fn what_is_kept_has_no_gap_and_no_other_holder() {
        assert!(judge(Expected::Kept, &[(10, None)], &[]).good);
        assert!(!judge(Expected::Kept, &[(10, Some(15)), (16, None)], &[]).good);
        assert!(!judge(Expected::Kept, &[(10, None)], &[(12, Some(13))]).good);
        assert!(!judge(Expected::Kept, &[(10, Some(29))], &[]).good);
        assert!(!judge(Expected::Kept, &[], &[]).good);
    }

    #[test]
    fn what_is_interrupted_comes_back_in_time_to_the_same_host() {
        let expected = Expected::Interrupted { after: at(3) };
        assert!(judge(expected, &[(10, None)], &[]).good);
        let back = judge(expected, &[(10, Some(15)), (20, None)], &[]);
        assert!(back.good && back.absent == at(5));
        assert!(!judge(expected, &[(10, Some(15)), (21, None)], &[]).good, "late");
        assert!(!judge(expected, &[(10, Some(15)), (19, Some(20)), (22, None)], &[]).good, "not for long");
        assert!(!judge(expected, &[(10, Some(27))], &[]).good, "not in the end");
        assert!(!judge(expected, &[(10, Some(15)), (20, None)], &[(16, Some(18))]).good, "on the other host");
    }

    #[test]
    fn what_moves_does_so_in_time_and_once() {
        let expected = Expected::Moved { within: at(6), overlap: at(1) };
        let moved = judge(expected, &[(10, Some(14))], &[(15, None)]);
        assert_eq!((moved.good, moved.absent, moved.moved), (true, at(1), Some(at(5))));
        assert_eq!(judge(expected, &[(10, Some(16))], &[(15, None)]).overlap, at(1));
        assert!(judge(expected, &[(10, Some(16))], &[(15, None)]).good);
        assert!(!judge(expected, &[(10, Some(18))], &[(15, None)]).good, "overlap");
        assert!(!judge(expected, &[(10, Some(14))], &[(17, None)]).good, "late");
        assert!(!judge(expected, &[(10, None)], &[(15, Some(16))]).good, "not in the end");
        assert!(!judge(expected, &[(10, Some(12)), (13, Some(14))], &[(15, None)]).good, "back in between");
    }
}
