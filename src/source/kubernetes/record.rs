//! How long Patroni's record of the leader holds, from what the reads of it showed.
//!
//! Nothing expires in Kubernetes: the object names a leader that died until another host overwrites it. A candidate does
//! that when it has seen the same record for as long as the record's `ttl` says. It compares five annotations and
//! measures by its own clock, from when it first saw them, so never from before they were written. Hence the bound: *the
//! record was written after the last read that still showed another one was sent, and nobody else leads until `ttl` after
//! that*. No clock of another host is compared, but the candidate's may be the faster one, so a record ages a little faster
//! than ours.
//!
//! A record that was never seen to change has no such bound. If it names us, Patroni on this host wrote the time of its
//! renewal with this host's own wall clock, and that bounds it until it is renewed.
//!
//! Pure: instants and the time of day come as arguments.

use std::cmp::Ordering;
use std::time::Duration;

use serde::Deserialize;

use crate::time::{Moment, WallTime};

/// The annotations that a candidate compares.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    pub leader: Option<String>,
    pub ttl: Option<String>,
    pub renew_time: Option<String>,
    pub acquire_time: Option<String>,
    pub transitions: Option<String>,
}

impl Record {
    /// Who leads; nobody after a release, which removes the annotation.
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref().filter(|leader| !leader.is_empty())
    }

    /// How long a candidate waits.
    pub fn ttl(&self) -> Option<Duration> {
        self.ttl.as_deref()?.parse().ok().map(|seconds: u32| Duration::from_secs(seconds.into()))
    }

    /// When Patroni renewed it, by the wall clock of its host.
    pub fn renewed(&self) -> Option<WallTime> {
        WallTime::parse(self.renew_time.as_deref()?)
    }

    /// What is left by a wall clock that is the one of the host that wrote it.
    fn left_by_wall_clock(&self, wall_now: WallTime) -> Option<Duration> {
        let (WallTime(renewed), WallTime(now)) = (self.renewed()?, wall_now);
        (renewed <= now + FUTURE)
            .then(|| self.ttl().map(|ttl| ttl.saturating_sub(aged(now.saturating_sub(renewed)))))?
    }
}

/// One read of the object, and what it showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// The object's identity and its record; nothing if it does not exist.
    pub object: Option<(String, Record)>,
    /// The version of the whole store that the read showed.
    pub version: i64,
    pub sent_at: Moment,
    pub answered_at: Moment,
}

/// What the reads of one object showed so far.
#[derive(Clone, Default, Debug)]
pub struct History {
    newest: Option<Newest>,
    /// When the last read was sent that still showed another record than the newest.
    fresh_since: Option<Moment>,
    /// Until when the newest record counts by the wall clock; the earliest of all estimates.
    until: Option<Moment>,
    /// The identity that the object had last.
    uid: String,
}

#[derive(Clone, Debug)]
struct Newest {
    record: Option<Record>,
    version: i64,
    /// When the last read was sent that showed it.
    sent_at: Moment,
    /// When the first read of that version was answered.
    answered_at: Moment,
}

/// What one read adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    /// The same record.
    None,
    /// Another record, written after a read that showed the one before.
    Renewed,
    /// An older record than is known: the answer came late.
    Late,
    /// Another record, which may be of any age: the store counts anew, or the object is another one.
    Unordered,
}

impl History {
    /// How much the record has left at least, counted from when the read was sent; nothing if that is not known. `ours` is
    /// the time of day at which a read that names us was sent.
    pub fn left(&mut self, shown: &Shown, ours: Option<WallTime>) -> Option<Duration> {
        let change = self.change(shown);
        self.note(shown, change);
        if change == Change::Late {
            return None;
        }
        let (_, record) = shown.object.as_ref()?;
        let ttl = record.ttl()?;
        match self.fresh_since {
            Some(since) => Some(ttl.saturating_sub(aged(shown.sent_at.since(since)))),
            None => self.left_by_wall_clock(record, shown.sent_at, ours?),
        }
    }

    /// A wall clock that steps back must not prolong what it said before.
    fn left_by_wall_clock(&mut self, record: &Record, sent_at: Moment, wall_now: WallTime) -> Option<Duration> {
        let until = sent_at + record.left_by_wall_clock(wall_now)?;
        let until = self.until.map_or(until, |before| before.min(until));
        self.until = Some(until);
        Some(until.since(sent_at))
    }

