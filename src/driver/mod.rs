//! The driver: it passes events to the keepers, carries out their orders on the host, and collects what to log.
//!
//! Everything here is pure. The host is an [`Actuator`], time comes in as an argument, and there is no socket, no task
//! and no log. `daemon` adds the signals, the timer, the source, systemd and the hooks, and drives a real host. The
//! unit tests drive a recorded one. The simulator drives its own, and stops or kills the process between two steps.
//!
//! # The contract of a turn
//!
//! [`Turn`] holds the VIPs and their keepers. A caller
//!
//! 1. calls [`Turn::handle_timeout`] with the clock of this turn if [`Turn::next_deadline`] has come, and works it off
//!    (2) before it looks at the event; then calls [`Turn::handle_event`] for each VIP that the event concerns;
//! 2. calls [`Turn::advance`] with the host and a fresh clock until it returns `false`. Each call takes one step:
//!    it compares the clock, *or* it asks the host for one thing, never both. [`Turn::point`] names the next step, so a
//!    simulator can stop before any of them;
//! 3. takes every [`Message`] from [`Turn::poll_message`];
//! 4. waits until [`Turn::next_deadline`] or the next event.
//!
//! In one turn, connections of the VIPs to be released are reset first, all in one call. Then releases are carried out,
//! then all other orders. Then the released VIPs begin to refuse new connections (the end of a refusal comes before
//! everything else), announcements are sent, and the keepers' notes become messages.
//!
//! [`Driver`] is a turn with a host, a clock, and the mirror of the kernel ([`Mirror`]): what the daemon runs.

mod actuator;
mod execution;
mod mirror;
mod own;
mod refusal;
#[cfg(test)]
mod tests;
mod turn;
mod vips;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

pub use actuator::{Actuator, Announced, Failure, Listen, Owner, Refuse, Removed};
pub use execution::{Execution, Point};
pub use mirror::{Change, Mirror};
pub use own::{Circumstances, OwnAddress, Why, own_address};
pub use refusal::Refusal;
pub use turn::{Message, Turn};
pub use vips::{ManagedVip, VipId, VipTable};

use crate::config::{SourceIndex, VipConfig};
use crate::keeper::{ClaimReport, Event, State, StopMode};
use crate::pace::Pace;
use crate::time::Moment;
use crate::wire::claim::Claim;
use crate::wire::netlink::{Address, Notice};

/// The VIPs on a host.
#[derive(Debug)]
pub struct Driver<A> {
    pub host: A,
    turn: Turn,
    kernel: Mirror,
    clock: fn() -> Moment,
    /// When to list links and addresses again, after a list that failed.
    list_again_at: Option<Moment>,
    news: News,
    /// What tells the host's own addresses from ours, for the next VIPs that are added.
    pub circumstances: Circumstances,
}

/// What the notices of a turn changed.
#[derive(Debug, Default)]
struct News {
    concerned: BTreeSet<VipId>,
    /// An interface's name may belong to another interface than before.
    links: bool,
}

/// What a reload changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Changes {
    pub added: usize,
    pub removed: usize,
}

impl<A: Actuator> Driver<A> {
    /// Lists what is on the host. `pace` holds the times between two reads, `seed` is where the keepers' jitter starts.
    pub fn new(mut host: A, clock: fn() -> Moment, pace: Pace, seed: u64) -> Result<Self, Failure> {
        let mut kernel = Mirror::default();
        kernel.replace(&host.dump()?);
        let turn = Turn::new(pace, seed);
        Ok(Self {
            host,
            turn,
            kernel,
            clock,
            list_again_at: None,
            news: News::default(),
            circumstances: Circumstances::default(),
        })
    }

    pub fn vips(&self) -> impl Iterator<Item = &ManagedVip> {
        self.turn.vips().all().map(|(_, vip)| vip)
    }

    /// How many new connections the VIPs have refused that refuse any now.
    pub fn refused(&self) -> impl Iterator<Item = (&ManagedVip, u64)> {
        self.vips().filter_map(|vip| {
            let refusal = vip.refusal()?;
            Some((vip, self.host.refused(refusal.link, vip.config.vip.address())))
        })
    }

