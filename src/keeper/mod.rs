//! The keeper decides whether this host may answer for a VIP.
//!
//! It is pure: no clock, no randomness, no logging, no I/O, no `Result`. Time comes in as an argument and jitter from
//! a seed, so that every rule of the promise can be tried by a table, a property or a simulator, and the very code
//! that was tried is the code that runs.

mod announce;
#[cfg(test)]
mod cases;
mod conflict;
mod deadlines;
mod evidence;
pub mod input;
pub mod lifetime;
pub mod note;
pub mod order;
#[cfg(test)]
mod properties;
mod reconcile;
pub mod renewal;
mod repeats;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::time::{Lifetime, Moment};
use crate::vip::Mac;

pub use announce::Schedule;
pub use input::{KeyEvent, KeyRead, Names, Tenure, Version};
pub use note::{Cause, Note, Obstacle};
pub use order::{Link, LinkView, Order, Outcome, Standing};
pub use state::{Rest, State, StopMode};

use announce::Series;
use conflict::Conflict;
use evidence::{Evidence, Limits, Verdict};
use repeats::Repeats;
use state::Fact;

/// What one keeper goes by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The prefix length that the address is put up with.
    pub prefix: u8,
    /// The time between two reads.
    pub interval: Duration,
    pub hold_timeout: Duration,
    pub lease_margin: Duration,
    pub schedule: Schedule,
    /// Where the jitter starts.
    pub seed: u64,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A linearizable read was answered.
    Read(KeyRead),
    /// A watch saw the key change.
    Changed(KeyEvent),
    /// A read was tried everywhere and answered nowhere.
    Unreachable { why: Arc<str> },
    /// The kernel shows this.
    Observed(LinkView),
    /// An order was carried out, or not.
    Applied(Outcome),
    /// Another hardware address has claimed the VIP on the wire, so many times.
    Rival { mac: Mac, claims: u32 },
    /// The daemon is told to stop, or this VIP was taken out of its configuration.
    Stop(StopMode),
}

/// What the keeper wants the host to show: a level, not an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The address stands, and its kernel lifetime ends at `until`.
    Held { until: Moment },
    /// An address that was found at the start may stay until then; none is added.
    Limited { until: Moment },
    /// The address does not stand.
    Released,
    /// After a stop that keeps: nothing more is done, and the kernel's lifetime ends what stands.
    Left,
}

/// One VIP's keeper.
///
/// # Contract
///
/// Call [`handle_event`](Self::handle_event) for what happened, or [`handle_timeout`](Self::handle_timeout) when
/// [`next_deadline`](Self::next_deadline) has come; then read the outputs until they are empty:
/// [`poll_order`](Self::poll_order) (carry it out, and report with [`Event::Applied`]), [`poll_announce`](Self::poll_announce),
/// [`poll_note`](Self::poll_note). *Mutate once, drain, then wait.* After draining, `next_deadline()` lies ahead.
///
/// Every call compares the clock with the deadlines first, so that whatever a stopped process finds in its queues
/// when it goes on is weighed against the time that passed.
#[derive(Clone, Debug)]
pub struct Keeper {
    rules: Rules,
    state: State,
    evidence: Evidence,
    /// When the newest answer that names us came.
    confirmed_at: Moment,
    /// Why nobody answers, as long as nobody does.
    unreachable: Option<Arc<str>>,
    /// Nothing until the kernel was looked at for the first time.
    view: Option<LinkView>,
    /// The link and the deadline that the kernel last acknowledged.
    programmed: Option<(u32, Moment)>,
    /// When the kernel's lifetime can be made to end with the deadline; see [`Self::align`].
    align_at: Option<Moment>,
    backoff: Backoff,
    contested_at: Option<Moment>,
    series: Series,
    conflict: Conflict,
    notes: VecDeque<Note>,
    narration: Narration,
}

