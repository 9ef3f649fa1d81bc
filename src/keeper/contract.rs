//! The keeper and its contract: what goes in, what comes out, and when.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::announce::{Schedule, Series};
use super::claim::{Claim, ClaimMode, ClaimReport};
use super::conflict::Conflict;
use super::evidence::Evidence;
use super::input::{Grade, KeyEvent, KeyRead};
use super::note::{Cause, Narration, Note};
use super::order::{LinkView, Order, Outcome};
use super::state::{Fact, State, StopMode};
use crate::backoff::Backoff;
use crate::pace::Pace;
use crate::time::Moment;
use crate::vip::Mac;

/// The configuration of one keeper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The prefix length that the address is added with, unless it would be alone in its subnet.
    pub prefix: u8,
    /// The times between two reads.
    pub pace: Pace,
    /// The longest time that one read allows the address to be held.
    pub hold_timeout: Duration,
    /// How long before the end of the lease the address is released.
    pub lease_margin: Duration,
    /// Whether the VIP is claimed in the store.
    pub claim: ClaimMode,
    /// How the address is announced.
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
    /// A read was tried on every endpoint and none answered.
    Unreachable {
        /// The reason, for people.
        why: Arc<str>,
        /// The address may be held until then at most, if the reason says more than silence does.
        until: Option<Moment>,
    },
    /// What became of the claim in the store.
    Claim(ClaimReport),
    /// What the kernel shows now.
    Observed(LinkView),
    /// What became of an order.
    Applied(Outcome),
    /// Another hardware address has claimed the VIP on the wire.
    Rival {
        /// The other hardware address.
        mac: Mac,
        /// The number of claims since the last report.
        claims: u32,
    },
    /// The daemon is stopping, or this VIP was removed from its configuration.
    Stop(StopMode),
}

/// What the keeper wants the host to show: a level, not an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The address is present, and its kernel lifetime ends with the deadline.
    Held {
        /// The deadline.
        until: Moment,
    },
    /// An address that was found at the start may stay until the deadline; none is added.
    Limited {
        /// The deadline.
        until: Moment,
    },
    /// The address is absent.
    Released,
    /// After a stop that keeps: nothing more is done, and the kernel's lifetime ends what is present.
    Left,
}

/// An outage that bounds the hold: what was asked before it began does not prolong it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    since: Moment,
    until: Moment,
}

impl Outage {
    /// How long a read lets us hold that allows it until then by itself.
    pub(super) fn bound(self, read: &KeyRead, until: Moment) -> Moment {
        if read.sent_at < self.since { until.min(self.until) } else { until }
    }
}

/// The keeper of one VIP.
///
/// # Contract
///
/// Call [`handle_event`](Self::handle_event) for what happened, or [`handle_timeout`](Self::handle_timeout) when
/// [`next_deadline`](Self::next_deadline) has come. Then drain the outputs: [`poll_order`](Self::poll_order) (carry it
/// out and report with [`Event::Applied`]), [`poll_announce`](Self::poll_announce), [`poll_note`](Self::poll_note).
/// *Mutate once, drain, then wait.* After draining, `next_deadline()` is in the future.
///
/// Every call first compares the clock with the deadlines. A process that was stopped therefore checks the time before
/// it uses anything that waited in its queues.
#[derive(Clone, Debug)]
pub struct Keeper {
    pub(super) rules: Rules,
    pub(super) state: State,
    pub(super) evidence: Evidence,
    /// When the newest answer that names us came.
    pub(super) confirmed_at: Moment,
    /// Until when the newest read that names us allows a hold, unless something newer names another.
    pub(super) qualified: Option<Moment>,
    pub(super) claim: Claim,
    /// Why no endpoint answers, as long as none does.
    pub(super) unreachable: Option<Arc<str>>,
    pub(super) outage: Option<Outage>,
    /// `None` until the kernel was looked at for the first time.
    pub(super) view: Option<LinkView>,
    /// The prefix length that replaces the configured one; see [`LinkView::narrow`].
    pub(super) narrowed: Option<u8>,
    /// The kernel has removed the address at the end of its lifetime, and its connections are left.
    pub(super) lapsed: bool,
    /// The link and the deadline that the kernel last acknowledged.
    pub(super) programmed: Option<(u32, Moment)>,
    /// When the kernel's lifetime can be made to end with the deadline; see [`Self::align`].
    pub(super) align_at: Option<Moment>,
    pub(super) backoff: Backoff,
    /// When somebody else last changed the address.
    pub(super) interfered_at: Option<Moment>,
    pub(super) series: Series,
    pub(super) conflict: Conflict,
    pub(super) notes: VecDeque<Note>,
    pub(super) narration: Narration,
}

