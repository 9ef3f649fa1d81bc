//! Patroni and the leader key: it takes the key when it is free, refreshes the lease, and demotes.

use crate::host::names;
use crate::queue::{Alarm, Item};
use crate::setup::Bound;
use crate::store::{Key, Store};
use crate::time::{MILLI, Micros, NEVER, SECOND};
use crate::trace::{self, Who};
use crate::world::World;

impl World {
    /// One round of Patroni's loop.
    pub fn patroni(&mut self, host: usize) {
        let now = self.now;
        let patroni = &mut self.hosts[host].patroni;
        if patroni.down > 0 {
            return;
        }
        if patroni.cut > 0 {
            // Its retries are over, so it must demote PostgreSQL.
            patroni.leads &= now < patroni.last_refresh + RETRY_TIMEOUT;
            return;
        }
        match self.store.key {
            None => self.acquire(host),
            Some(key) if key.holder as usize != host => {
                self.hosts[host].patroni.leads = false;
                if self.has_stayed_the_same(key) {
                    self.acquire(host);
                }
            }
            Some(key) => {
                let lease = self.hosts[host].patroni.lease.filter(|&id| self.store.owner(id) == Some(host));
                match lease {
                    Some(id) if key.lease == Some(id) => self.refresh(host),
                    Some(_) | None => self.acquire(host),
                }
            }
        }
    }

    /// Writes the key with a fresh lease.
    pub fn acquire(&mut self, host: usize) {
        let ends = self.store.lease_end(self.now, self.setup.ttl);
        let lease = self.store.grant(host, ends);
        self.queue.set(Alarm::Lease, host, ends);
        let patroni = &mut self.hosts[host].patroni;
        patroni.leads = true;
        patroni.last_refresh = self.now;
        patroni.lease = Some(lease);
        let wall = (self.setup.bound == Bound::Record).then(|| self.hosts[host].clock.local(self.now));
        let take = |store: &mut Store| {
            store.put(host as u8, Some(lease));
            if let Some(key) = &mut store.key {
                key.renewed = wall;
            }
        };
        self.change(take, "taken by its Patroni");
    }

    /// Whether a record was left unchanged for as long as the other Patronis wait.
    fn has_stayed_the_same(&self, key: Key) -> bool {
        self.setup.bound == Bound::Record && key.lease.is_some_and(|id| self.store.owner(id).is_none())
    }

    fn refresh(&mut self, host: usize) {
        let ends = self.store.lease_end(self.now, self.setup.ttl);
        let before = self.store.leases[host].map_or(0, |lease| lease.ends);
        if let Some(lease) = &mut self.store.leases[host] {
            lease.ends = ends;
        }
        self.queue.set(Alarm::Lease, host, ends);
        self.hosts[host].patroni.last_refresh = self.now;
        self.hosts[host].patroni.leads = true;
        if self.setup.bound == Bound::Record {
            let wall = self.hosts[host].clock.local(self.now);
            self.change(|store| store.renew(wall), "renewed");
        }
        let awaited = self.setup.bound == Bound::Record && self.hosts[host].record.due == NEVER;
        if awaited || before < self.now + self.low_lease() {
            self.trace.record(self.now, Who::Etcd, || format!("lease of pg{} refreshed after a while", host + 1));
            self.touch(host, 0);
        }
    }

    /// A new etcd leader grants every lease its full time again.
    pub fn extend_leases(&mut self) {
        let ends = self.store.lease_end(self.now, self.setup.claim_ttl);
        if let Some(claim) = self.store.claim.as_mut().filter(|claim| claim.ends < NEVER) {
            claim.ends = ends;
        }
        if self.setup.bound == Bound::Record {
            return;
        }
        for host in 0..self.hosts.len() {
            let ends = self.store.lease_end(self.now, self.setup.ttl);
            if let Some(lease) = &mut self.store.leases[host] {
                lease.ends = ends;
                self.queue.set(Alarm::Lease, host, ends);
            }
        }
    }

    /// A lease has ended, and its key is deleted.
    pub fn lease_ends(&mut self, host: usize) {
        let Some(lease) = self.store.leases[host].take() else { return };
        self.queue.set(Alarm::Lease, host, NEVER);
        if self.store.key.is_some_and(|key| key.lease == Some(lease.id)) {
            if self.setup.bound == Bound::Record {
                self.trace.record(self.now, Who::Etcd, || "the record has not changed for its ttl".to_owned());
                self.wake_candidates(host);
            } else {
                self.change(Store::delete, "its lease has ended");
            }
            self.judge_expiry(host);
        } else if !names(self.store.key, host) && self.hosts[host].record.lease == Some(lease.id) {
            // A move of the key allows nothing beyond the end of the lease.
            let permit = &mut self.hosts[host].record.permit;
            *permit = if self.setup.bound == Bound::Assumed { *permit } else { (*permit).min(self.now) };
        }
    }

    /// Changes the key and sends the watch events.
    pub fn change(&mut self, change: impl FnOnce(&mut Store), why: &str) {
        let before = self.store.key;
        change(&mut self.store);
        let after = self.store.holder();
        let revision = self.store.revision;
        self.trace
            .record(self.now, Who::Etcd, || format!("key names {}, revision {revision}: {why}", trace::name(after)));
        self.judge_change(before, after);
        self.publish();
        for host in 0..self.hosts.len() {
            if Some(host as u8) == after || !self.is_reached_by_patroni(host) {
                continue;
            }
            let longest = if after.is_none() { 1_500 * MILLI } else { 300 * MILLI };
            let at = self.now + 5 * MILLI + self.latency.moment(longest);
            self.queue.put(at, Item::Patroni { host: host as u8 });
        }
    }

    fn wake_candidates(&mut self, leader: usize) {
        for host in (0..self.hosts.len()).filter(|host| *host != leader) {
            let at = self.now + self.latency.moment(1_500 * MILLI);
            self.queue.put(at, Item::Patroni { host: host as u8 });
        }
    }

    fn is_reached_by_patroni(&self, host: usize) -> bool {
        let patroni = &self.hosts[host].patroni;
        patroni.down + patroni.cut == 0
    }
}

const RETRY_TIMEOUT: Micros = 10 * SECOND;