/// What the notes need to remember between two transitions.
#[derive(Clone, Debug, Default)]
struct Narration {
    decided_at: Moment,
    /// The address was there and was taken away by somebody else.
    missing: bool,
    /// Whether that was told, so that its return is to be told, too.
    missing_told: bool,
    /// What others did to the address.
    interventions: Repeats,
    /// Who else the key was last said to name.
    told: Option<Names>,
    /// Why a release was decided, and whether there was anything to release.
    parting: Option<(Cause, bool)>,
    /// The last obstacle that was noted.
    waiting: Option<Obstacle>,
    /// The last refusal that was noted.
    refused: Option<Arc<str>>,
}

impl Keeper {
    pub fn new(rules: Rules) -> Self {
        let seed = rules.seed;
        Self {
            rules,
            state: State::Unknown { adopting: None },
            evidence: Evidence::default(),
            confirmed_at: Moment::default(),
            unreachable: None,
            view: None,
            programmed: None,
            align_at: None,
            backoff: Backoff::new(seed),
            contested_at: None,
            series: Series::idle(seed.rotate_left(32)),
            conflict: Conflict::default(),
            notes: VecDeque::new(),
            narration: Narration::default(),
        }
    }

    /// Takes in what happened.
    pub fn handle_event(&mut self, event: Event, now: Moment) {
        self.pass_time(now);
        match event {
            Event::Read(read) => self.weigh(read, now),
            Event::Changed(event) => self.weigh_event(event, now),
            Event::Unreachable { why } => {
                self.unreachable = Some(why);
                self.step(Fact::Doubt, None, now);
            }
            Event::Observed(view) => self.observe(view, now),
            Event::Applied(outcome) => self.applied(outcome, now),
            Event::Rival { mac, claims } => self.rival(mac, claims, now),
            Event::Stop(mode) => {
                let any = !self.standing().is_empty();
                self.step(Fact::Stop { mode, any }, Some(Cause::Stop), now);
            }
        }
        self.settle(now);
    }