    /// What the kernel was last heard to say.
    pub const fn kernel(&self) -> &Mirror {
        &self.kernel
    }

    pub fn next_deadline(&self) -> Option<Moment> {
        self.turn.next_deadline().into_iter().chain(self.list_again_at).min()
    }

    pub fn poll_message(&mut self) -> Option<Message> {
        self.turn.poll_message()
    }

    // VIPs

    /// Adds VIPs, or none if one of them is the host's own address. Each keeper finds out by itself whether its address is
    /// there already.
    pub fn add(&mut self, vips: Vec<VipConfig>) -> Result<(), OwnAddress> {
        self.refuse_own_address(&vips)?;
        let added: Vec<_> = vips.into_iter().map(|vip| self.turn.add(vip)).collect();
        self.observe(added);
        self.listen();
        Ok(())
    }

    /// Changes to these VIPs, or changes nothing if a new one is the host's own address.
    ///
    /// A VIP whose entry is the same is not touched, even if its store is another one: the next read decides. One whose
    /// entry changed gets a new keeper, which adopts the address as a start of the daemon does, so clients notice
    /// nothing. One whose entry is gone is released.
    pub fn reload(&mut self, vips: &[VipConfig], pace: Pace) -> Result<Changes, OwnAddress> {
        let present: Vec<_> = self.turn.vips().all().filter(|(_, vip)| !vip.leaving).collect();
        let entry_of = |vip: &ManagedVip| vips.iter().find(|entry| entry.is_entry(&vip.config));
        let removed: Vec<_> = present.iter().filter(|(_, vip)| entry_of(vip).is_none()).map(|(id, _)| *id).collect();
        let kept: Vec<_> =
            present.iter().filter_map(|(id, vip)| entry_of(vip).map(|entry| (*id, entry.source))).collect();
        let is_new = |entry: &&VipConfig| !present.iter().any(|(_, vip)| vip.config.is_entry(entry));
        let added: Vec<_> = vips.iter().filter(is_new).cloned().collect();
        self.refuse_own_address(&added)?;
        let changes = Changes { added: added.len(), removed: removed.len() };
        for id in removed {
            self.take_out(id, vips);
        }
        for (id, source) in kept {
            self.turn.set_source(id, source);
        }
        self.turn.set_pace(pace);
        self.add(added)?;
        Ok(changes)
    }

    fn refuse_own_address(&self, vips: &[VipConfig]) -> Result<(), OwnAddress> {
        let now = (self.clock)();
        let recorded = |address: &Address| self.host.owner(address) == Owner::Us;
        let own = vips.iter().find_map(|vip| own_address(&self.kernel, vip, &self.circumstances, recorded, now));
        own.map_or(Ok(()), Err)
    }

    /// Removes what an earlier run has added and the configuration does not name any more. Another daemon's addresses are
    /// left alone. To be called at the start, when the VIPs are added.
    pub fn remove_orphans(&mut self) {
        let is_orphan = |address: &&Address| {
            let owner = self.host.owner(address);
            let name = self.kernel.link(address.index).map(|link| &link.name);
            (address.ours || owner == Owner::Us)
                && owner != Owner::Another
                && !self
                    .vips()
                    .any(|vip| vip.config.vip.address() == address.address && Some(&vip.config.interface) == name)
        };
        let orphans: Vec<_> = self.kernel.all().filter(is_orphan).copied().collect();
        let addresses: BTreeSet<_> = orphans.iter().map(|orphan| orphan.address).collect();
        if !addresses.is_empty() {
            let result = self.host.reset(&addresses);
            self.turn.tell(Message::Reset { addresses, result });
        }
        for Address { index, address, prefix, .. } in orphans {
            let link = self.kernel.link(index).map_or_else(|| index.to_string(), |link| link.name.to_string());
            let result = self.host.remove(index, address, prefix);
            self.turn.tell(Message::Orphan { address, prefix, link, result });
        }
    }

    fn take_out(&mut self, id: VipId, vips: &[VipConfig]) {
        let Some(vip) = self.turn.vips().one(id) else { return };
        let (interface, address) = (&vip.config.interface, vip.config.vip.address());
        if vips.iter().any(|vip| vip.interface == *interface && vip.vip.address() == address) {
            self.turn.forget(id);
        } else {
            self.turn.drop_when_stopped(id);
            self.turn.handle_event(id, Event::Stop(StopMode::Release), (self.clock)());
        }
    }

