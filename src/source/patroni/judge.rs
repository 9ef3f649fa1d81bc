//! What an answer of Patroni says about a key, and what is no ground to hold. Pure.
//!
//! | answer | verdict |
//! |---|---|
//! | 503 | not this host, at once |
//! | 200 | this host; if the member's name is compared, only if that is the expected one |
//! | 200, but Patroni sees no lock | unknown: in pause Patroni answers by PostgreSQL's role when its store is gone |
//! | … with an active failsafe mode | this host, for four seconds less; in pause unknown all the same |
//! | 200, but the time of the last read from the store has not moved for `loop_wait` + `retry_timeout` | unknown: the loop hangs, or the store does, and the lock runs out |
//! | anything else | unknown |
//!
//! *Unknown* leaves the deadline where the last answer has put it.
//!
//! A loop may hang between its read of the store and the renewal that follows. Then the last renewal is one round older
//! than the read that `dcs_last_seen` tells, and no answer holds for longer than `ttl − loop_wait` after that.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Timing};
use crate::keeper::{Names, Tenure};
use crate::text::{brief, span};
use crate::time::Moment;

/// What is remembered of one Patroni between two answers.
#[derive(Clone, Copy, Default, Debug)]
pub struct Memory {
    /// The settings as they were last told.
    pub timing: Option<Timing>,
    /// What `dcs_last_seen` was last, and the first request that was answered so.
    seen: Option<(i64, Moment)>,
    /// The newest request that was answered.
    newest: Moment,
}

/// Why an answer says nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unclear {
    #[error("it answers {0}; is this the REST API of Patroni?")]
    Status(u16),
    #[error("its answer is not Patroni's; is this the REST API of Patroni?")]
    NotPatroni,
    #[error(
        "this release of Patroni does not tell its name, and it is not at an address of this host; \
         set dcs-endpoints to this host's Patroni"
    )]
    Nameless,
    #[error("it is the Patroni of {0}, which does not lead, not of this host")]
    Another(String),
    #[error("Patroni is in pause and sees no leader's lock: its 200 only tells the role of PostgreSQL")]
    Paused,
    #[error("Patroni sees no leader's lock, and failsafe mode is not active")]
    Unlocked,
    // Without the time that it took so far: this is logged once, as long as it stays the same.
    #[error("Patroni has not read from its store for more than {}: it hangs, or its store does not answer", span(*.0))]
    Silent(Duration),
}

impl Memory {
    /// Takes in an answer to a request that was sent then.
    pub fn note(&mut self, answer: &Answer, sent_at: Moment) {
        if sent_at < self.newest {
            return;
        }
        self.newest = sent_at;
        let before = self.seen.map(|(seen, _)| seen);
        if let Some(now) = answer.dcs_last_seen.filter(|now| before != Some(*now)) {
            self.seen = Some((now, sent_at));
        }
    }

    /// What the newest answer says of a key with this value.
    pub fn judge(&self, answer: &Answer, value: &str, sent_at: Moment) -> Result<(Names, Tenure), Unclear> {
        let names = names(answer, value)?;
        if names.is_us() {
            self.ensure_lock(answer, sent_at)?;
        }
        Ok((names, self.tenure(answer.failsafe, sent_at)))
    }

    fn ensure_lock(&self, answer: &Answer, sent_at: Moment) -> Result<(), Unclear> {
        match answer {
            Answer { unlocked: true, paused: true, .. } => Err(Unclear::Paused),
            Answer { unlocked: true, failsafe: false, .. } => Err(Unclear::Unlocked),
            // The store does not answer, and that is why this mode is active.
            Answer { failsafe: true, .. } => Ok(()),
            Answer { .. } => {
                let limit = self.timing.unwrap_or(Timing::DEFAULT).silence();
                if self.silent(sent_at) > limit { Err(Unclear::Silent(limit)) } else { Ok(()) }
            }
        }
    }

    /// For how long Patroni has not read from its store.
    fn silent(&self, sent_at: Moment) -> Duration {
        self.seen.map_or(Duration::ZERO, |(_, since)| sent_at.since(since))
    }

    fn tenure(&self, failsafe: bool, sent_at: Moment) -> Tenure {
        let Some(timing) = self.timing else {
            return Tenure::Assumed { left: UNTOLD, margin: Duration::ZERO };
        };
        let left = timing.left();
        if failsafe {
            let left = left.saturating_sub(FAILSAFE);
            return Tenure::Assumed { left, margin: left / 2 };
        }
        let silent = self.silent(sent_at);
        // Within a round a loop that runs has no reason to have read again.
        let bound = if silent > timing.loop_wait { timing.ttl.saturating_sub(timing.loop_wait + silent) } else { left };
        // A cluster with short settings would leave nothing; the estimate itself is on the safe side.
        Tenure::Assumed { left: left.min(bound), margin: left / 2 }
    }
}