    fn change(&self, shown: &Shown) -> Change {
        let Some(newest) = &self.newest else { return Change::Unordered };
        let (uid, record) = match &shown.object {
            Some((uid, record)) => (Some(uid), Some(record)),
            None => (None, None),
        };
        let other_object = uid.is_some_and(|uid| match newest.record {
            Some(_) => *uid != self.uid,
            // A deleted object does not come back as the same one.
            None => *uid == self.uid,
        });
        let overlapped = shown.sent_at <= newest.answered_at;
        match shown.version.cmp(&newest.version) {
            _ if other_object => Change::Unordered,
            _ if record == newest.record.as_ref() => Change::None,
            Ordering::Greater => Change::Renewed,
            Ordering::Less if overlapped => Change::Late,
            Ordering::Less | Ordering::Equal => Change::Unordered,
        }
    }

    fn note(&mut self, shown: &Shown, change: Change) {
        let fresh_since = match (change, &mut self.newest) {
            (Change::None, Some(newest)) => {
                newest.sent_at = newest.sent_at.max(shown.sent_at);
                // A store that was restored from a backup counts from an older version.
                if shown.version > newest.version || shown.sent_at > newest.answered_at {
                    (newest.version, newest.answered_at) = (shown.version, shown.answered_at);
                }
                return;
            }
            (Change::Late, _) => {
                self.fresh_since = self.fresh_since.max(Some(shown.sent_at));
                return;
            }
            (Change::Renewed, Some(newest)) => self.fresh_since.max(Some(newest.sent_at)),
            (Change::Renewed | Change::Unordered | Change::None, _) => None,
        };
        (self.fresh_since, self.until) = (fresh_since, None);
        let record = shown.object.as_ref().map(|(uid, record)| {
            self.uid.clone_from(uid);
            record.clone()
        });
        let Shown { version, sent_at, answered_at, .. } = *shown;
        self.newest = Some(Newest { record, version, sent_at, answered_at });
    }
}

/// How much a candidate's clock may count meanwhile.
fn aged(age: Duration) -> Duration {
    age + age / CLOCKS_DIFFER
}

