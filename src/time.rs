//! Plain values of time: an instant, a lifetime, a date.
//!
//! The pure parts have no clock. They are given instants, counted since boot with suspended time included
//! (`CLOCK_BOOTTIME`), because a lease continues to run out while a machine sleeps. `std::time::Instant` stops meanwhile
//! and cannot be made from a number, so it would serve neither the promise nor a simulator.

#![warn(missing_docs)]

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant, as the time since boot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(Duration);

impl Moment {
    /// The instant so long after boot.
    pub const fn from_boot(since: Duration) -> Self {
        Self(since)
    }

    /// The time since boot.
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this instant; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// When the kernel removes an address by itself.
///
/// The kernel reports whole seconds, rounded up, so the end may be a second earlier. It removes up to two seconds late.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lifetime<T = Moment> {
    /// It ends at this moment, or after this time.
    Until(T),
    /// It has no end, and is longer than any that has one.
    Forever,
}

impl Lifetime {
    /// The same, counted from `now`.
    pub fn left(self, now: Moment) -> Lifetime<Duration> {
        match self {
            Self::Until(end) => Lifetime::Until(end.since(now)),
            Self::Forever => Lifetime::Forever,
        }
    }
}

/// The clocks, as a value for whoever needs both.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The time since boot, by which everything is decided.
    pub now: fn() -> Moment,
    /// The time of day.
    pub wall_time: fn() -> WallTime,
}

/// The time since 1970 in UTC, as the wall clock had it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct WallTime(pub Duration);

impl WallTime {
    /// Hours, minutes, seconds: what a line of a list has room for.
    pub fn time_of_day(self) -> String {
        let seconds = self.0.as_secs() % DAY;
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }

    /// Reads a date and a time of ISO 8601 with their offset from UTC: `2026-11-26T12:00:05.123456+00:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once('T')?;
        let (time, offset) = if let Some(time) = rest.strip_suffix('Z') {
            (time, 0)
        } else {
            let sign = rest.rfind(['+', '-'])?;
            let (time, offset) = rest.split_at_checked(sign)?;
            let minutes = minutes(offset.get(1..)?)?;
            (time, if offset.starts_with('-') { -minutes } else { minutes })
        };
        let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(whole, ':', [2, 2, 2])?;
        let nanoseconds = digits(&format!("{:0<9}", fraction.get(..fraction.len().min(9))?))?;
        let legal = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !legal || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let local = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        let seconds = local.checked_add_signed(-offset * 60)?;
        Some(Self(Duration::new(seconds, u32::try_from(nanoseconds).ok()?)))
    }
}

/// `01:30` as 90.
fn minutes(text: &str) -> Option<i64> {
    let [hours, minutes, _] = numbers(&format!("{text}:00"), ':', [2, 2, 2])?;
    i64::try_from(hours * 60 + minutes).ok().filter(|_| hours < 24 && minutes < 60)
}

/// Three numbers with so many digits each.
fn numbers(text: &str, between: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut next = |width| parts.next().filter(|part| part.len() == width).and_then(digits);
    let found = [next(widths[0])?, next(widths[1])?, next(widths[2])?];
    parts.next().is_none().then_some(found)
}

/// A number of digits alone, without a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for WallTime {
    /// RFC 3339 with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0.as_secs() / DAY);
        write!(f, "{year:04}-{month:02}-{day:02}T{}.{:03}Z", self.time_of_day(), self.0.subsec_millis())
    }
}

/// The Gregorian date so many days after 1970-01-01. Years are counted from March, so that the leap day is the last.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / ERA, days % ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The inverse, from 1970 on.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    era * ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - DAYS_TO_1970
}

const DAY: u64 = 86_400;
/// Four hundred years.
const ERA: u64 = 146_097;
/// From 0000-03-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let (second, hour) = (Duration::from_secs(1), Moment::from_boot(Duration::from_secs(3600)));
        assert_eq!((hour + second).since_boot(), Duration::from_secs(3601));
        assert_eq!((hour - second).since_boot(), Duration::from_secs(3599));
        assert_eq!((hour + second).since(hour), second);
        assert_eq!(hour.since(hour + second), Duration::ZERO);
        assert_eq!(
            (Moment::default() - second, Moment::from_boot(Duration::MAX) + second),
            (Moment::default(), Moment::from_boot(Duration::MAX))
        );
    }

    #[test]
    fn a_stamp_is_the_date_that_everybody_else_says() {
        for (seconds, said) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(WallTime(Duration::from_secs(seconds)).to_string(), said);
        }
        assert_eq!(WallTime(Duration::from_millis(1_234)).time_of_day(), "00:00:01");
    }

    #[test]
    fn a_stamp_is_read_back_and_so_is_the_form_of_others() {
        for day in (0..40_000).step_by(13) {
            let time = WallTime(Duration::from_millis(day * DAY * 1000 + 12_345_678));
            assert_eq!(WallTime::parse(&time.to_string()), Some(time));
        }
        let noon = WallTime::parse("2026-11-26T12:00:00Z").unwrap();
        for (text, after) in [
            ("2026-11-26T12:00:05.123456+00:00", Some(5_123_456)),
            ("2026-11-26T12:00:05+00:00", Some(5_000_000)),
            ("2026-11-26T13:30:00.5+01:30", Some(500_000)),
            ("2026-11-26T11:59:00-00:01", Some(0)),
            ("2026-11-26T12:00:00", None),
            ("2026-11-26 12:00:00Z", None),
            ("2026-13-26T12:00:00Z", None),
            ("2026-11-26T24:00:00Z", None),
            ("2026-11-26T12:00:00.+00:00", Some(0)),
            ("2026-11-26T12:00:00.-1Z", None),
            ("+026-11-26T12:00:00Z", None),
            ("1969-11-26T12:00:00Z", None),
            ("1970-01-01T00:00:00+00:01", None),
            ("2026-11-26T12:00:00+99:00", None),
            ("T", None),
            ("", None),
            ("é", None),
        ] {
            let after = after.map(|micros| WallTime(noon.0 + Duration::from_micros(micros)));
            assert_eq!(WallTime::parse(text), after, "{text}");
        }
    }
}
