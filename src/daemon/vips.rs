//! All VIPs of the daemon, and the ways to find those that an event concerns.
//!
//! A thousand VIPs are looked after by one loop, so nothing here walks all of them for the sake of one.

use crate::config::VipConfig;
use crate::host::Mirror;
use crate::keeper::{Keeper, Link, LinkView, Rules, Standing, State};
use crate::source::Watched;
use crate::status::Tally;
use crate::time::Moment;
use crate::vip::InterfaceName;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// A VIP that the driver looks after.
#[derive(Debug)]
pub(super) struct ManagedVip {
    pub(super) config: VipConfig,
    pub(super) keeper: Keeper,
    /// It is no longer configured, and is dropped once it is released.
    pub(super) leaving: bool,
    /// That its interface has nobody to announce to was said.
    pub(super) told_unannounced: bool,
    /// What was counted since the recorder last took it.
    pub(super) tally: Tally,
}

impl ManagedVip {
    pub(super) fn new(config: VipConfig, interval: Duration, seed: u64) -> Self {
        let keeper = Keeper::new(Rules {
            prefix: config.vip.prefix(),
            interval,
            hold_timeout: config.hold_timeout,
            lease_margin: config.lease_margin,
            schedule: config.announce,
            seed,
        });
        Self { config, keeper, leaving: false, told_unannounced: false, tally: Tally::default() }
    }

    pub(super) const fn stopped(&self) -> bool {
        matches!(self.keeper.state(), State::Stopped { .. })
    }

    /// What the kernel shows of this VIP.
    pub(super) fn link_view(&self, kernel: &Mirror) -> LinkView {
        let Some(link) = kernel.link_by_name(&self.config.interface) else { return LinkView::default() };
        let standing = kernel
            .addresses(link.index, self.config.vip.address())
            .map(|address| Standing { prefix: address.prefix, lifetime: address.valid });
        LinkView { standing: standing.collect(), link: Some(Link { index: link.index, up: link.up, mac: link.mac }) }
    }
}

/// Interface and address: no two VIPs of a configuration share both.
pub(super) fn place(config: &VipConfig) -> (&InterfaceName, IpAddr) {
    (&config.interface, config.vip.address())
}

/// A number for a vip that is never used twice.
pub(super) type VipId = u64;

#[derive(Debug, Default)]
pub(super) struct VipTable {
    vips: BTreeMap<VipId, ManagedVip>,
    next: VipId,
    by_key: BTreeMap<(String, String), BTreeSet<VipId>>,
    by_address: BTreeMap<IpAddr, BTreeSet<VipId>>,
    deadlines: BTreeSet<(Moment, VipId)>,
    deadline_of: BTreeMap<VipId, Moment>,
}

impl VipTable {
    /// The number that the next vip gets.
    pub(super) const fn next_id(&self) -> VipId {
        self.next
    }

    pub(super) fn insert(&mut self, vip: ManagedVip) -> VipId {
        let id = self.next;
        self.next += 1;
        self.by_key.entry(key_and_value(&vip.config)).or_default().insert(id);
        self.by_address.entry(vip.config.vip.address()).or_default().insert(id);
        self.vips.insert(id, vip);
        id
    }

    pub(super) fn remove(&mut self, id: VipId) {
        if let Some(vip) = self.vips.remove(&id) {
            forget(&mut self.by_key, &key_and_value(&vip.config), id);
            forget(&mut self.by_address, &vip.config.vip.address(), id);
            self.set_deadline(id, None);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (VipId, &ManagedVip)> {
        self.vips.iter().map(|(id, vip)| (*id, vip))
    }

    pub(super) fn ids(&self) -> BTreeSet<VipId> {
        self.vips.keys().copied().collect()
    }

    pub(super) fn one(&self, id: VipId) -> Option<&ManagedVip> {
        self.vips.get(&id)
    }

    pub(super) fn one_mut(&mut self, id: VipId) -> Option<&mut ManagedVip> {
        self.vips.get_mut(&id)
    }

    pub(super) fn some_mut(&mut self, ids: &BTreeSet<VipId>) -> Vec<(VipId, &mut ManagedVip)> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Vec::new() };
        let between = self.vips.range_mut(*first..=*last);
        between.filter(|(id, _)| ids.contains(id)).map(|(id, vip)| (*id, vip)).collect()
    }

    /// Those that go by this key, and hold where it has this value.
    pub(super) fn of_key(&self, watched: &Watched) -> BTreeSet<VipId> {
        self.by_key.get(&(watched.key.to_string(), watched.value.to_string())).cloned().unwrap_or_default()
    }

    pub(super) fn of_address(&self, address: IpAddr) -> BTreeSet<VipId> {
        self.by_address.get(&address).cloned().unwrap_or_default()
    }

    /// Those whose deadline has come.
    pub(super) fn due(&self, now: Moment) -> BTreeSet<VipId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn set_deadline(&mut self, id: VipId, at: Option<Moment>) {
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

fn key_and_value(vip: &VipConfig) -> (String, String) {
    (vip.key.clone(), vip.value.clone())
}

fn forget<K: Ord>(index: &mut BTreeMap<K, BTreeSet<VipId>>, key: &K, id: VipId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

/// The keys that these VIPs go by, each once for each value of it that names this host.
pub(super) fn watched(vips: &[VipConfig]) -> Vec<Watched> {
    let keys: BTreeSet<_> = vips.iter().map(|vip| (vip.key.as_str(), vip.value.as_str())).collect();
    keys.into_iter().map(|(key, value)| Watched { key: key.into(), value: value.into() }).collect()
}
