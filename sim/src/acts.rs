//! Carries out what is planned.

use vip_manager::keeper::{Farewell, Link, Target};
use vip_manager::vip::Mac;

use crate::agenda::{Alarm, Item, MEMBERS};
use crate::host::{Input, Pause};
use crate::kernel::{Address, Notice, PREFIX, STRAY};
use crate::network::Obstacle;
use crate::oracle::LONGEST_BACKOFF;
use crate::plan::{Act, Hook, What, When, Whom};
use crate::setup::Setup;
use crate::store::Store;
use crate::story::Who;
use crate::time::{MILLI, Micros, NEVER, SECOND};
use crate::world::World;

/// An act has come, is to be done, or is over.
pub const COMES: u8 = 0;
pub const DONE: u8 = 1;
pub const OVER: u8 = 2;

impl World {
    pub fn act(&mut self, number: u16, part: u8) {
        let act = self.plan[number as usize];
        match part {
            COMES => self.comes(number, act),
            DONE => {
                let host = self.whom(act.whom);
                let (who, what, span) = (host + 1, act.what, act.span);
                self.story.tell(self.now, Who::Fault, || format!("pg{who} {what:?}, {} ms", span / MILLI));
                if self.begin(host, act) {
                    self.doing[number as usize] = Some(host);
                    self.agenda.put(self.now + act.span, Item::Act { number, part: OVER });
                }
            }
            _ => {
                if let Some(host) = self.doing[number as usize].take() {
                    let (who, what) = (host + 1, act.what);
                    self.story.tell(self.now, Who::Fault, || format!("pg{who} {what:?} is over"));
                    self.end(host, act);
                }
            }
        }
    }

    /// Something happened that an act may wait for.
    pub fn told(&mut self, hook: Hook, host: usize) {
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
                    self.agenda.put(self.now + delay, Item::Act { number, part: DONE });
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
                let target = here.daemon.as_ref().map(|daemon| daemon.keeper.target());
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
        self.agenda.put(moment.max(self.now), Item::Act { number, part: DONE });
    }

    fn whom(&self, whom: Whom) -> usize {
        match whom {
            Whom::Leader => self.store.holder().unwrap_or(0) as usize,
            Whom::Host(host) => host as usize % self.hosts.len(),
        }
    }

