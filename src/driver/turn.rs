//! A turn: which VIPs an event concerns, and what is left to do for them.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::actuator::{Actuator, Announced, Failure, Refuse, Removed};
use super::execution::{Execution, Point};
use super::refusal::{Change, Refusal};
use super::vips::{ManagedVip, VipId, VipTable};
use crate::config::{SourceIndex, VipConfig};
use crate::keeper::{ClaimWish, Event, Note, Order, Outcome};
use crate::pace::Pace;
use crate::time::Moment;

/// The VIPs, and what is left to do for them in this turn.
#[derive(Debug)]
pub struct Turn {
    vips: VipTable,
    pace: Pace,
    /// Where the keepers' jitter starts.
    seed: u64,
    /// What the next round of steps is about.
    concerned: BTreeSet<VipId>,
    /// Whose orders are still to be asked for.
    ordering: VecDeque<VipId>,
    current: Option<(VipId, Execution)>,
    /// Who is still to be announced.
    announcing: VecDeque<VipId>,
    refusals: Refusals,
    messages: VecDeque<Message>,
    /// The kernel had nothing to remove where it was said to show an address.
    contradicted: bool,
}

/// Changes of refusals that the host does not know yet.
#[derive(Debug, Default)]
struct Refusals {
    began: bool,
    ended: Vec<(Arc<VipConfig>, Refusal)>,
    /// A failure was reported.
    told_failure: bool,
}

/// Something to log or count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// The keeper's note, and the state that the keeper was in when the note was taken.
    Note {
        vip: Arc<VipConfig>,
        state: &'static str,
        note: Note,
    },
    Applied {
        vip: Arc<VipConfig>,
        order: Order,
        outcome: Outcome,
    },
    /// What is wanted of the VIP's claim has changed.
    Claim {
        vip: Arc<VipConfig>,
        wish: ClaimWish,
    },
    /// That there is no hardware address is reported once per VIP.
    Announced {
        vip: Arc<VipConfig>,
        result: Result<Announced, Failure>,
    },
    Reset {
        addresses: BTreeSet<IpAddr>,
        result: Result<usize, Failure>,
    },
    /// So many new connections were refused after a release, over this time.
    Refused {
        vip: Arc<VipConfig>,
        count: u64,
        lasted: Duration,
    },
    /// New connections cannot be refused. It is reported once.
    RefuseFailed(Failure),
    /// Removed from an interface that is not the configured one.
    Misplaced {
        address: IpAddr,
        prefix: u8,
        link: String,
        result: Result<Removed, Failure>,
    },
    /// Removed at the start, because the configuration does not name it any more.
    Orphan {
        address: IpAddr,
        prefix: u8,
        link: String,
        result: Result<Removed, Failure>,
    },
    /// Links and addresses cannot be listed. It is tried again until it succeeds.
    DumpFailed(Failure),
    /// Other hosts' claims cannot be heard.
    ListenFailed(Failure),
}

impl Turn {
    /// `pace` holds the times between two reads. `seed` is where the keepers' jitter starts.
    pub fn new(pace: Pace, seed: u64) -> Self {
        Self {
            vips: VipTable::default(),
            pace,
            seed,
            concerned: BTreeSet::new(),
            ordering: VecDeque::new(),
            current: None,
            announcing: VecDeque::new(),
            refusals: Refusals::default(),
            messages: VecDeque::new(),
            contradicted: false,
        }
    }

    /// Adds a VIP. Its keeper waits for its first [`Event::Observed`].
    pub fn add(&mut self, vip: VipConfig) -> VipId {
        let seed = self.vips.next_id().wrapping_mul(SPREAD) ^ self.seed;
        self.vips.insert(ManagedVip::new(vip, self.pace, seed))
    }

    /// Forgets a VIP and leaves its address as it is.
    pub fn forget(&mut self, id: VipId) {
        if let Some(vip) = self.vips.one_mut(id) {
            let change = vip.refusing.end();
            self.refusals.note(&vip.config, change);
        }
        self.vips.remove(id);
    }

