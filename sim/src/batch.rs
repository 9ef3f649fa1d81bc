//! Runs many histories on several threads within a budget.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::budget::cpu_time;
use crate::history::{Fault, History};
use crate::time::Micros;
use crate::trace::Trace;

#[derive(Clone, Copy, Debug)]
pub struct Batch {
    pub jobs: usize,
    /// Stop at the first broken promise.
    pub until_broken: bool,
    /// Start no further history after this much processor time.
    pub cpu_seconds: Option<u64>,
}

/// The result of a batch.
#[derive(Debug, Default)]
pub struct Report {
    pub first: u64,
    pub histories: u64,
    pub lived: Micros,
    pub steps: u64,
    pub cpu: Duration,
    /// In the order of their numbers, each reduced.
    pub faults: Vec<Fault>,
}

impl Batch {
    pub fn live(self, numbers: Range<u64>, history: impl Fn(u64) -> History + Sync) -> Report {
        let began = cpu_time();
        let next = AtomicU64::new(numbers.start);
        let enough = AtomicBool::new(false);
        let report = Mutex::new(Report { first: numbers.start, ..Report::default() });
        let work = || {
            let mut mine = Report::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end || enough.load(Ordering::Relaxed) {
                    break;
                }
                if mine.histories.is_multiple_of(64) {
                    let spent = cpu_time().saturating_sub(began).as_secs();
                    if self.cpu_seconds.is_some_and(|limit| spent >= limit) {
                        break;
                    }
                }
                mine.take_in(history(number));
                if self.until_broken && !mine.faults.is_empty() {
                    enough.store(true, Ordering::Relaxed);
                }
            }
            report.lock().unwrap_or_else(PoisonError::into_inner).add(mine);
        };
        std::thread::scope(|scope| {
            for _ in 1..self.jobs {
                scope.spawn(work);
            }
            work();
        });
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.cpu = cpu_time().saturating_sub(began);
        report.faults.sort_by_key(|fault| fault.history.seed);
        report
    }
}

impl Report {
    fn take_in(&mut self, history: History) {
        let ended = history.live(Trace::silent());
        self.histories += 1;
        self.lived += ended.at;
        self.steps += ended.steps;
        if let Some((what, host)) = ended.verdict {
            // A fault that is found often needs only a few traces.
            let smaller = if self.faults.len() < MOST_SHRUNK {
                history.shrink(what, host, ended.at)
            } else {
                history.as_it_is(what, host, ended.at)
            };
            self.faults.push(smaller);
        }
    }

    fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.lived += other.lived;
        self.steps += other.steps;
        self.faults.extend(other.faults);
    }
}

const MOST_SHRUNK: usize = 5;