impl Keeper {
    /// A keeper that knows nothing yet, neither of the key nor of the kernel.
    pub fn new(rules: Rules) -> Self {
        let seed = rules.seed;
        Self {
            rules,
            state: State::Unknown { adopting: None },
            evidence: Evidence::default(),
            confirmed_at: Moment::default(),
            qualified: None,
            claim: Claim::new(),
            unreachable: None,
            outage: None,
            view: None,
            narrowed: None,
            lapsed: false,
            programmed: None,
            align_at: None,
            backoff: Backoff::new(seed),
            interfered_at: None,
            series: Series::idle(seed.rotate_left(32)),
            conflict: Conflict::default(),
            notes: VecDeque::new(),
            narration: Narration::default(),
        }
    }

    /// Handles what happened.
    pub fn handle_event(&mut self, event: Event, now: Moment) {
        self.check_deadlines(now);
        match event {
            Event::Read(read) => self.handle_key_read(read, now),
            Event::Changed(event) => self.handle_key_event(event, now),
            Event::Unreachable { why, until } => {
                self.unreachable = Some(why);
                self.qualified = self.qualified.map(|qualified| until.map_or(qualified, |until| qualified.min(until)));
                self.outage = until.map(|until| Outage { since: now, until }).or(self.outage);
                let before = self.state.until();
                self.step(Fact::Doubt { until }, None, now);
                if self.state.until() != before {
                    self.plan_align(now);
                }
            }
            Event::Claim(report) => self.handle_claim(report, now),
            Event::Observed(view) => self.handle_view(view, now),
            Event::Applied(outcome) => self.handle_outcome(outcome, now),
            Event::Rival { mac, claims } => self.handle_rival(mac, claims, now),
            Event::Stop(mode) => {
                let any = !self.present().is_empty();
                self.step(Fact::Stop { mode, any }, Some(Cause::Stop), now);
            }
        }
        self.settle(now);
    }

    /// Handles the passing of time.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.check_deadlines(now);
        self.settle(now);
    }

    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The configuration.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Changes the pace of the reads, and nothing else. A confirmation may be overdue by the new pace already, so call
    /// [`handle_timeout`](Self::handle_timeout) next.
    pub const fn set_pace(&mut self, pace: Pace) {
        self.rules.pace = pace;
    }

    /// The newest read that counts.
    pub const fn last_read(&self) -> Option<&KeyRead> {
        self.evidence.newest()
    }

    /// When the newest answer that names us came, if one ever did.
    pub fn confirmed_at(&self) -> Option<Moment> {
        Some(self.confirmed_at).filter(|at| *at != Moment::default())
    }

    /// The grade of the promise by the claim and the newest read; `None` where they do not tell.
    pub fn grade(&self) -> Option<Grade> {
        self.last_read().and_then(|read| self.grade_of(read))
    }

    /// Why no endpoint answers, as long as none does.
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

    /// The next order for the host, if the kernel differs from the target and an attempt may be made now.
    pub fn poll_order(&self, now: Moment) -> Option<Order> {
        self.pending_order(now).filter(|_| !self.is_pausing(now))
    }

    /// Whether the keeper waits before it retries what the kernel refused, or what somebody else keeps undoing.
    pub fn is_pausing(&self, now: Moment) -> bool {
        !self.backoff.ready(now)
    }

    /// Whether a round of announcements is due; the caller sends it at once or not at all.
    ///
    /// The clock is compared here too: the state of a process that was stopped within a turn is out of date, and one
    /// late packet would draw the neighbours away from the new holder.
    pub fn poll_announce(&mut self, now: Moment) -> bool {
        let fresh = self.state.until().is_some_and(|until| now < until) && self.overdue_at().is_none_or(|at| now < at);
        fresh && self.may_announce() && self.series.take(self.rules.schedule, now)
    }

    /// The next note.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.notes.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing happens before, and what for.
    pub fn next_deadline(&self, now: Moment) -> Option<(Moment, &'static str)> {
        let retry = self.backoff.retry_at().filter(|_| self.pending_order(now).is_some());
        [
            self.releases_at().map(|at| (at, "hold deadline")),
            self.overdue_at().map(|at| (at, "confirmation overdue")),
            self.align_at.map(|at| (at, "kernel lifetime")),
            retry.map(|at| (at, "retry")),
            self.ahead_until().filter(|at| *at > now).map(|at| (at, "claim without a read")),
            self.conflict_deadline().map(|at| (at, "conflict")),
            self.series.due().filter(|_| self.may_announce()).map(|at| (at, "announcement")),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }
}