    /// Stops every keeper.
    pub fn stop(&mut self, mode: StopMode) {
        self.tell_all(&Event::Stop(mode), (self.clock)());
    }

    /// The VIPs that are not stopped yet.
    pub fn unstopped(&self) -> impl Iterator<Item = &ManagedVip> {
        self.vips().filter(|vip| !vip.is_stopped())
    }

    // Events

    /// Handles what is due by the clock. To be called before any event of the turn.
    pub fn pass_time(&mut self, now: Moment) {
        self.turn.handle_timeout(now);
        self.run();
        if self.list_again_at.is_some_and(|at| at <= now) {
            self.list();
            self.remove_misplaced();
            self.observe(self.ids());
            self.listen();
        }
    }

    /// Tells the keepers of this key in this store, where this value of it names this host. Finish with
    /// [`run`](Self::run).
    pub fn tell_key(&mut self, source: SourceIndex, key: &str, value: &str, event: &Event, now: Moment) {
        for id in self.turn.vips().of_key(source, key, value) {
            self.turn.handle_event(id, event.clone(), now);
        }
    }

    /// Tells the keepers whose key is in this store.
    pub fn tell_source(&mut self, source: SourceIndex, event: &Event, now: Moment) {
        for id in self.turn.vips().of_source(source) {
            self.turn.handle_event(id, event.clone(), now);
        }
        self.run();
    }

    /// Tells the keepers of this claim in this store what became of it. Finish with [`run`](Self::run).
    pub fn tell_claim(&mut self, source: SourceIndex, key: &str, report: &ClaimReport, now: Moment) {
        for id in self.turn.vips().of_claim(source, key) {
            self.turn.handle_event(id, Event::Claim(report.clone()), now);
        }
    }

    fn tell_all(&mut self, event: &Event, now: Moment) {
        for id in self.ids() {
            self.turn.handle_event(id, event.clone(), now);
        }
        self.run();
    }

    /// Tells the keepers of claims that none of this host's interfaces made.
    pub fn hear(&mut self, link: u32, claims: &BTreeMap<Claim, u32>, now: Moment) {
        let Some(name) = self.kernel.link(link).map(|link| &link.name) else { return };
        for (claim, count) in claims.iter().filter(|(claim, _)| !self.kernel.is_own(claim.mac)) {
            for id in self.turn.vips().of_address(claim.address) {
                if self.turn.vips().one(id).is_some_and(|vip| vip.config.interface == *name) {
                    self.turn.handle_event(id, Event::Rival { mac: claim.mac, claims: *count }, now);
                }
            }
        }
        self.run();
    }

    /// Carries out what the keepers want now.
    pub fn run(&mut self) {
        loop {
            while self.turn.advance(&mut self.host, (self.clock)()) {}
            if !self.turn.take_contradiction() {
                return;
            }
            self.list();
            if self.list_again_at.is_some() {
                return;
            }
            self.show(self.ids());
        }
    }

    // What the kernel says

    /// Applies notices to the mirror. Apply all that are there before [`observed`](Self::observed): the notices of our
    /// own changes come after older ones, and a half-read queue shows the past.
    pub fn apply(&mut self, notices: &[Notice]) {
        for notice in notices {
            match self.kernel.apply(notice) {
                Change::Nothing => {}
                Change::Link(_) => {
                    self.news.links = true;
                    self.news.concerned = self.ids();
                }
                Change::Address(link, address) => {
                    let vips = self.turn.vips().of_address(address);
                    if vips.is_empty() {
                        self.news.concerned.extend(self.beside(link, address));
                    }
                    self.news.concerned.extend(vips);
                }
            }
        }
    }

    /// The VIPs whose subnet this address of the host's own may be in.
    fn beside(&self, link: u32, address: IpAddr) -> Vec<VipId> {
        let name = self.kernel.link(link).map(|link| &link.name);
        let beside = |vip: &ManagedVip| {
            Some(&vip.config.interface) == name && vip.config.vip.shares_subnet(address, vip.config.vip.prefix())
        };
        self.turn.vips().all().filter(|(_, vip)| beside(vip)).map(|(id, _)| id).collect()
    }

