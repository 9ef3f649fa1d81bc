//! Which reads and events count.
//!
//! Reads are ordered by time, events by revision. A read that was sent after another was answered is at least as
//! new, whatever its revision says (a cluster restored from a snapshot counts from a lower one). Of two that
//! overlapped, the one with the higher revision is newer. An event is old if a read or an event that counted has seen
//! its revision already: three endpoints deliver the same change three times.

use std::time::Duration;

use super::input::{KeyEvent, KeyRead, Tenure, Version};
use crate::time::Moment;

/// What counts so far about one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    newest: Option<KeyRead>,
    /// The highest version that counted since.
    horizon: Option<Version>,
    /// When the last event was heard that did not name us: only a read sent later counts if it names us. A read sent at
    /// the same instant is not later: the clock of a paused machine may have stopped between the two.
    denied_at: Option<Moment>,
    last_event_at: Option<Moment>,
}

/// What a read is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It names us and allows a hold until then.
    Mine {
        until: Moment,
    },
    NotMine,
    /// It names us, but the time left of its lease is unknown: it changes nothing.
    Inconclusive,
    /// Something newer counts already.
    Overtaken,
}

impl Evidence {
    pub(super) const fn newest(&self) -> Option<&KeyRead> {
        self.newest.as_ref()
    }

    /// Judges a read, and remembers it if it counts.
    pub(super) fn read(&mut self, read: &KeyRead, rules: Limits) -> Verdict {
        if self.overtakes(read) {
            return Verdict::Overtaken;
        }
        let ours = read.names.is_us();
        if ours && self.denied_at.is_some_and(|denied| read.sent_at <= denied) {
            return Verdict::Overtaken;
        }
        let verdict = match (ours, rules.hold_span(read.tenure)) {
            (false, _) => Verdict::NotMine,
            (true, Some(span)) => Verdict::Mine { until: read.sent_at + span },
            (true, None) => return Verdict::Inconclusive,
        };
        let authoritative = self.last_event_at.is_none_or(|event| event < read.sent_at);
        self.horizon = if authoritative { read.version } else { self.horizon.max(read.version) };
        self.newest = Some(read.clone());
        verdict
    }

    /// Judges an event: whether it is news. One without a version always is.
    pub(super) fn event(&mut self, event: &KeyEvent) -> bool {
        if event.version.is_some() && event.version <= self.horizon {
            return false;
        }
        self.horizon = self.horizon.max(event.version);
        self.last_event_at = Some(event.heard_at);
        if !event.names.is_us() {
            self.denied_at = Some(event.heard_at);
        }
        true
    }

    fn overtakes(&self, read: &KeyRead) -> bool {
        self.newest.as_ref().is_some_and(|newest| {
            let overlapped = read.sent_at < newest.answered_at;
            let older =
                read.version < newest.version || (read.version == newest.version && read.sent_at < newest.sent_at);
            overlapped && older
        })
    }
}

/// The limits of a hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Limits {
    /// The longest time that one read allows a hold.
    pub hold_timeout: Duration,
    /// How long before the end of the lease it ends.
    pub lease_margin: Duration,
}

impl Limits {
    /// How long a read that names us lets us hold, from the moment it was sent.
    pub fn hold_span(self, tenure: Tenure) -> Option<Duration> {
        match tenure {
            Tenure::NoLease => Some(self.hold_timeout),
            Tenure::AtLeast(left) => Some(left.saturating_sub(self.lease_margin).min(self.hold_timeout)),
            Tenure::Assumed { left, margin } => {
                Some(left.saturating_sub(self.lease_margin.min(margin)).min(self.hold_timeout))
            }
            Tenure::Unknown => None,
        }
    }

