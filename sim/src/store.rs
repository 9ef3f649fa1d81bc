//! The leader key: a linearizable register with a lease.

use crate::queue::MOST_HOSTS;
use crate::time::{Micros, SECOND};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub holder: u8,
    pub revision: i64,
    pub lease: Option<u32>,
    /// In a record: when Patroni renewed it, by the wall clock of its host. Who writes it by hand tells no time.
    pub renewed: Option<Micros>,
}

/// A lease. Of a record, which never expires: until when no other Patroni takes it over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    pub id: u32,
    /// In true time, though etcd counts with its own clock.
    pub ends: Micros,
}

/// The claim in etcd.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    pub host: u8,
    /// A host that was booted again is another one.
    pub boot: u32,
    pub version: i64,
    /// When its lease ends, in true time; never, where others outwait it.
    pub ends: Micros,
}

/// The answer to a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    pub revision: i64,
    pub key: Option<Key>,
}

#[derive(Clone, Debug)]
pub struct Store {
    pub revision: i64,
    pub key: Option<Key>,
    pub claim: Option<Claim>,
    pub claim_version: i64,
    /// The lease of each Patroni, if any.
    pub leases: [Option<Lease>; MOST_HOSTS],
    leases_granted: u32,
    ppm: i64,
    /// A backup that etcd may be restored from.
    backup: Option<(i64, Option<Key>)>,
}

impl Store {
    pub const fn new(ppm: i64) -> Self {
        Self {
            revision: 100,
            key: None,
            claim: None,
            claim_version: 0,
            leases: [None; MOST_HOSTS],
            leases_granted: 0,
            ppm,
            backup: None,
        }
    }

    pub const fn read(&self) -> Answer {
        Answer { revision: self.revision, key: self.key }
    }

    pub fn holder(&self) -> Option<u8> {
        self.key.map(|key| key.holder)
    }

    /// Whole seconds that the lease has left, rounded down; `None` if it has ended.
    pub fn time_to_live(&self, id: u32, now: Micros) -> Option<u64> {
        let lease = self.leases.iter().flatten().find(|lease| lease.id == id)?;
        let left = lease.ends.saturating_sub(now) as i64;
        Some((left + left * self.ppm / 1_000_000) as u64 / SECOND)
    }

    /// When a lease ends that is granted or refreshed now.
    pub const fn lease_end(&self, now: Micros, ttl: Micros) -> Micros {
        now + (ttl as i128 * 1_000_000 / (1_000_000 + self.ppm) as i128) as u64
    }

    pub fn grant(&mut self, host: usize, ends: Micros) -> u32 {
        self.leases_granted += 1;
        let id = self.leases_granted;
        self.leases[host] = Some(Lease { id, ends });
        id
    }

    pub const fn put(&mut self, holder: u8, lease: Option<u32>) {
        self.revision += 1;
        self.key = Some(Key { holder, revision: self.revision, lease, renewed: None });
    }

    /// Writes the time of a renewal into the record.
    pub const fn renew(&mut self, wall: Micros) {
        self.revision += 1;
        if let Some(key) = &mut self.key {
            (key.revision, key.renewed) = (self.revision, Some(wall));
        }
    }

    pub const fn delete(&mut self) {
        self.revision += 1;
        self.key = None;
    }

    pub const fn back_up(&mut self) {
        self.backup = Some((self.revision, self.key));
    }

    /// Restores the backup with its lower revision and its leader. Its leases restart.
    pub fn restore(&mut self) -> bool {
        let Some((revision, key)) = self.backup.take() else { return false };
        let lease_lives = |id: u32| self.leases.iter().flatten().any(|lease| lease.id == id);
        self.revision = revision;
        self.key = key.filter(|key| key.lease.is_none_or(lease_lives));
        true
    }

    /// The host whose Patroni has this lease.
    pub fn owner(&self, id: u32) -> Option<usize> {
        self.leases.iter().position(|lease| lease.is_some_and(|lease| lease.id == id))
    }
}