/// One part in so many.
const CLOCKS_DIFFER: u32 = 20;
/// A record from further ahead was written by another clock, or before this one was set back.
const FUTURE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_boot(Duration::from_secs(1_000 + seconds))
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// What is left of 30 s after so many.
    fn aged_by(age: u64) -> Duration {
        seconds(30).saturating_sub(Duration::from_millis(age * 1_050))
    }

    fn record(renewed: u64) -> Record {
        Record {
            leader: Some("pg1".into()),
            ttl: Some("30".into()),
            renew_time: Some(format!("2026-11-26T12:00:{renewed:02}.500000+00:00")),
            acquire_time: Some("2026-11-26T11:00:00+00:00".into()),
            transitions: Some("3".into()),
        }
    }

    /// The wall clock that goes with `record`.
    fn wall(seconds: u64) -> WallTime {
        let WallTime(base) = WallTime::parse("2026-11-26T12:00:00.5Z").unwrap();
        WallTime(base + Duration::from_secs(seconds))
    }

    fn shown(record: Option<Record>, version: i64, sent: u64) -> Shown {
        let object = record.map(|record| ("u".to_owned(), record));
        Shown { object, version, sent_at: at(sent), answered_at: at(sent) + Duration::from_millis(2) }
    }

    #[test]
    fn a_record_is_bounded_once_it_was_seen_to_change() {
        let mut history = History::default();
        assert_eq!(history.left(&shown(Some(record(0)), 10, 0), None), None, "of any age");
        assert_eq!(history.left(&shown(Some(record(0)), 11, 4), None), None);
        assert_eq!(history.left(&shown(Some(record(10)), 12, 6), None), Some(aged_by(2)));
        assert_eq!(history.left(&shown(Some(record(10)), 15, 9), None), Some(aged_by(5)));
        assert_eq!(history.left(&shown(Some(record(20)), 20, 16), None), Some(aged_by(7)));
        assert_eq!(history.left(&shown(Some(record(20)), 20, 60), None), Some(Duration::ZERO));
    }

    #[test]
    fn a_record_that_appears_is_bounded_by_the_read_that_showed_none() {
        let mut history = History::default();
        assert_eq!(history.left(&shown(None, 10, 0), None), None);
        assert_eq!(history.left(&shown(None, 10, 5), None), None);
        assert_eq!(history.left(&shown(Some(record(7)), 12, 8), None), Some(aged_by(3)));
        assert_eq!(history.left(&shown(None, 13, 9), None), None);
        assert_eq!(history.left(&shown(Some(record(7)), 14, 10), None), None, "the same object has come back");
    }

    #[test]
    fn only_the_five_annotations_count() {
        let mut history = History::default();
        history.left(&shown(Some(record(0)), 10, 0), None);
        assert_eq!(history.left(&shown(Some(record(0)), 99, 5), None), None, "another version, the same record");
        for change in [
            Record { leader: Some("pg2".into()), ..record(0) },
            Record { ttl: Some("20".into()), ..record(0) },
            record(1),
            Record { acquire_time: None, ..record(0) },
            Record { transitions: Some("4".into()), ..record(0) },
        ] {
            assert!(history.clone().left(&shown(Some(change), 100, 6), None).is_some());
        }
    }

    #[test]
    fn answers_that_come_late_change_nothing_but_may_show_the_record_to_be_younger() {
        let mut history = History::default();
        history.left(&shown(Some(record(0)), 10, 0), None);
        let slow = Shown { answered_at: at(8), ..shown(Some(record(0)), 11, 6) };
        let fast = Shown { answered_at: at(7), ..shown(Some(record(10)), 12, 6) };
        assert_eq!(history.left(&fast, None), Some(aged_by(6)), "since the read at 0");
        assert_eq!(history.left(&slow, None), None);
        assert_eq!(history.left(&shown(Some(record(10)), 13, 9), None), Some(aged_by(3)), "since the slow read at 6");
    }

    #[test]
    fn what_was_sent_earlier_and_shows_more_is_the_newer() {
        let mut history = History::default();
        history.left(&Shown { answered_at: at(5), ..shown(Some(record(0)), 10, 2) }, None);
        let overlapping = Shown { answered_at: at(6), ..shown(Some(record(10)), 11, 1) };
        assert_eq!(history.left(&overlapping, None), Some(aged_by(0)), "written after 2, so all is left at 1");
        assert_eq!(history.left(&shown(Some(record(10)), 11, 7), None), Some(aged_by(5)));
    }

    #[test]
    fn after_a_restore_from_a_backup_the_record_has_to_be_renewed_first() {
        let mut history = History::default();
        history.left(&shown(Some(record(0)), 1_000, 0), None);
        assert!(history.left(&shown(Some(record(10)), 1_001, 10), None).is_some());
        assert_eq!(history.left(&shown(Some(record(0)), 7, 20), None), None);
        assert_eq!(history.left(&shown(Some(record(25)), 8, 26), None), Some(aged_by(6)));

        let mut history = History::default();
        history.left(&shown(Some(record(0)), 1_000, 0), None);
        history.left(&shown(Some(record(0)), 7, 20), None);
        assert_eq!(history.left(&shown(Some(record(25)), 8, 26), None), Some(aged_by(6)), "the same record restored");
    }

    #[test]
    fn two_objects_of_one_name_prove_nothing_of_each_other() {
        let mut history = History::default();
        let other = |version, sent| Shown { object: Some(("v".into(), record(9))), ..shown(None, version, sent) };
        for round in 0..5 {
            let (version, sent) = (10 + i64::try_from(round).unwrap() * 2, round * 2);
            assert_eq!(history.left(&shown(Some(record(0)), version, sent), None), None);
            assert_eq!(history.left(&other(version + 1, sent + 1), None), None);
        }
    }

    #[test]
    fn at_first_sight_our_own_wall_clock_bounds_our_own_record() {
        let mut history = History::default();
        let mut left = |renewed, version, sent, time| history.left(&shown(Some(record(renewed)), version, sent), time);
        assert_eq!(left(0, 10, 0, Some(wall(4))), Some(aged_by(4)));
        assert_eq!(left(0, 11, 3, Some(wall(7))), Some(aged_by(7)));
        assert_eq!(left(0, 12, 6, Some(wall(2))), Some(Duration::from_millis(19_650)), "a step back prolongs nothing");
        assert_eq!(left(0, 13, 8, Some(wall(29))), Some(aged_by(29)));
        assert_eq!(left(10, 14, 9, Some(wall(14))), Some(aged_by(1)), "since the read at 8");

        let first = |record, time| History::default().left(&shown(Some(record), 10, 0), time);
        assert_eq!(first(record(5), Some(wall(4))), Some(aged_by(0)), "one second ahead");
        assert_eq!(first(record(6), Some(wall(4))), None, "two seconds ahead");
        assert_eq!(first(record(0), Some(wall(400))), Some(Duration::ZERO));
        assert_eq!(first(Record { renew_time: None, ..record(0) }, Some(wall(0))), None);
        assert_eq!(first(Record { ttl: Some("soon".into()), ..record(0) }, Some(wall(0))), None);
        assert_eq!(first(Record { ttl: None, ..record(0) }, Some(wall(0))), None);
    }

    #[test]
    fn a_released_record_names_nobody() {
        assert_eq!(record(0).leader(), Some("pg1"));
        assert_eq!(Record { leader: None, ..record(0) }.leader(), None);
        assert_eq!(Record { leader: Some(String::new()), ..record(0) }.leader(), None);
    }
}