    /// With this much left of a lease, more would change nothing.
    pub fn enough(self) -> Duration {
        self.hold_timeout + self.lease_margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::input::Names;

    const LIMITS: Limits = Limits { hold_timeout: Duration::from_secs(10), lease_margin: Duration::from_secs(3) };

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(100_000 + millis))
    }

    fn names(holder: &str) -> Names {
        match holder {
            "" => Names::Nobody,
            "pg1" => Names::Us,
            other => Names::Other(other.into()),
        }
    }

    fn read(holder: &str, revision: i64, sent: u64, answered: u64) -> KeyRead {
        KeyRead {
            names: names(holder),
            version: Some(Version(revision)),
            modified: Some(Version(revision)),
            sent_at: at(sent),
            answered_at: at(answered),
            tenure: Tenure::AtLeast(Duration::from_secs(25)),
            from: "test".into(),
        }
    }

    fn event(holder: &str, revision: i64, heard: u64) -> KeyEvent {
        KeyEvent { names: names(holder), version: Some(Version(revision)), heard_at: at(heard), from: "test".into() }
    }

    #[test]
    fn the_deadline_counts_from_the_request_and_keeps_the_margin() {
        let until = |tenure| Evidence::default().read(&KeyRead { tenure, ..read("pg1", 5, 0, 400) }, LIMITS);
        assert_eq!(until(Tenure::NoLease), Verdict::Mine { until: at(10_000) });
        assert_eq!(until(Tenure::AtLeast(Duration::from_secs(25))), Verdict::Mine { until: at(10_000) });
        assert_eq!(until(Tenure::AtLeast(Duration::from_secs(8))), Verdict::Mine { until: at(5_000) });
        assert_eq!(until(Tenure::AtLeast(Duration::from_secs(2))), Verdict::Mine { until: at(0) });
        assert_eq!(until(Tenure::Unknown), Verdict::Inconclusive);
        for (left, margin, hold) in [(10, 3, 7), (10, 9, 7), (10, 2, 8), (10, 0, 10), (25, 3, 10), (2, 3, 0)] {
            let [left, margin] = [left, margin].map(Duration::from_secs);
            assert_eq!(until(Tenure::Assumed { left, margin }), Verdict::Mine { until: at(hold * 1_000) }, "{left:?}");
        }
    }

    #[test]
    fn of_two_reads_that_overlapped_the_higher_revision_is_the_newer() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.read(&read("pg2", 12, 10, 20), LIMITS), Verdict::NotMine);
        assert_eq!(evidence.read(&read("pg1", 10, 0, 30), LIMITS), Verdict::Overtaken);
        assert_eq!(evidence.read(&read("pg1", 13, 15, 40), LIMITS), Verdict::Mine { until: at(10_015) });
    }

    #[test]
    fn after_a_restore_from_a_snapshot_a_later_read_counts_though_its_revision_is_lower() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.read(&read("pg1", 1_000, 0, 5), LIMITS), Verdict::Mine { until: at(10_000) });
        assert_eq!(evidence.read(&read("pg2", 7, 1_000, 1_005), LIMITS), Verdict::NotMine);
        assert!(evidence.event(&event("pg1", 8, 1_500)));
    }

    #[test]
    fn a_read_sent_before_an_event_that_denies_us_does_not_count() {
        let mut evidence = Evidence::default();
        assert!(evidence.event(&event("", 11, 50)));
        assert_eq!(evidence.read(&read("pg1", 10, 40, 60), LIMITS), Verdict::Overtaken);
        assert_eq!(evidence.read(&read("pg1", 10, 50, 60), LIMITS), Verdict::Overtaken);
        assert_eq!(evidence.read(&read("pg1", 12, 51, 60), LIMITS), Verdict::Mine { until: at(10_051) });
    }

    #[test]
    fn an_event_counts_from_when_it_was_heard_not_handled() {
        let mut evidence = Evidence::default();
        assert!(evidence.event(&event("", 11, 50)));
        assert_eq!(evidence.read(&read("pg1", 12, 51, 900), LIMITS), Verdict::Mine { until: at(10_051) });
    }

    #[test]
    fn the_same_change_from_a_slower_endpoint_is_no_news() {
        let mut evidence = Evidence::default();
        assert!(evidence.event(&event("", 11, 50)));
        assert!(evidence.event(&event("pg1", 12, 51)));
        assert!(!evidence.event(&event("", 11, 55)));
        assert_eq!(evidence.read(&read("pg1", 12, 52, 60), LIMITS), Verdict::Mine { until: at(10_052) });
        assert!(!evidence.event(&event("pg1", 12, 70)));
    }

    #[test]
    fn a_read_that_denies_us_counts_though_an_event_was_heard_since_it_was_sent() {
        let mut evidence = Evidence::default();
        assert!(evidence.event(&event("", 11, 50)));
        assert_eq!(evidence.read(&read("pg2", 10, 40, 60), LIMITS), Verdict::NotMine);
    }

    #[test]
    fn a_read_supersedes_earlier_events_but_not_one_of_the_same_instant() {
        let mut restored = Evidence::default();
        assert!(restored.event(&event("pg1", 1_000, 50)));
        assert_eq!(restored.read(&read("pg2", 7, 51, 60), LIMITS), Verdict::NotMine);
        assert!(restored.event(&event("pg1", 8, 70)), "the store counts from a lower revision");
        let mut repeated = Evidence::default();
        assert!(repeated.event(&event("", 11, 50)));
        assert_eq!(repeated.read(&read("pg2", 10, 50, 60), LIMITS), Verdict::NotMine);
        assert!(!repeated.event(&event("", 11, 70)), "the same change from a slower endpoint");
    }

    #[test]
    fn of_two_reads_the_newer_counts() {
        let first = read("pg2", 10, 100, 200);
        for (second, counts, why) in [
            (read("pg2", 9, 199, 210), false, "overlapped, lower revision"),
            (read("pg2", 9, 200, 210), true, "sent after the first was answered"),
            (read("pg2", 11, 50, 210), true, "overlapped, higher revision"),
            (read("pg2", 10, 99, 210), false, "same revision, sent before"),
            (read("pg2", 10, 100, 210), true, "same revision, sent at the same instant"),
            (read("pg2", 10, 101, 210), true, "same revision, sent after"),
        ] {
            let mut evidence = Evidence::default();
            assert_eq!(evidence.read(&first, LIMITS), Verdict::NotMine);
            let verdict = if counts { Verdict::NotMine } else { Verdict::Overtaken };
            assert_eq!(evidence.read(&second, LIMITS), verdict, "{why}");
        }
    }
}
