//! How long a key lives at least. Pure.
//!
//! The end of a key is a date that the member wrote who took the write, and each member counts what is left by its own
//! clock. So of all answers about one write the one with the earliest end counts; and another bound needs no member's
//! clock: a read that showed the record before this one was sent before this one was written.

use std::time::Duration;

use crate::time::Moment;

/// One write of a key, as it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    modified: i64,
    /// When the last read was sent that showed another record: this one was written later.
    written_after: Option<Moment>,
    /// The least time to live that it can have been given.
    granted: Duration,
    /// The earliest end that any answer implies.
    ends: Moment,
    /// When the last read was sent that showed it.
    shown: Moment,
}

impl Record {
    /// A read that was sent then showed this write, with so much left by the clock of whoever answered.
    pub(super) fn observe(before: Option<Self>, modified: i64, left: Duration, sent_at: Moment) -> Self {
        let ends = sent_at + left;
        match before {
            Some(before) if before.modified == modified => {
                Self { ends: before.ends.min(ends), shown: before.shown.max(sent_at), ..before }
            }
            before => {
                let written_after = before.map(|before| before.shown).filter(|shown| *shown < sent_at);
                Self { modified, written_after, granted: left, ends, shown: sent_at }
            }
        }
    }

    /// What it has left at least.
    pub(super) fn left(&self, at: Moment) -> Duration {
        let observed = self.written_after.map(|written| written + self.granted);
        observed.map_or(self.ends, |observed| observed.min(self.ends)).since(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_boot(Duration::from_secs(1_000 + seconds))
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn of_all_answers_about_one_write_the_earliest_end_counts() {
        let record = Record::observe(None, 7, seconds(29), at(0));
        assert_eq!(record.left(at(0)), seconds(29));
        // A member whose clock is ahead.
        let record = Record::observe(Some(record), 7, seconds(20), at(1));
        assert_eq!(record.left(at(1)), seconds(20));
        // One whose clock is behind does not help.
        let record = Record::observe(Some(record), 7, seconds(40), at(2));
        assert_eq!(record.left(at(2)), seconds(19));
        assert_eq!(record.left(at(40)), Duration::ZERO);
    }

    #[test]
    fn a_renewal_counts_from_the_last_read_that_did_not_show_it() {
        let record = Record::observe(None, 7, seconds(25), at(0));
        let record = Record::observe(Some(record), 8, seconds(29), at(3));
        assert_eq!(record.left(at(3)), seconds(26), "it may have been written right after the read before");
        let record = Record::observe(Some(record), 8, seconds(28), at(4));
        assert_eq!(record.left(at(4)), seconds(25));
    }

    #[test]
    fn a_late_answer_and_a_restored_store_never_lengthen_it() {
        let record = Record::observe(None, 8, seconds(29), at(5));
        // Sent before, answered after: it shows the record before, and says nothing about when this was written.
        let late = Record::observe(Some(record), 7, seconds(20), at(4));
        assert_eq!(late.left(at(4)), seconds(20));
        let again = Record::observe(Some(late), 8, seconds(28), at(6));
        assert_eq!(again.left(at(6)), seconds(26), "written after the read at 4");
    }
}