/// What an answer is compared with. Patroni 3.0 tells no name; this host's own is known by its address as well.
pub fn compared<'a>(answer: &Answer, value: &'a str, own: bool) -> &'a str {
    if own && answer.name.is_none() { STATUS } else { value }
}

fn names(answer: &Answer, value: &str) -> Result<Names, Unclear> {
    let by_status = value == STATUS;
    let name = answer.name.as_deref();
    match answer.status {
        200 if !answer.complete => Err(Unclear::NotPatroni),
        200 if by_status || name == Some(value) => Ok(Names::Us),
        200 => name.map(|name| Names::Other(brief(name, MAX_TEXT).into())).ok_or(Unclear::Nameless),
        503 if by_status || name == Some(value) => Ok(Names::Other(refusal(answer))),
        503 => Err(name.map_or(Unclear::Nameless, |name| Unclear::Another(brief(name, MAX_TEXT)))),
        status => Err(Unclear::Status(status)),
    }
}

fn refusal(answer: &Answer) -> Arc<str> {
    match &answer.role {
        Some(role) => format!("503 ({})", brief(role, MAX_TEXT)).into(),
        None => "503".into(),
    }
}

/// The value of a key that means any 200 of this host's own Patroni.
pub const STATUS: &str = "200";
/// How long a hold lasts while the settings were never told.
const UNTOLD: Duration = Duration::from_secs(5);
/// In failsafe mode the leader asks the members, each for two seconds, and once more.
const FAILSAFE: Duration = Duration::from_secs(4);
/// Names and roles are shorter.
const MAX_TEXT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_boot(Duration::from_secs(1_000 + seconds))
    }

    fn leader() -> Answer {
        Answer {
            status: 200,
            complete: true,
            name: Some("pg1".into()),
            role: Some("master".into()),
            dcs_last_seen: Some(50),
            ..Answer::default()
        }
    }

    fn replica() -> Answer {
        Answer { status: 503, role: Some("replica".into()), ..leader() }
    }

    fn memory() -> Memory {
        Memory { timing: Some(Timing::DEFAULT), ..Memory::default() }
    }

    fn names(answer: &Answer, value: &str) -> Result<Names, Unclear> {
        memory().judge(answer, value, at(0)).map(|(names, _)| names)
    }

    #[test]
    fn a_patroni_without_a_name_is_known_by_its_address() {
        for (status, told) in [(200, Names::Us), (503, Names::Other("503 (master)".into()))] {
            let nameless = Answer { status, name: None, ..leader() };
            assert_eq!(names(&nameless, compared(&nameless, "pg1", true)), Ok(told));
            assert_eq!(names(&nameless, compared(&nameless, "pg1", false)), Err(Unclear::Nameless));
        }
        assert_eq!(compared(&leader(), "pg2", true), "pg2", "a name that is told counts");
    }

    #[test]
    fn the_status_names_this_host_or_denies_it() {
        assert_eq!(names(&leader(), "200"), Ok(Names::Us));
        assert_eq!(names(&replica(), "200"), Ok(Names::Other("503 (replica)".into())));
        let bare = Answer { status: 503, ..Answer::default() };
        assert_eq!(names(&bare, "200"), Ok(Names::Other("503".into())), "a 503 is definite whatever its body");
        let bare = Answer { status: 200, ..Answer::default() };
        assert_eq!(names(&bare, "200"), Err(Unclear::NotPatroni));
        for status in [100, 204, 301, 401, 404, 500, 502] {
            assert_eq!(names(&Answer { status, ..leader() }, "200"), Err(Unclear::Status(status)));
        }
    }

    #[test]
    fn with_a_members_name_only_that_member_counts() {
        assert_eq!(names(&leader(), "pg1"), Ok(Names::Us));
        assert_eq!(names(&replica(), "pg1"), Ok(Names::Other("503 (replica)".into())));
        assert_eq!(names(&leader(), "pg2"), Ok(Names::Other("pg1".into())));
        assert_eq!(names(&replica(), "pg2"), Err(Unclear::Another("pg1".into())), "pg2 may lead all the same");
        for answer in [leader(), replica()] {
            assert_eq!(names(&Answer { name: None, ..answer }, "pg1"), Err(Unclear::Nameless));
        }
        assert_eq!(names(&leader(), "PG1"), Ok(Names::Other("pg1".into())));
    }

    #[test]
    fn without_a_lock_only_an_active_failsafe_mode_holds_and_not_in_pause() {
        let unlocked = |paused, failsafe| names(&Answer { unlocked: true, paused, failsafe, ..leader() }, "200");
        assert_eq!(unlocked(false, false), Err(Unclear::Unlocked));
        assert_eq!(unlocked(true, false), Err(Unclear::Paused));
        assert_eq!(unlocked(true, true), Err(Unclear::Paused));
        assert_eq!(unlocked(false, true), Ok(Names::Us));
        assert_eq!(names(&Answer { paused: true, ..leader() }, "200"), Ok(Names::Us), "in pause, but with its lock");
        let denied = Answer { unlocked: true, paused: true, ..replica() };
        assert_eq!(names(&denied, "200"), Ok(Names::Other("503 (replica)".into())), "a denial needs no lock");
    }

    #[test]
    fn a_loop_that_stands_still_is_no_ground_to_hold() {
        let mut memory = memory();
        let judge = |memory: &mut Memory, seen: i64, after: u64, failsafe: bool| {
            let answer = Answer { dcs_last_seen: Some(seen), failsafe, unlocked: failsafe, ..leader() };
            memory.note(&answer, at(after));
            memory.judge(&answer, "200", at(after)).map(|(names, _)| names)
        };
        assert_eq!(judge(&mut memory, 50, 0, false), Ok(Names::Us));
        assert_eq!(judge(&mut memory, 50, 20, false), Ok(Names::Us));
        assert_eq!(judge(&mut memory, 50, 21, false), Err(Unclear::Silent(Duration::from_secs(20))));
        assert_eq!(judge(&mut memory, 50, 22, true), Ok(Names::Us), "failsafe mode is active since the store is gone");
        assert_eq!(judge(&mut memory, 49, 23, false), Ok(Names::Us), "it moved: the wall clock was set back");
        assert_eq!(judge(&mut memory, 49, 43, false), Ok(Names::Us));
        assert_eq!(judge(&mut memory, 49, 44, false), Err(Unclear::Silent(Duration::from_secs(20))));
        let old = Answer { dcs_last_seen: None, ..leader() };
        assert_eq!(Memory::default().judge(&old, "200", at(99)).map(|(names, _)| names), Ok(Names::Us));
    }

    /// As if it hung before a renewal: the last one is a round older than the read.
    #[test]
    fn a_loop_that_is_late_holds_for_no_longer_than_the_renewal_before_its_last_read() {
        let left = |after: u64, failsafe: bool| {
            let mut memory = memory();
            memory.note(&leader(), at(0));
            let answer = Answer { failsafe, ..leader() };
            memory.note(&answer, at(after));
            let Ok((_, Tenure::Assumed { left, .. })) = memory.judge(&answer, "200", at(after)) else { panic!() };
            left.as_secs()
        };
        assert_eq!([0, 10, 11, 15, 20].map(|after| left(after, false)), [10, 10, 9, 5, 0]);
        assert_eq!(left(15, true), 6, "failsafe mode is active since the store is gone");
    }

    #[test]
    fn an_answer_that_was_overtaken_does_not_make_the_loop_run() {
        let mut memory = memory();
        for (seen, sent) in [(50, 0), (51, 10), (50, 5), (51, 11)] {
            memory.note(&Answer { dcs_last_seen: Some(seen), ..leader() }, at(sent));
        }
        assert_eq!(memory.seen, Some((51, at(10))));
    }

    #[test]
    fn the_time_left_comes_from_the_settings_and_is_short_without_them() {
        let tenure = |timing: Option<[u64; 3]>, failsafe| {
            let timing = timing.map(|all| {
                let [ttl, loop_wait, retry_timeout] = all.map(Duration::from_secs);
                Timing { ttl, loop_wait, retry_timeout }
            });
            let answer = Answer { failsafe, ..leader() };
            let judged = Memory { timing, ..Memory::default() }.judge(&answer, "200", at(0));
            let Ok((_, Tenure::Assumed { left, margin })) = judged else { panic!("{judged:?}") };
            (left.as_millis(), margin.as_millis())
        };
        assert_eq!(tenure(Some([30, 10, 10]), false), (10_000, 5_000));
        assert_eq!(tenure(Some([30, 10, 10]), true), (6_000, 3_000));
        assert_eq!(tenure(Some([10, 2, 3]), false), (5_000, 2_500));
        assert_eq!(tenure(Some([20, 10, 10]), false), (0, 0));
        assert_eq!(tenure(None, false), (5_000, 0));
    }
}
