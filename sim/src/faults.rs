//! The faults of the network, the key, the machine and its addresses.

use vip_manager::keeper::Link;
use vip_manager::vip::Mac;

use crate::claims::SOON;
use crate::host::{Input, Pause};
use crate::kernel::{Address, Notice, PREFIX, STRAY};
use crate::network::Obstacle;
use crate::plan::What;
use crate::queue::{Alarm, Item, MEMBERS};
use crate::setup::{Bound, Setup};
use crate::store::Store;
use crate::time::{MILLI, Micros, NEVER, SECOND};
use crate::trace::Who;
use crate::world::World;

impl World {
    // The network

    pub fn block(&mut self, host: usize, path: usize, obstacle: Obstacle) {
        let way = &mut self.hosts[host].paths[path];
        way.place(obstacle, self.now);
        if obstacle == Obstacle::Closed {
            way.epoch += 1;
            way.parked.clear();
            way.since = 0;
            self.lose_session(host);
        }
        self.hedge_later(host);
        self.touch(host, 0);
    }

    pub fn unblock(&mut self, host: usize, path: usize, obstacle: Obstacle) {
        if self.hosts[host].paths[path].clear(obstacle) {
            self.heal(host, path);
            self.touch(host, RETRANSMISSION);
        }
    }

    pub fn block_all(&mut self, host: usize, obstacle: Obstacle) {
        (0..MEMBERS).for_each(|path| self.block(host, path, obstacle));
    }

    pub fn unblock_all(&mut self, host: usize, obstacle: Obstacle) {
        (0..MEMBERS).for_each(|path| self.unblock(host, path, obstacle));
    }

    // The key

    pub fn move_key(&mut self, host: usize, what: What) {
        match what {
            What::Demote | What::Switchover => {
                let Some(leader) = self.store.holder() else { return };
                let patroni = &mut self.hosts[leader as usize].patroni;
                if patroni.down + patroni.cut > 0 || !patroni.leads {
                    return;
                }
                patroni.leads = false;
                self.change(Store::delete, "given up by its Patroni");
                let heir = (leader as usize + 1 + host) % self.hosts.len();
                let at = self.now + self.latency.moment(20 * MILLI);
                if what == What::Switchover && heir != leader as usize {
                    self.queue.put(at, Item::Patroni { host: heir as u8 });
                }
            }
            What::PutByHand => {
                let heir = self.latency.rng.below(self.hosts.len() as u64) as u8;
                // What is written into a record the other Patronis leave alone for as long as a renewal.
                let lease = (self.setup.bound == Bound::Record).then(|| {
                    let ends = self.store.lease_end(self.now, self.setup.ttl);
                    self.queue.set(Alarm::Lease, heir as usize, ends);
                    self.store.grant(heir as usize, ends)
                });
                self.change(|store| store.put(heir, lease), "written by hand");
            }
            What::DeleteByHand if self.store.key.is_some() => self.change(Store::delete, "deleted by hand"),
            What::BackUp => self.store.back_up(),
            What::Restore => self.restore(),
            _ => {}
        }
    }

    fn restore(&mut self) {
        let before = self.store.key;
        if !self.store.restore() {
            return;
        }
        self.restored_at = self.now;
        let after = self.store.holder();
        let revision = self.store.revision;
        self.trace.record(self.now, Who::Etcd, || {
            format!("restored from a backup: key names {}, revision {revision}", crate::trace::name(after))
        });
        self.judge_change(before, after);
        self.extend_leases();
        for host in 0..self.hosts.len() {
            for path in 0..MEMBERS {
                self.reopen(host, path);
            }
            self.touch(host, RETRANSMISSION);
        }
    }

    // The machine

    pub fn pause(&mut self, host: usize, clock_jumps: bool) -> bool {
        let here = &mut self.hosts[host];
        if here.pause.is_some() {
            return false;
        }
        here.record.uninterrupted = false;
        here.pause = Some(Pause { since: self.now, clock_jumps, missed: Vec::new() });
        for alarm in [Alarm::Keeper, Alarm::Tick, Alarm::Claim, Alarm::Expiry, Alarm::Patroni] {
            self.queue.set(alarm, host, NEVER);
        }
        self.touch(host, 0);
        true
    }

    pub fn crash(&mut self, host: usize) {
        self.end_daemon(host);
        let here = &mut self.hosts[host];
        here.off += 1;
        here.boot += 1;
        here.patroni.down += 1;
        here.kernel.main = None;
        here.kernel.stray = None;
        self.queue.set(Alarm::Expiry, host, NEVER);
    }

