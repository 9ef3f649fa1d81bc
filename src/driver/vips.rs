//! All VIPs of the daemon, and the ways to find those that an event concerns.
//!
//! One loop manages a thousand VIPs, so an event looks only at the VIPs that it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::mirror::Mirror;
use super::refusal::{Refusal, Refusing};
use crate::config::{SourceIndex, VipConfig};
use crate::keeper::{ClaimWish, Keeper, Link, LinkView, PresentAddress, Rules, State};
use crate::pace::Pace;
use crate::time::Moment;
use crate::vip::full_prefix;

/// A VIP and its keeper.
#[derive(Debug)]
pub struct ManagedVip {
    pub config: Arc<VipConfig>,
    pub keeper: Keeper,
    /// It is no longer configured, and is dropped once it is released.
    pub leaving: bool,
    /// It was reported that its interface has no hardware address to announce it from.
    pub(super) told_unannounced: bool,
    /// What was last asked of its claim.
    pub(super) told_wish: ClaimWish,
    pub(super) refusing: Refusing,
}

impl ManagedVip {
    pub fn new(config: VipConfig, pace: Pace, seed: u64) -> Self {
        let keeper = Keeper::new(Rules {
            prefix: config.vip.prefix(),
            pace,
            hold_timeout: config.hold_timeout,
            lease_margin: config.lease_margin,
            claim: config.claim.mode,
            schedule: config.announce,
            seed,
        });
        Self {
            config: Arc::new(config),
            keeper,
            leaving: false,
            told_unannounced: false,
            told_wish: ClaimWish::Nothing,
            refusing: Refusing::default(),
        }
    }

    pub const fn is_stopped(&self) -> bool {
        matches!(self.keeper.state(), State::Stopped { .. })
    }

    /// Whether it refuses new connections.
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusing.current()
    }

    /// What the kernel shows of this VIP.
    pub fn link_view(&self, kernel: &Mirror, vips: &VipTable) -> LinkView {
        let Some(link) = kernel.link_by_name(&self.config.interface) else { return LinkView::default() };
        let present = kernel.addresses(link.index, self.config.vip.address()).map(|address| PresentAddress {
            prefix: address.prefix,
            lifetime: address.valid,
            unusable: address.peer.is_some() || address.unused(),
        });
        LinkView {
            present: present.collect(),
            link: Some(Link { index: link.index, up: link.up, mac: link.mac }),
            narrow: self.narrow(link.index, kernel, vips),
        }
    }

    /// The prefix length of a single address, if the interface has no other address of the VIP's subnet. Another VIP does
    /// not count: it leaves as this one does. IPv6 knows no first address of a subnet, so what is there may stay.
    fn narrow(&self, link: u32, kernel: &Mirror, vips: &VipTable) -> Option<u8> {
        let vip = self.config.vip;
        let full = full_prefix(vip.address());
        let mut present = kernel.addresses(link, vip.address());
        let company = || {
            kernel.on(link).any(|other| {
                vip.shares_subnet(other.address, other.prefix)
                    && !other.ours
                    && vips.of_address(other.address).is_empty()
            })
        };
        let stays = vip.address().is_ipv6() && present.any(|address| address.prefix == vip.prefix());
        (vip.prefix() < full && !stays && !company()).then_some(full)
    }
}

/// The number of a VIP, never used twice.
pub type VipId = u64;

#[derive(Debug, Default)]
pub struct VipTable {
    vips: BTreeMap<VipId, ManagedVip>,
    next: VipId,
    by_key: BTreeMap<(SourceIndex, String, String), BTreeSet<VipId>>,
    by_address: BTreeMap<IpAddr, BTreeSet<VipId>>,
    by_claim: BTreeMap<(SourceIndex, String), BTreeSet<VipId>>,
    deadlines: BTreeSet<(Moment, VipId)>,
    deadline_of: BTreeMap<VipId, Moment>,
}

