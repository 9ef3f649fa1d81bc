//! All VIPs of the daemon, and the ways to find those that an event concerns.
//!
//! A thousand VIPs are looked after by one loop, so nothing here walks all of them for the sake of one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::ward::Ward;
use crate::config::VipConfig;
use crate::source::Watched;
use crate::time::Moment;

/// A number for a ward that is never used twice.
pub(super) type WardId = u64;

#[derive(Debug, Default)]
pub(super) struct Wards {
    wards: BTreeMap<WardId, Ward>,
    next: WardId,
    by_key: BTreeMap<String, BTreeSet<WardId>>,
    by_address: BTreeMap<IpAddr, BTreeSet<WardId>>,
    deadlines: BTreeSet<(Moment, WardId)>,
    deadline_of: BTreeMap<WardId, Moment>,
}

impl Wards {
    /// The number that the next ward gets.
    pub(super) const fn next_id(&self) -> WardId {
        self.next
    }

    pub(super) fn insert(&mut self, ward: Ward) -> WardId {
        let id = self.next;
        self.next += 1;
        self.by_key.entry(ward.config.key.clone()).or_default().insert(id);
        self.by_address.entry(ward.config.vip.address()).or_default().insert(id);
        self.wards.insert(id, ward);
        id
    }

    pub(super) fn remove(&mut self, id: WardId) {
        if let Some(ward) = self.wards.remove(&id) {
            forget(&mut self.by_key, &ward.config.key, id);
            forget(&mut self.by_address, &ward.config.vip.address(), id);
            self.set_deadline(id, None);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (WardId, &Ward)> {
        self.wards.iter().map(|(id, ward)| (*id, ward))
    }

    pub(super) fn ids(&self) -> BTreeSet<WardId> {
        self.wards.keys().copied().collect()
    }

    pub(super) fn one(&self, id: WardId) -> Option<&Ward> {
        self.wards.get(&id)
    }

    pub(super) fn one_mut(&mut self, id: WardId) -> Option<&mut Ward> {
        self.wards.get_mut(&id)
    }

    pub(super) fn some_mut(&mut self, ids: &BTreeSet<WardId>) -> Vec<(WardId, &mut Ward)> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Vec::new() };
        let between = self.wards.range_mut(*first..=*last);
        between.filter(|(id, _)| ids.contains(id)).map(|(id, ward)| (*id, ward)).collect()
    }

    pub(super) fn of_key(&self, key: &str) -> BTreeSet<WardId> {
        self.by_key.get(key).cloned().unwrap_or_default()
    }

    pub(super) fn of_address(&self, address: IpAddr) -> BTreeSet<WardId> {
        self.by_address.get(&address).cloned().unwrap_or_default()
    }

    /// Those whose deadline has come.
    pub(super) fn due(&self, now: Moment) -> BTreeSet<WardId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn set_deadline(&mut self, id: WardId, at: Option<Moment>) {
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

fn forget<K: Ord>(index: &mut BTreeMap<K, BTreeSet<WardId>>, key: &K, id: WardId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

/// The keys that these VIPs go by, each once, and the values of them that mean this host.
pub(super) fn watched(vips: &[VipConfig]) -> Vec<Watched> {
    let mut keys: BTreeMap<&str, BTreeSet<Arc<str>>> = BTreeMap::new();
    for vip in vips {
        keys.entry(&vip.key).or_default().insert(vip.value.as_str().into());
    }
    keys.into_iter().map(|(key, ours)| Watched { key: key.into(), ours }).collect()
}
