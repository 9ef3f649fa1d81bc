//! Carries out the actions of the plan.

use vip_manager::keeper::{Keeper, StopMode, Target};

use crate::host::{Daemon, Input};
use crate::kernel::{Notice, PREFIX, STRAY};
use crate::network::Obstacle;
use crate::plan::{Act, Hook, What, When, Whom};
use crate::queue::{Item, Part};
use crate::time::{MILLI, Micros, SECOND};
use crate::trace::Who;
use crate::world::World;

impl World {
    pub fn act(&mut self, number: u16, part: Part) {
        let act = self.plan[number as usize];
        match part {
            Part::Due => self.comes(number, act),
            Part::Begin => {
                let host = self.whom(act.whom);
                let (who, what, span) = (host + 1, act.what, act.span);
                self.trace.record(self.now, Who::Fault, || format!("pg{who} {what:?}, {} ms", span / MILLI));
                if self.begin(host, act) {
                    self.doing[number as usize] = Some(host);
                    self.queue.put(self.now + act.span, Item::Act { number, part: Part::End });
                }
            }
            Part::End => {
                if let Some(host) = self.doing[number as usize].take() {
                    let (who, what) = (host + 1, act.what);
                    self.trace.record(self.now, Who::Fault, || format!("pg{who} {what:?} is over"));
                    self.end(host, act);
                }
            }
        }
    }

    /// An event that an action may wait for.
    pub fn fire(&mut self, hook: Hook, host: usize) {
        if self.armed.is_empty() {
            return;
        }
        let mut place = 0;
        while place < self.armed.len() {
            let number = self.armed[place];
            let act = self.plan[number as usize];
            match act.when {
                When::After(awaited, delay) if awaited == hook && self.whom(act.whom) == host => {
                    self.armed.swap_remove(place);
                    self.queue.put(self.now + delay, Item::Act { number, part: Part::Begin });
                }
                When::After(..) | When::Then | When::Deadline(_) | When::LeaseEnd(_) => place += 1,
            }
        }
    }

    fn comes(&mut self, number: u16, act: Act) {
        let moment = match act.when {
            When::Then => self.now,
            When::After(..) => {
                self.armed.push(number);
                return;
            }
            When::Deadline(offset) => {
                let here = &self.hosts[self.whom(act.whom)];
                let target = here.daemon.as_ref().and_then(Daemon::keeper).map(Keeper::target);
                match target {
                    Some(Target::Held { until }) => here.clock.when(until).saturating_add_signed(offset),
                    Some(Target::Limited { .. } | Target::Released | Target::Left) | None => self.now,
                }
            }
            When::LeaseEnd(offset) => {
                let owner = self.store.key.and_then(|key| key.lease).and_then(|id| self.store.owner(id));
                let ends = owner.and_then(|owner| self.store.leases[owner]).map_or(self.now, |lease| lease.ends);
                ends.saturating_add_signed(offset)
            }
        };
        self.queue.put(moment.max(self.now), Item::Act { number, part: Part::Begin });
    }

    fn whom(&self, whom: Whom) -> usize {
        match whom {
            Whom::Leader => self.store.holder().unwrap_or(0) as usize,
            Whom::Host(host) => host as usize % self.hosts.len(),
        }
    }

    /// Begins an action. Returns whether it has an end.
    fn begin(&mut self, host: usize, act: Act) -> bool {
        match act.what {
            What::Kill { .. } | What::Stop | What::Trap(_) | What::Terminate { .. } => {
                self.strike_daemon(host, act);
                false
            }
            What::Cut { .. }
            | What::CutPath { .. }
            | What::MemberDown { .. }
            | What::Slow { .. }
            | What::Away
            | What::Election => {
                self.strike_network(host, act.what);
                true
            }
            What::LateEvents => {
                self.hosts[host].late_events += 1;
                true
            }
            What::LateNotices => {
                self.hosts[host].late_notices += 1;
                self.touch(host, 0);
                true
            }
            What::Overrun => {
                if self.hosts[host].daemon.is_some() {
                    self.hosts[host].kernel.lost_some = true;
                    self.notice(host, Notice::Gone { prefix: STRAY });
                }
                false
            }
            What::PatroniDown => {
                self.hosts[host].patroni.down += 1;
                true
            }
            What::Demote | What::Switchover | What::PutByHand | What::DeleteByHand | What::BackUp | What::Restore => {
                self.move_key(host, act.what);
                false
            }
            What::Pause { clock_jumps } => self.pause(host, clock_jumps),
            What::Crash => {
                self.crash(host);
                true
            }
            What::Flush | What::PutForever | What::PutStray => {
                self.meddle(host, act.what);
                false
            }
            What::LinkDown | What::LinkGone => {
                self.change_link(host, act.what, false);
                true
            }
            What::Refuse => {
                let here = &mut self.hosts[host];
                here.kernel.refusing += 1;
                here.record.unattended();
                self.touch(host, 0);
                true
            }
        }
    }