impl VipTable {
    /// The number that the next VIP gets.
    pub const fn next_id(&self) -> VipId {
        self.next
    }

    pub fn insert(&mut self, vip: ManagedVip) -> VipId {
        let id = self.next;
        self.next += 1;
        self.by_key.entry(place_of_key(&vip.config)).or_default().insert(id);
        self.by_address.entry(vip.config.vip.address()).or_default().insert(id);
        self.by_claim.entry(place_of_claim(&vip.config)).or_default().insert(id);
        self.vips.insert(id, vip);
        id
    }

    pub fn remove(&mut self, id: VipId) {
        if let Some(vip) = self.vips.remove(&id) {
            forget(&mut self.by_key, &place_of_key(&vip.config), id);
            forget(&mut self.by_address, &vip.config.vip.address(), id);
            forget(&mut self.by_claim, &place_of_claim(&vip.config), id);
            self.set_deadline(id, None);
        }
    }

    pub fn all(&self) -> impl Iterator<Item = (VipId, &ManagedVip)> {
        self.vips.iter().map(|(id, vip)| (*id, vip))
    }

    pub fn ids(&self) -> BTreeSet<VipId> {
        self.vips.keys().copied().collect()
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = (VipId, &mut ManagedVip)> {
        self.vips.iter_mut().map(|(id, vip)| (*id, vip))
    }

    pub fn one(&self, id: VipId) -> Option<&ManagedVip> {
        self.vips.get(&id)
    }

    pub fn one_mut(&mut self, id: VipId) -> Option<&mut ManagedVip> {
        self.vips.get_mut(&id)
    }

    /// Lets a VIP follow another store.
    pub fn set_source(&mut self, id: VipId, source: SourceIndex) {
        let Some(vip) = self.vips.get_mut(&id).filter(|vip| vip.config.source != source) else { return };
        forget(&mut self.by_key, &place_of_key(&vip.config), id);
        forget(&mut self.by_claim, &place_of_claim(&vip.config), id);
        vip.config = Arc::new(VipConfig { source, ..(*vip.config).clone() });
        self.by_key.entry(place_of_key(&vip.config)).or_default().insert(id);
        self.by_claim.entry(place_of_claim(&vip.config)).or_default().insert(id);
    }

    /// Those whose key this is in this store, where this value names this host.
    pub fn of_key(&self, source: SourceIndex, key: &str, value: &str) -> BTreeSet<VipId> {
        self.by_key.get(&(source, key.to_owned(), value.to_owned())).cloned().unwrap_or_default()
    }

    /// Those that follow this store.
    pub fn of_source(&self, source: SourceIndex) -> Vec<VipId> {
        self.vips.iter().filter(|(_, vip)| vip.config.source == source).map(|(id, _)| *id).collect()
    }

    pub fn of_address(&self, address: IpAddr) -> BTreeSet<VipId> {
        self.by_address.get(&address).cloned().unwrap_or_default()
    }

    /// Those that are claimed with this key.
    pub fn of_claim(&self, source: SourceIndex, key: &str) -> BTreeSet<VipId> {
        self.by_claim.get(&(source, key.to_owned())).cloned().unwrap_or_default()
    }

    /// Those whose deadline has come.
    pub fn due(&self, now: Moment) -> BTreeSet<VipId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    pub fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub fn set_deadline(&mut self, id: VipId, at: Option<Moment>) {
        let before = match at {
            Some(at) => self.deadline_of.insert(id, at),
            None => self.deadline_of.remove(&id),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, id));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, id));
        }
    }
}

fn place_of_key(vip: &VipConfig) -> (SourceIndex, String, String) {
    (vip.source, vip.key.clone(), vip.value.clone())
}

fn place_of_claim(vip: &VipConfig) -> (SourceIndex, String) {
    (vip.source, vip.claim.key.clone())
}

fn forget<K: Ord>(index: &mut BTreeMap<K, BTreeSet<VipId>>, key: &K, id: VipId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
