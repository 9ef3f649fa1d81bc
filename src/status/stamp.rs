//! A stamp of the wall clock, for people: it says when something was, and nothing is ever decided by it.

use std::fmt;
use std::time::Duration;

/// The time since 1970 in UTC, as the wall clock had it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Stamp(pub Duration);

impl Stamp {
    /// Hours, minutes, seconds: what a line of a list has room for.
    pub fn time_of_day(self) -> String {
        let seconds = self.0.as_secs() % DAY;
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl fmt::Display for Stamp {
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

const DAY: u64 = 86_400;
/// Four hundred years.
const ERA: u64 = 146_097;
/// From 0000-03-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_date_that_everybody_else_says() {
        for (seconds, said) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Stamp(Duration::from_secs(seconds)).to_string(), said);
        }
        assert_eq!(Stamp(Duration::from_millis(1_234)).time_of_day(), "00:00:01");
    }
}