    /// Begins it; whether it has an end.
    fn begin(&mut self, host: usize, act: Act) -> bool {
        match act.what {
            What::Kill { clean } => {
                if self.hosts[host].daemon.is_some() {
                    self.end_daemon(host);
                    self.start_later(host);
                    if clean && self.hosts[host].kernel.refusing == 0 {
                        self.kernel_remove(host, PREFIX);
                        self.kernel_remove(host, STRAY);
                    }
                }
                false
            }
            What::Stop => {
                self.freeze(host, act.span);
                false
            }
            What::Trap(trap) => {
                self.hosts[host].trap.get_or_insert(trap);
                false
            }
            What::Terminate { keep } => {
                if let Some(daemon) = &mut self.hosts[host].daemon {
                    daemon.stopping = true;
                    self.hosts[host].record.uninterrupted = false;
                    self.touch(host, 0);
                    self.deliver(host, Input::Stop(if keep { Farewell::Keep } else { Farewell::Release }));
                }
                false
            }
            What::Cut { obstacle, patroni } => {
                self.hosts[host].patroni.cut += u8::from(patroni);
                self.block_all(host, obstacle);
                true
            }
            What::CutPath { obstacle, path } => {
                self.block(host, path as usize, obstacle);
                true
            }
            What::MemberDown { path } => {
                for host in 0..self.hosts.len() {
                    self.block(host, path as usize, Obstacle::Closed);
                }
                true
            }
            What::Slow { low, high } => {
                for path in &mut self.hosts[host].paths {
                    path.delay = Some((low, high));
                }
                self.touch(host, 0);
                true
            }
            What::Away | What::Election => {
                for host in 0..self.hosts.len() {
                    self.hosts[host].patroni.cut += 1;
                    self.block_all(host, Obstacle::Silence);
                }
                if act.what == What::Election {
                    self.extend_leases();
                }
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
            What::Pause { clock_jumps } => {
                let here = &mut self.hosts[host];
                if here.pause.is_some() {
                    return false;
                }
                here.record.uninterrupted = false;
                here.pause = Some(Pause { since: self.now, clock_jumps, missed: Vec::new() });
                for alarm in [Alarm::Keeper, Alarm::Tick, Alarm::Expiry, Alarm::Patroni] {
                    self.agenda.set(alarm, host, NEVER);
                }
                self.touch(host, 0);
                true
            }
            What::Crash => {
                self.end_daemon(host);
                let here = &mut self.hosts[host];
                here.off += 1;
                here.patroni.down += 1;
                here.kernel.main = None;
                here.kernel.stray = None;
                self.agenda.set(Alarm::Expiry, host, NEVER);
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
                here.record.uninterrupted = false;
                self.touch(host, 0);
                true
            }
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
                self.agenda.put(self.now + SECOND, Item::Patroni { host: host as u8 });
            }
            What::Pause { .. } => self.resume(host),
            What::Crash => {
                let here = &mut self.hosts[host];
                here.off -= 1;
                here.patroni.down -= 1;
                let life = here.life;
                self.agenda.put(self.now + SECOND, Item::Start { host: host as u8, life });
                self.agenda.put(self.now + 2 * SECOND, Item::Patroni { host: host as u8 });
            }
            What::LinkDown | What::LinkGone => self.change_link(host, act.what, true),
            What::Refuse => {
                self.hosts[host].kernel.refusing -= 1;
                self.touch(host, LONGEST_BACKOFF);
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

    // The network

    fn block(&mut self, host: usize, path: usize, obstacle: Obstacle) {
        let way = &mut self.hosts[host].paths[path];
        way.place(obstacle, self.now);
        if obstacle == Obstacle::Closed {
            way.epoch += 1;
            way.parked.clear();
            way.since = 0;
        }
        self.touch(host, 0);
    }

    fn unblock(&mut self, host: usize, path: usize, obstacle: Obstacle) {
        if self.hosts[host].paths[path].clear(obstacle) {
            self.heal(host, path);
            self.touch(host, RETRANSMISSION);
        }
    }

    fn block_all(&mut self, host: usize, obstacle: Obstacle) {
        (0..MEMBERS).for_each(|path| self.block(host, path, obstacle));
    }

    fn unblock_all(&mut self, host: usize, obstacle: Obstacle) {
        (0..MEMBERS).for_each(|path| self.unblock(host, path, obstacle));
    }

    // The key

    fn move_key(&mut self, host: usize, what: What) {
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
                let at = self.now + self.weather.moment(20 * MILLI);
                if what == What::Switchover && heir != leader as usize {
                    self.agenda.put(at, Item::Patroni { host: heir as u8 });
                }
            }
            What::PutByHand => {
                let heir = self.weather.rng.below(self.hosts.len() as u64) as u8;
                self.change(|store| store.put(heir, None), "written by hand");
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
        self.story.tell(self.now, Who::Etcd, || {
            format!("restored from a backup: key names {}, revision {revision}", crate::story::name(after))
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

    fn resume(&mut self, host: usize) {
        let now = self.now;
        let here = &mut self.hosts[host];
        let Some(pause) = here.pause.take() else { return };
        if !pause.clock_jumps {
            here.clock.stood_still(pause.since, now);
        }
        // The kernel counts lifetimes by the time that the machine runs.
        if let Some(main) = here.kernel.main.as_mut().filter(|main| main.ends != NEVER) {
            main.ends = if here.kernel.lingering { now + MILLI } else { main.ends + (now - pause.since) };
            self.agenda.set(Alarm::Expiry, host, main.ends.max(now + 1));
        }
        for item in pause.missed {
            self.agenda.put(now + 1, item);
        }
        self.agenda.set(Alarm::Patroni, host, now + self.weather.moment(SECOND));
        if self.hosts[host].runs() {
            self.deliver(host, Input::Time);
            self.work_off(host);
            self.agenda.set(Alarm::Tick, host, now + 1);
        }
        // Where the clock shows the pause and the daemon is there to look, it acts at once.
        let here = &self.hosts[host];
        let acts_at_once = pause.clock_jumps && here.runs() && here.kernel.refusing == 0;
        let kernel = Setup::at_most(self.setup.hold) + KERNEL_LATENESS;
        let grace = if acts_at_once { now } else { now + kernel };
        // An earlier pause may excuse it still: its clock has not caught up.
        let record = &mut self.hosts[host].record;
        let before = if record.grace > pause.since { record.grace + (now - pause.since) } else { 0 };
        record.grace = grace.max(before);
        record.grace_unattended = now + kernel;
        self.touch(host, RETRANSMISSION);
    }

    // The address and the interface

    fn meddle(&mut self, host: usize, what: What) {
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
                self.agenda.set(Alarm::Expiry, host, NEVER);
                self.notice(host, Notice::Stands { prefix: PREFIX, seconds: None });
            }
            _ => {
                kernel.stray = foreign;
                self.notice(host, Notice::Stands { prefix: STRAY, seconds: None });
            }
        }
        self.touch(host, CONTEST);
    }

    fn flush(&mut self, host: usize) {
        self.agenda.set(Alarm::Expiry, host, NEVER);
        let kernel = &mut self.hosts[host].kernel;
        let (main, stray) = (kernel.main.take(), kernel.stray.take());
        for (address, prefix) in [(main, PREFIX), (stray, STRAY)] {
            if address.is_some() {
                self.notice(host, Notice::Gone { prefix });
            }
        }
    }

    fn change_link(&mut self, host: usize, what: What, back: bool) {
        let index = self.hosts[host].kernel.link.map_or(2, |link| link.index);
        self.hosts[host].record.uninterrupted = false;
        let link = |index, up| Some(Link { index, up, mac: Some(Mac([2, 0, 0, 0, 0, index as u8])) });
        let link = match (what, back) {
            (What::LinkDown, _) => self.hosts[host].kernel.link.map(|link| Link { up: back, ..link }),
            (_, false) => {
                self.flush(host);
                self.hosts[host].links += 1;
                None
            }
            (_, true) => link(index + u32::from(self.hosts[host].links), true),
        };
        self.hosts[host].kernel.link = link;
        self.notice(host, Notice::Link(link));
        self.touch(host, CONTEST);
    }
}

const SLOW_ANSWERS: Micros = 4 * SECOND;
const LATE_NOTICES: Micros = 3 * SECOND;
const RETRANSMISSION: Micros = 2_500 * MILLI;
const CONTEST: Micros = SECOND;
const KERNEL_LATENESS: Micros = 2_200 * MILLI;