    fn strike_daemon(&mut self, host: usize, act: Act) {
        match act.what {
            What::Kill { clean } if self.hosts[host].daemon.is_some() => {
                self.end_daemon(host);
                self.start_later(host);
                if clean && self.hosts[host].kernel.refusing == 0 {
                    self.kernel_remove(host, PREFIX);
                    self.kernel_remove(host, STRAY);
                }
            }
            What::Stop => self.freeze(host, act.span),
            What::Trap(trap) => {
                self.hosts[host].trap.get_or_insert(trap);
            }
            What::Terminate { keep } => {
                if let Some(daemon) = &mut self.hosts[host].daemon {
                    daemon.stopping = true;
                    self.hosts[host].record.uninterrupted = false;
                    self.touch(host, 0);
                    self.deliver(host, Input::Stop(if keep { StopMode::Keep } else { StopMode::Release }));
                }
            }
            _ => {}
        }
    }

    fn strike_network(&mut self, host: usize, what: What) {
        match what {
            What::Cut { obstacle, patroni } => {
                self.hosts[host].patroni.cut += u8::from(patroni);
                self.block_all(host, obstacle);
            }
            What::CutPath { obstacle, path } => self.block(host, path as usize, obstacle),
            What::MemberDown { path } => {
                (0..self.hosts.len()).for_each(|host| self.block(host, path as usize, Obstacle::Closed));
            }
            What::Slow { low, high } => {
                for path in &mut self.hosts[host].paths {
                    path.delay = Some((low, high));
                }
                self.touch(host, 0);
            }
            What::Away | What::Election => {
                for host in 0..self.hosts.len() {
                    self.hosts[host].patroni.cut += 1;
                    self.block_all(host, Obstacle::Silence);
                }
                if what == What::Election {
                    self.extend_leases();
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, host: usize, act: Act) {
        match act.what {
            What::Cut { obstacle, patroni } => {
                self.hosts[host].patroni.cut -= u8::from(patroni);
                self.unblock_all(host, obstacle);
            }
            What::CutPath { obstacle, path } => self.unblock(host, path as usize, obstacle),
            What::MemberDown { path } => {
                for host in 0..self.hosts.len() {
                    self.unblock(host, path as usize, Obstacle::Closed);
                }
            }
            What::Slow { .. } => {
                for path in &mut self.hosts[host].paths {
                    path.delay = None;
                }
                self.touch(host, SLOW_ANSWERS);
            }
            What::Away | What::Election => {
                for host in 0..self.hosts.len() {
                    self.hosts[host].patroni.cut -= 1;
                    self.unblock_all(host, Obstacle::Silence);
                }
            }
            What::LateEvents => self.hosts[host].late_events -= 1,
            What::LateNotices => {
                self.hosts[host].late_notices -= 1;
                self.touch(host, LATE_NOTICES);
            }
            What::PatroniDown => {
                self.hosts[host].patroni.down -= 1;
                self.queue.put(self.now + SECOND, Item::Patroni { host: host as u8 });
                // It renews no sooner.
                self.touch(host, SECOND);
            }
            What::Pause { .. } => self.resume(host),
            What::Crash => {
                let here = &mut self.hosts[host];
                here.off -= 1;
                here.patroni.down -= 1;
                let life = here.life;
                self.queue.put(self.now + SECOND, Item::Start { host: host as u8, life });
                self.queue.put(self.now + 2 * SECOND, Item::Patroni { host: host as u8 });
            }
            What::LinkDown | What::LinkGone => self.change_link(host, act.what, true),
            What::Refuse => {
                self.hosts[host].kernel.refusing -= 1;
                self.touch(host, 0);
            }
            What::Kill { .. }
            | What::Stop
            | What::Trap(_)
            | What::Terminate { .. }
            | What::Overrun
            | What::Demote
            | What::Switchover
            | What::PutByHand
            | What::DeleteByHand
            | What::BackUp
            | What::Restore
            | What::Flush
            | What::PutForever
            | What::PutStray => {}
        }
    }
}

const SLOW_ANSWERS: Micros = 4 * SECOND;
const LATE_NOTICES: Micros = 3 * SECOND;