    /// Drops a VIP once it is stopped.
    pub fn drop_when_stopped(&mut self, id: VipId) {
        if let Some(vip) = self.vips.one_mut(id) {
            vip.leaving = true;
        }
    }

    pub const fn vips(&self) -> &VipTable {
        &self.vips
    }

    /// Lets a VIP follow another store.
    pub fn set_source(&mut self, id: VipId, source: SourceIndex) {
        self.vips.set_source(id, source);
    }

    /// Changes the times between two reads of every VIP.
    pub fn set_pace(&mut self, pace: Pace) {
        if pace != self.pace {
            self.pace = pace;
            for (id, vip) in self.vips.all_mut() {
                vip.keeper.set_pace(pace);
                self.concerned.insert(id);
            }
        }
    }

    /// Tells one keeper what happened.
    pub fn handle_event(&mut self, id: VipId, event: Event, now: Moment) {
        let Some(vip) = self.vips.one_mut(id) else { return };
        if matches!(event, Event::Rival { .. }) {
            let change = vip.refusing.claimed(now);
            self.refusals.note(&vip.config, change);
        }
        vip.keeper.handle_event(event, now);
        self.refusals.follow(vip, now);
        self.concerned.insert(id);
    }

    /// Tells the keepers whose deadline has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        for id in self.vips.due(now) {
            if let Some(vip) = self.vips.one_mut(id) {
                vip.keeper.handle_timeout(now);
                self.refusals.follow(vip, now);
                self.concerned.insert(id);
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) if nothing happens before.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.vips.next_deadline()
    }

    /// The next thing to log or count.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Whether the kernel has contradicted what was observed since the last call.
    pub(super) fn take_contradiction(&mut self) -> bool {
        std::mem::take(&mut self.contradicted)
    }

    pub(super) fn tell(&mut self, message: Message) {
        self.messages.push_back(message);
    }

    /// What the next [`advance`](Self::advance) does.
    pub fn point(&self) -> Point {
        if self.must_refuse() {
            Point::Refusing
        } else if let Some((_, execution)) = &self.current {
            execution.point()
        } else if !self.ordering.is_empty() {
            Point::Settling
        } else if !self.announcing.is_empty() {
            Point::Announcing
        } else if self.concerned.is_empty() {
            Point::Idle
        } else {
            Point::Settling
        }
    }

    /// Takes one step. `now` is read just before. Returns `false` when there is nothing left to do.
    pub fn advance(&mut self, host: &mut impl Actuator, now: Moment) -> bool {
        if self.must_refuse() {
            self.refuse(host, now);
        } else if let Some((id, execution)) = self.current.take() {
            self.carry_out(id, execution, host, now);
        } else if !self.ordering.is_empty() {
            self.take_order(now);
        } else if let Some(id) = self.announcing.pop_front() {
            self.announce(id, host, now);
        } else if !self.concerned.is_empty() {
            self.begin(host, now);
        }
        self.point() != Point::Idle
    }

    /// Sorts the VIPs by what they want, releases first, and resets the connections of those that are released.
    ///
    /// A reset only works while the address is still there, and one walk over the sockets serves all VIPs.
    fn begin(&mut self, host: &mut impl Actuator, now: Moment) {
        self.announcing.extend(std::mem::take(&mut self.concerned));
        let mut others = Vec::new();
        let mut reset = BTreeSet::new();
        for id in &self.announcing {
            let Some(vip) = self.vips.one(*id) else { continue };
            match vip.keeper.poll_order(now) {
                Some(Order::Release { reset: connections, .. }) => {
                    self.ordering.push_back(*id);
                    if connections && vip.config.reset_connections {
                        reset.insert(vip.config.vip.address());
                    }
                }
                Some(Order::Hold { .. } | Order::Limit { .. }) => others.push(*id),
                None => {}
            }
        }
        self.ordering.extend(others);
        if !reset.is_empty() {
            let result = host.reset(&reset);
            self.tell(Message::Reset { addresses: reset, result });
        }
    }

    /// Takes the next order. The keeper's timers bound this: an order that fails is not given again at once.
    fn take_order(&mut self, now: Moment) {
        while let Some(id) = self.ordering.front().copied() {
            if let Some(vip) = self.vips.one(id)
                && let Some(order) = vip.keeper.poll_order(now)
            {
                self.current = Some((id, Execution::new(vip.config.vip, order)));
                return;
            }
            self.ordering.pop_front();
        }
    }

    fn carry_out(&mut self, id: VipId, mut execution: Execution, host: &mut impl Actuator, now: Moment) {
        let Some(outcome) = execution.outcome() else {
            execution.advance(host, now);
            self.current = Some((id, execution));
            return;
        };
        let (outcome, order) = (outcome.clone(), execution.order);
        let expected = matches!(order, Order::Release { present: true, .. }) && outcome == Outcome::Released;
        self.contradicted |= expected && !execution.removed;
        if let Some(vip) = self.vips.one_mut(id) {
            vip.keeper.handle_event(Event::Applied(outcome.clone()), now);
            self.refusals.follow(vip, now);
            let vip = Arc::clone(&vip.config);
            self.tell(Message::Applied { vip, order, outcome });
        }
    }

    /// The end of a refusal is urgent, since the address may be about to come back. A beginning waits until all orders
    /// are carried out, so that one call serves all VIPs.
    fn must_refuse(&self) -> bool {
        let idle = self.current.is_none() && self.ordering.is_empty();
        !self.refusals.ended.is_empty() || self.refusals.began && idle
    }

    fn refuse(&mut self, host: &mut impl Actuator, now: Moment) {
        for (vip, refusal) in std::mem::take(&mut self.refusals.ended) {
            let count = host.refused(refusal.link, vip.vip.address());
            if count > 0 {
                self.tell(Message::Refused { vip, count, lasted: now.since(refusal.since) });
            }
        }
        let mut refuse = Refuse::new();
        for (_, vip) in self.vips.all() {
            if let Some(refusal) = vip.refusal() {
                refuse.entry(refusal.link).or_default().insert(vip.config.vip.address(), refusal.until);
            }
        }
        self.refusals.began = false;
        for failure in host.refuse(&refuse) {
            if !std::mem::replace(&mut self.refusals.told_failure, true) {
                self.tell(Message::RefuseFailed(failure));
            }
        }
    }

    /// Sends the announcements that are due, takes the notes, and sets the next deadline.
    fn announce(&mut self, id: VipId, host: &mut impl Actuator, now: Moment) {
        let Some(vip) = self.vips.one_mut(id) else { return };
        while vip.keeper.poll_announce(now) {
            let result = host.announce(&vip.config.interface, vip.config.vip.address());
            if result == Ok(Announced::NoHardwareAddress) && std::mem::replace(&mut vip.told_unannounced, true) {
                continue;
            }
            self.messages.push_back(Message::Announced { vip: Arc::clone(&vip.config), result });
        }
        while let Some(note) = vip.keeper.poll_note() {
            let state = vip.keeper.state().name();
            self.messages.push_back(Message::Note { vip: Arc::clone(&vip.config), state, note });
        }
        let wish = vip.keeper.claim_wish();
        if std::mem::replace(&mut vip.told_wish, wish) != wish {
            self.messages.push_back(Message::Claim { vip: Arc::clone(&vip.config), wish });
        }
        let next = vip.keeper.next_deadline(now).map(|(at, _)| at);
        let next = next.into_iter().chain(vip.refusal().map(|refusal| refusal.until)).min();
        if vip.leaving && vip.is_stopped() {
            self.vips.remove(id);
        } else {
            self.vips.set_deadline(id, next);
        }
    }
}

impl Refusals {
    fn follow(&mut self, vip: &mut ManagedVip, now: Moment) {
        let change = vip.refusing.follow(&vip.keeper, vip.config.refuse_after_release, now);
        self.note(&vip.config, change);
    }

    fn note(&mut self, vip: &Arc<VipConfig>, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Began => self.began = true,
            Change::Ended(refusal) => self.ended.push((Arc::clone(vip), refusal)),
        }
    }
}

/// An odd number without a pattern (2^64 over the golden ratio), so that neighbouring VIPs draw different jitter.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
