//! The daemon's process: started, ended, stopped by a signal, or caught between two steps of a turn.

use std::collections::VecDeque;

use vip_manager::driver::Turn;
use vip_manager::keeper::Limits;

use crate::claims::SOON;
use crate::host::{Claiming, Daemon, Input, Place, Source};
use crate::kernel::Mirror;
use crate::queue::{Alarm, Item, MEMBERS};
use crate::time::{MILLI, NEVER};
use crate::trace::Who;
use crate::world::World;

impl World {
    pub fn start_daemon(&mut self, host: usize) {
        let now = self.now;
        let here = &mut self.hosts[host];
        here.life += 1;
        let began = here.clock.moment(now);
        let limits = Limits { hold_timeout: self.vip.hold_timeout, lease_margin: self.vip.lease_margin };
        let dice = self.latency.rng.draw();
        let mut turn = Turn::new(self.setup.pace(), self.latency.rng.draw());
        let vip = turn.add(self.vip.clone());
        here.kernel.notices.clear();
        here.kernel.lost_some = false;
        here.daemon = Some(Daemon {
            turn,
            vip,
            mirror: Mirror::listed(&here.kernel, here.clock, now),
            source: Source::new(&self.members, limits, began, dice),
            claiming: Claiming::new(host, here.boot, &self.setup),
            frozen: false,
            began: None,
            rest: None,
            inbox: VecDeque::new(),
            stopping: false,
            notices_due: false,
            spins: 0,
        });
        here.record.forget();
        self.trace.record(now, Who::Daemon(host), || "started".to_owned());
        for path in 0..MEMBERS {
            let way = &mut self.hosts[host].paths[path];
            way.epoch += 1;
            way.parked.clear();
            way.reopening = true;
            way.watching = false;
            let epoch = way.epoch;
            let at = now + self.latency.moment(50 * MILLI);
            self.queue.put(at, Item::Reopen { host: host as u8, path: path as u8, epoch });
        }
        self.set_tick(host);
        self.deliver(host, Input::Notices);
        self.touch(host, 0);
    }

    /// The process ends at once.
    pub fn end_daemon(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        here.daemon = None;
        here.life += 1;
        here.record.unattended();
        self.queue.set(Alarm::Keeper, host, NEVER);
        self.queue.set(Alarm::Tick, host, NEVER);
        self.queue.set(Alarm::Claim, host, NEVER);
        self.touch(host, 0);
    }

    pub fn freeze(&mut self, host: usize, span: u64) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        if daemon.frozen {
            return;
        }
        daemon.frozen = true;
        here.record.unattended();
        let life = here.life;
        self.queue.put(self.now + span, Item::Continue { host: host as u8, life });
        self.touch(host, 0);
    }

    pub fn proceed(&mut self, host: usize, life: u32) {
        let here = &mut self.hosts[host];
        if here.life != life {
            return;
        }
        let Some(daemon) = &mut here.daemon else { return };
        daemon.frozen = false;
        // The promise does not cover two stops within one request.
        here.trap = None;
        self.trace.record(self.now, Who::Daemon(host), || "continues".to_owned());
        self.touch(host, 0);
        self.resume_turn(host);
        self.deliver(host, Input::Time);
        self.work_off(host);
        if self.hosts[host].runs() {
            self.queue.set(Alarm::Claim, host, self.now + SOON);
            self.queue.set(Alarm::Tick, host, self.now + 1);
        }
    }

    /// Stops or kills the process here, if this is the place.
    pub fn is_caught(&mut self, host: usize, place: Place) -> bool {
        let here = &mut self.hosts[host];
        let Some(trap) = here.trap.as_mut().filter(|trap| trap.place == place) else { return false };
        if trap.passes > 0 {
            trap.passes -= 1;
            return false;
        }
        let stop = trap.stop;
        here.trap = None;
        if let Some(span) = stop {
            self.trace.record(self.now, Who::Fault, || {
                format!("pg{} daemon stopped at {place} for {} ms", host + 1, span / MILLI)
            });
            self.freeze(host, span);
        } else {
            self.trace.record(self.now, Who::Fault, || format!("pg{} daemon killed at {place}", host + 1));
            self.end_daemon(host);
            self.start_later(host);
        }
        true
    }

    pub fn start_later(&mut self, host: usize) {
        let life = self.hosts[host].life;
        let later = match self.latency.rng.below(3) {
            0 => self.latency.rng.within(50 * MILLI, 2_000 * MILLI),
            1 => self.latency.rng.within(2_000 * MILLI, 15_000 * MILLI),
            _ => self.latency.rng.within(15_000 * MILLI, 90_000 * MILLI),
        };
        self.queue.put(self.now + later, Item::Start { host: host as u8, life });
    }
}