    /// The kernel dropped notices: lists everything.
    pub fn overrun(&mut self) {
        self.list();
        self.news = News { concerned: self.ids(), links: true };
    }

    /// Tells the keepers what the notices changed.
    pub fn observed(&mut self) {
        let News { concerned, links } = std::mem::take(&mut self.news);
        if self.may_be_late(&concerned) {
            self.list();
        }
        if links {
            self.remove_misplaced();
        }
        self.observe(concerned);
        if links {
            self.listen();
        }
    }

    /// A list can fail: on a host that changes addresses without a pause, the kernel never gets to the end of one. That
    /// is no reason to release anything. The mirror stays as it is, each read renews the address whatever the mirror
    /// says, and the list is tried again.
    fn list(&mut self) {
        match self.host.dump() {
            Ok(notices) => {
                self.kernel.replace(&notices);
                self.list_again_at = None;
            }
            Err(failure) => {
                if self.list_again_at.is_none() {
                    self.turn.tell(Message::DumpFailed(failure));
                }
                self.list_again_at = Some((self.clock)() + LIST_AGAIN);
            }
        }
    }

    fn observe(&mut self, ids: impl IntoIterator<Item = VipId>) {
        self.show(ids);
        self.run();
    }

    fn show(&mut self, ids: impl IntoIterator<Item = VipId>) {
        let now = (self.clock)();
        for id in ids {
            if let Some(vip) = self.turn.vips().one(id) {
                let view = vip.link_view(&self.kernel, self.turn.vips());
                self.turn.handle_event(id, Event::Observed(view), now);
            }
        }
    }

    /// Whether an address that seems to be gone may have been added a moment ago: the kernel sends the notice of a new
    /// IPv6 address from a work queue, after the call that added it has returned.
    fn may_be_late(&self, ids: &BTreeSet<VipId>) -> bool {
        ids.iter().filter_map(|id| self.turn.vips().one(*id)).any(|vip| {
            vip.config.vip.address().is_ipv6()
                && matches!(vip.keeper.state(), State::Held { .. } | State::Doubtful { .. })
                && vip.link_view(&self.kernel, self.turn.vips()).present.is_empty()
        })
    }

    /// Removes our addresses from interfaces that are not the configured ones: a renamed interface keeps its addresses,
    /// and nobody would renew or release them there. Connections are not reset, since the address may be on the right
    /// interface as well.
    fn remove_misplaced(&mut self) {
        let is_misplaced = |link: u32, address: IpAddr| {
            let name = self.kernel.link(link).map(|link| &link.name);
            let vips = self.turn.vips().of_address(address);
            let mut vips = vips.iter().filter_map(|id| self.turn.vips().one(*id)).peekable();
            vips.peek().is_some() && !vips.any(|vip| Some(&vip.config.interface) == name)
        };
        let ours = self.kernel.ours().map(|it| (it.index, it.address, it.prefix));
        let misplaced: Vec<_> = ours.filter(|(link, address, _)| is_misplaced(*link, *address)).collect();
        for (index, address, prefix) in misplaced {
            let link = self.kernel.link(index).map_or_else(|| index.to_string(), |link| link.name.to_string());
            let result = self.host.remove(index, address, prefix);
            self.turn.tell(Message::Misplaced { address, prefix, link, result });
        }
    }

    /// Listens for claims of every VIP on its interface, whoever holds it: otherwise the first claim after an
    /// acquisition would be missed.
    fn listen(&mut self) {
        let mut listen = Listen::new();
        for vip in self.vips().filter(|vip| !vip.leaving) {
            if let Some(link) = self.kernel.link_by_name(&vip.config.interface) {
                listen.entry(link.index).or_default().insert(vip.config.vip.address());
            }
        }
        for failure in self.host.listen(&listen) {
            self.turn.tell(Message::ListenFailed(failure));
        }
    }

    fn ids(&self) -> BTreeSet<VipId> {
        self.turn.vips().ids()
    }
}

/// Soon enough for what only a list can show, rare enough not to be busy with lists that fail.
const LIST_AGAIN: Duration = Duration::from_millis(500);