    pub fn resume(&mut self, host: usize) {
        let now = self.now;
        let here = &mut self.hosts[host];
        let Some(pause) = here.pause.take() else { return };
        if !pause.clock_jumps {
            here.clock.stood_still(pause.since, now);
        }
        // The kernel counts lifetimes in the time that the machine runs.
        if let Some(main) = here.kernel.main.as_mut().filter(|main| main.ends != NEVER) {
            main.ends = if here.kernel.lingering { now + MILLI } else { main.ends + (now - pause.since) };
            self.queue.set(Alarm::Expiry, host, main.ends.max(now + 1));
        }
        for item in pause.missed {
            self.queue.put(now + 1, item);
        }
        self.queue.set(Alarm::Patroni, host, now + self.latency.moment(SECOND));
        if self.hosts[host].runs() {
            self.deliver(host, Input::Time);
            self.work_off(host);
            self.queue.set(Alarm::Tick, host, now + 1);
            self.queue.set(Alarm::Claim, host, now + SOON);
        }
        // If the clock shows the pause and the daemon runs, it acts immediately.
        let here = &self.hosts[host];
        let acts_at_once = pause.clock_jumps && here.runs() && here.kernel.refusing == 0;
        // Where the clock stood still, what was proved of the lease is older than it seems for a hold-timeout.
        let lifetimes = if pause.clock_jumps { 1 } else { 2 };
        let kernel = Setup::at_most(lifetimes * self.setup.hold) + KERNEL_LATENESS;
        let grace = if acts_at_once { now } else { now + kernel };
        // The age of a record is counted by that clock until it is renewed.
        let by_record = self.setup.bound == Bound::Record && !pause.clock_jumps;
        let grace = if by_record { grace.max(now + Setup::at_most(self.setup.ttl) + KERNEL_LATENESS) } else { grace };
        // An earlier pause may still excuse it, because its clock has not caught up.
        let record = &mut self.hosts[host].record;
        let before = if record.grace > pause.since { record.grace + (now - pause.since) } else { 0 };
        record.grace = grace.max(before);
        record.grace_unattended = now + kernel;
        // Nor is the wait for the next attempt over.
        record.refused_at += if record.refused_at > 0 { now - pause.since } else { 0 };
        self.touch(host, RETRANSMISSION);
    }

    // The address and the interface

    pub fn meddle(&mut self, host: usize, what: What) {
        let kernel = &mut self.hosts[host].kernel;
        if kernel.link.is_none() || self.hosts[host].pause.is_some() {
            return;
        }
        let foreign = Some(Address { ends: NEVER, foreign: true });
        self.hosts[host].record.uninterrupted = false;
        let kernel = &mut self.hosts[host].kernel;
        match what {
            What::Flush => self.flush(host),
            What::PutForever => {
                kernel.main = foreign;
                self.queue.set(Alarm::Expiry, host, NEVER);
                self.notice(host, Notice::Present { prefix: PREFIX, seconds: None });
            }
            _ => {
                kernel.stray = foreign;
                self.notice(host, Notice::Present { prefix: STRAY, seconds: None });
            }
        }
        self.touch(host, CONTEST);
    }

    fn flush(&mut self, host: usize) {
        self.queue.set(Alarm::Expiry, host, NEVER);
        let kernel = &mut self.hosts[host].kernel;
        let (main, stray) = (kernel.main.take(), kernel.stray.take());
        for (address, prefix) in [(main, PREFIX), (stray, STRAY)] {
            if address.is_some() {
                self.notice(host, Notice::Gone { prefix });
            }
        }
    }

    pub fn change_link(&mut self, host: usize, what: What, back: bool) {
        self.hosts[host].record.uninterrupted = false;
        let link = match (what, back) {
            (What::LinkDown, _) => self.hosts[host].kernel.link.map(|link| Link { up: back, ..link }),
            (_, false) => {
                self.flush(host);
                self.hosts[host].links += 1;
                None
            }
            // Of two removals that overlap, the first to end brings the interface back.
            (_, true) => self.hosts[host].kernel.link.or_else(|| {
                let index = 2 + u32::from(self.hosts[host].links);
                Some(Link { index, up: true, mac: Some(Mac([2, 0, 0, 0, 0, index as u8])) })
            }),
        };
        self.hosts[host].kernel.link = link;
        self.notice(host, Notice::Link(link));
        self.touch(host, CONTEST);
    }
}

/// The delay of a TCP retransmission.
const RETRANSMISSION: Micros = 2_500 * MILLI;
const CONTEST: Micros = SECOND;
const KERNEL_LATENESS: Micros = 2_200 * MILLI;