    /// Takes in that time has passed.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.pass_time(now);
        self.settle(now);
    }

    pub const fn state(&self) -> State {
        self.state
    }

    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Changes the pace of the reads, and nothing else. By the new pace a confirmation may be overdue already, so let
    /// [`handle_timeout`](Self::handle_timeout) look at the clock.
    pub const fn set_interval(&mut self, interval: Duration) {
        self.rules.interval = interval;
    }

    /// The newest read that counts.
    pub const fn last_read(&self) -> Option<&KeyRead> {
        self.evidence.newest()
    }

    /// When the newest answer came that names us, if one ever did.
    pub fn confirmed_at(&self) -> Option<Moment> {
        Some(self.confirmed_at).filter(|at| *at != Moment::default())
    }

    /// Why nobody answers, as long as nobody does.
    pub const fn unreachable(&self) -> Option<&Arc<str>> {
        self.unreachable.as_ref()
    }

    /// What the host should show.
    pub const fn target(&self) -> Target {
        match self.state {
            State::Acquiring { until, .. } | State::Held { until } | State::Doubtful { until } => {
                Target::Held { until }
            }
            State::Unknown { adopting: Some(until) } => Target::Limited { until },
            State::Stopped { kept: true } => Target::Left,
            State::Unknown { adopting: None }
            | State::Standby
            | State::Releasing { .. }
            | State::Stopped { kept: false } => Target::Released,
        }
    }

    /// The next thing for the host to do, if the kernel differs from the target and a try may be made now.
    pub fn poll_order(&self, now: Moment) -> Option<Order> {
        self.wanted(now).filter(|_| !self.is_pausing(now))
    }

    /// Whether it waits before it tries again what the kernel refused, or what somebody else keeps undoing.
    pub fn is_pausing(&self, now: Moment) -> bool {
        !self.backoff.ready(now)
    }

    /// Whether a round of announcements is due; the caller sends it at once or not at all.
    ///
    /// The clock comes first here too: a process that was stopped in the middle of a turn still believes what it
    /// believed then, and one late packet would draw the neighbours away from the new holder.
    pub fn poll_announce(&mut self, now: Moment) -> bool {
        let fresh = self.state.until().is_some_and(|until| now < until) && self.overdue_at().is_none_or(|at| now < at);
        fresh && self.may_announce() && self.series.take(self.rules.schedule, now)
    }

    /// The next thing worth a line.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing happens before, and what for.
    pub fn next_deadline(&self, now: Moment) -> Option<(Moment, &'static str)> {
        let retry = self.backoff.retry_at().filter(|_| self.wanted(now).is_some());
        [
            self.releases_at().map(|at| (at, "hold deadline")),
            self.overdue_at().map(|at| (at, "confirmation overdue")),
            self.align_at.map(|at| (at, "kernel lifetime")),
            retry.map(|at| (at, "retry")),
            self.conflict_deadline().map(|at| (at, "conflict")),
            self.series.due().filter(|_| self.may_announce()).map(|at| (at, "announcement")),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    // Evidence

    fn weigh(&mut self, read: KeyRead, now: Moment) {
        let limits = Limits { hold_timeout: self.rules.hold_timeout, lease_margin: self.rules.lease_margin };
        match self.evidence.read(&read, limits) {
            Verdict::Overtaken | Verdict::Inconclusive => {}
            Verdict::NotMine => {
                self.unreachable = None;
                let named = Some(read.names.clone());
                let known = self.narration.told == named;
                self.narration.told = named;
                if self.state == State::Standby && !known {
                    self.notes.push_back(Note::StandingBy { cause: Cause::Read(read) });
                } else {
                    self.step(Fact::NotMine, Some(Cause::Read(read)), now);
                }
            }
            Verdict::Mine { until } => {
                self.unreachable = None;
                self.narration.told = None;
                self.confirmed_at = self.confirmed_at.max(read.answered_at);
                self.weigh_hold(until, read, now);
            }
        }
    }

    fn weigh_hold(&mut self, until: Moment, read: KeyRead, now: Moment) {
        // An inherited address is held by somebody, be it a daemon that is no more: what ends a hold ends it too.
        let holding = match self.state {
            State::Acquiring { .. } | State::Held { .. } | State::Doubtful { .. } => true,
            State::Unknown { adopting } => adopting.is_some(),
            State::Standby | State::Releasing { .. } | State::Stopped { .. } => false,
        };
        let least = if holding { Duration::from_nanos(1) } else { SHORTEST_LIFETIME };
        if until >= now + least {
            self.step(Fact::Mine { until }, None, now);
        } else if holding {
            self.step(Fact::Spent, Some(Cause::LeaseEnding(read)), now);
        } else {
            self.wait_for(Obstacle::LeaseTooShort);
        }
    }

    fn weigh_event(&mut self, event: KeyEvent, now: Moment) {
        let denies = !event.names.is_us();
        if self.evidence.event(&event) && denies {
            if self.state != State::Standby {
                self.narration.told = Some(event.names.clone());
            }
            self.step(Fact::NotMine, Some(Cause::Event(event)), now);
        }
    }

    // Transitions

    fn step(&mut self, fact: Fact, cause: Option<Cause>, now: Moment) {
        let before = self.state;
        self.state = before.after(fact);
        if std::mem::discriminant(&before) != std::mem::discriminant(&self.state) {
            self.left(before, now);
            self.entered(before, cause, now);
        }
    }

    fn left(&mut self, before: State, now: Moment) {
        match before {
            State::Held { .. } => self.owe_nothing(),
            State::Releasing { .. } => self.parted(now),
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Doubtful { .. }
            | State::Stopped { .. } => {}
        }
    }

    fn entered(&mut self, before: State, cause: Option<Cause>, now: Moment) {
        match self.state {
            State::Acquiring { .. } => {
                self.programmed = None;
                self.narration.missing = matches!(before, State::Held { .. } | State::Doubtful { .. });
                if self.narration.missing {
                    let untold = self.narration.interventions.again(now);
                    self.narration.missing_told = untold.is_some();
                    self.notes.extend(untold.map(|untold| Note::Missing { untold }));
                    self.contest(now);
                } else {
                    self.narration.decided_at = now;
                    self.backoff.reset();
                }
            }
            State::Held { until } => {
                if matches!(before, State::Acquiring { .. }) && !self.narration.missing {
                    self.begin_hold(now);
                }
                self.held(before, until, now);
                self.announce_anew(now);
            }
            State::Doubtful { until } => {
                self.plan_align(now);
                self.narration.decided_at = self.confirmed_at;
                let last = self.evidence.newest().cloned();
                self.notes.push_back(Note::Doubtful { last, why: self.unreachable.clone(), until });
            }
            State::Releasing { .. } => {
                let stood =
                    !self.standing().is_empty() || matches!(before, State::Held { .. } | State::Doubtful { .. });
                self.narration.decided_at = now;
                self.programmed = None;
                self.align_at = None;
                self.end_conflict();
                let intruder = cause == Some(Cause::Intruder);
                let cause = cause.unwrap_or(Cause::Stop);
                let told = !intruder || self.narration.interventions.again(now).is_some();
                if stood && told {
                    self.notes.push_back(Note::Leaving { cause: cause.clone() });
                }
                self.narration.parting = told.then_some((cause, stood));
                self.backoff.reset();
                if intruder {
                    self.contest(now);
                }
            }
            State::Unknown { .. } | State::Standby | State::Stopped { .. } => self.end_conflict(),
        }
    }

    fn held(&mut self, before: State, until: Moment, now: Moment) {
        self.narration.waiting = None;
        let Some(evidence) = self.evidence.newest().cloned() else { return };
        let note = match before {
            State::Doubtful { .. } => {
                let silent_for = evidence.answered_at.since(self.narration.decided_at);
                Note::Confirmed { evidence, silent_for }
            }
            State::Acquiring { .. } if self.narration.missing => {
                self.notes.extend(self.narration.missing_told.then_some(Note::Restored));
                return;
            }
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Held { .. }
            | State::Releasing { .. }
            | State::Stopped { .. } => Note::Acquired { evidence, until, took: now.since(self.narration.decided_at) },
        };
        self.notes.push_back(note);
    }

    fn parted(&mut self, now: Moment) {
        if let Some((cause, stood)) = self.narration.parting.take() {
            if stood && !matches!(self.state, State::Acquiring { .. }) {
                self.notes.push_back(Note::Released { cause, after: now.since(self.narration.decided_at) });
            } else if self.state == State::Standby {
                self.notes.push_back(Note::StandingBy { cause });
            }
        }
    }

    /// What follows from the state alone.
    fn settle(&mut self, now: Moment) {
        self.pass_time(now);
        let linkless = self.view.as_ref().is_some_and(|view| view.link.is_none());
        match self.state {
            // Without the interface there is nothing to remove.
            State::Releasing { .. } if linkless => self.step(Fact::Seen { exact: false, any: false }, None, now),
            State::Acquiring { .. } if linkless => self.wait_for(Obstacle::NoInterface),
            State::Unknown { .. }
            | State::Standby
            | State::Acquiring { .. }
            | State::Held { .. }
            | State::Doubtful { .. }
            | State::Releasing { .. }
            | State::Stopped { .. } => {}
        }
    }

    fn wait_for(&mut self, for_what: Obstacle) {
        if self.narration.waiting != Some(for_what)
            && let Some(evidence) = self.evidence.newest().cloned()
        {
            self.narration.waiting = Some(for_what);
            self.notes.push_back(Note::Waiting { evidence, for_what });
        }
    }

    // Announcements

    fn may_announce(&self) -> bool {
        matches!(self.state, State::Held { .. }) && self.link().is_some_and(|link| link.up)
    }

    fn announce_anew(&mut self, now: Moment) {
        if self.may_announce() {
            self.series.begin(now);
        }
    }
}

/// A kernel lifetime is a whole number of seconds and at least one.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);
