//! The source's contract, as the shipped source keeps it: a read every interval, another member asked when the first
//! does not answer, a read after every change, one report of blindness a silence, sessions that begin with a read.

use vip_manager::keeper::State;

use crate::host::{Call, Input, Left, Purpose, Reading};
use crate::plan::Hook;
use crate::queue::{Alarm, Item, MEMBERS};
use crate::store::Store;
use crate::time::{MILLI, Micros};
use crate::trace::Who;
use crate::world::World;

impl World {
    pub fn tick(&mut self, host: usize) {
        let interval = self.setup.interval;
        let now = self.now;
        let here = &mut self.hosts[host];
        if !here.runs() {
            return;
        }
        let Some(daemon) = &mut here.daemon else { return };
        let source = &mut daemon.source;
        source.silent_rounds = if source.answers == 0 { source.silent_rounds.saturating_add(1) } else { 0 };
        source.answers = 0;
        let unreachable = source.silent_rounds >= SILENT_ROUNDS && !std::mem::take(&mut source.told_unreachable);
        source.round += 1;
        source.asked[0] = 0;
        source.answered[0] = false;
        let local = here.clock.local(now);
        let next = here.clock.when_local(local + interval);
        self.queue.set(Alarm::Tick, host, next);
        if unreachable {
            self.deliver(host, Input::Unreachable);
        }
        self.ask_somebody(host, Purpose::Round, None);
    }

    /// Asks one more member, for the round or the change that is under way.
    pub fn ask_somebody(&mut self, host: usize, purpose: Purpose, wanted: Option<u8>) {
        let (now, limit) = (self.now, self.setup.call_limit());
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        let slot = usize::from(purpose == Purpose::Change);
        let asked = daemon.source.asked[slot];
        let turn = daemon.source.turn;
        let order = wanted.into_iter().chain((0..MEMBERS as u8).map(|step| (turn + step) % MEMBERS as u8));
        let mut pick = None;
        for path in order.filter(|path| asked & (1 << path) == 0) {
            let way = &here.paths[path as usize];
            let free = purpose != Purpose::Round || way.busy_until <= now;
            if free && way.in_session(now, limit) {
                if !way.suspect {
                    pick = Some(path);
                    break;
                }
                pick = pick.or(Some(path));
            }
        }
        let Some(path) = pick else {
            let nobody = here.paths.iter().all(|path| !path.in_session(now, limit));
            if purpose == Purpose::Round && nobody && !daemon.source.told_unreachable && daemon.source.answers == 0 {
                daemon.source.told_unreachable = true;
                self.deliver(host, Input::Unreachable);
            }
            return;
        };
        daemon.source.asked[slot] |= 1 << path;
        if purpose == Purpose::Round {
            daemon.source.turn = (path + 1) % MEMBERS as u8;
            here.paths[path as usize].busy_until = now + limit;
        }
        self.ask(host, path, purpose);
    }

    /// Sends one read: a transaction, and the question for the lease beside it where the lease is known.
    pub fn ask(&mut self, host: usize, path: u8, purpose: Purpose) {
        let now = self.now;
        let here = &mut self.hosts[host];
        let life = here.life;
        let Some(daemon) = &mut here.daemon else { return };
        let number = match purpose {
            Purpose::Round => daemon.source.round,
            Purpose::Change | Purpose::First => daemon.source.errand,
        };
        let way = &here.paths[path as usize];
        let lease = daemon.source.lease;
        let call = here.calls.begin(Call {
            life,
            path,
            epoch: way.epoch,
            purpose,
            number,
            sent: here.clock.moment(now),
            sent_at: now,
            served_at: now,
            answer: None,
            lease,
            lease_apart: false,
            left: None,
        });
        let there = self.latency.one_way(way.delay);
        let host8 = host as u8;
        self.queue.put(now + there, Item::Serve { host: host8, call });
        if let Some(lease) = lease.filter(|_| self.latency.one_in(8)) {
            here.calls.one(call).lease_apart = true;
            let apart = self.latency.one_way(way.delay);
            self.queue.put(now + apart, Item::ServeLease { host: host8, call, lease });
        }
        if purpose != Purpose::First && (way.blocked() || way.delay.is_some()) {
            let hedge = HEDGE.min(self.setup.interval / 3);
            let change = purpose == Purpose::Change;
            self.queue.put(now + hedge, Item::Hedge { host: host8, life, round: number, change });
        }
        self.told(Hook::Sent, host);
    }

    pub fn hedge(&mut self, host: usize, life: u32, round: u32, change: bool) {
        let here = &mut self.hosts[host];
        if here.life != life || !here.runs() {
            return;
        }
        let Some(daemon) = &here.daemon else { return };
        let slot = usize::from(change);
        let current = if change { daemon.source.errand } else { daemon.source.round };
        if current == round && !daemon.source.answered[slot] {
            for path in 0..MEMBERS {
                if daemon.source.asked[slot] & (1 << path) != 0 {
                    here.paths[path].suspect = true;
                }
            }
            self.ask_somebody(host, if change { Purpose::Change } else { Purpose::Round }, None);
        }
    }

    /// The request has arrived at etcd.
    pub fn serve(&mut self, host: usize, number: u32) {
        let now = self.now;
        if !self.passes(host, number, Item::Serve { host: host as u8, call: number }, true) {
            return;
        }
        let here = &mut self.hosts[host];
        let call = here.calls.one(number);
        let answer = self.store.read();
        call.answer = Some(answer);
        call.served_at = now;
        let complete = match answer.key.filter(|key| key.holder as usize == host).and_then(|key| key.lease) {
            None => true,
            Some(id) if call.lease == Some(id) && call.lease_apart => call.left.is_some(),
            Some(id) if call.lease == Some(id) => {
                call.left = Some(seconds_left(&self.store, id, now));
                true
            }
            Some(id) => {
                // It is asked for only when the answer shows which lease it is.
                call.lease = Some(id);
                call.lease_apart = true;
                call.left = None;
                let delay = here.paths[call.path as usize].delay;
                let there = self.latency.one_way(delay) + self.latency.one_way(delay);
                self.queue.put(now + there, Item::ServeLease { host: host as u8, call: number, lease: id });
                false
            }
        };
        if complete {
            self.answer_later(host, number);
        }
        self.told(Hook::Served, host);
    }

    /// The question for the lease has arrived at etcd.
    pub fn serve_lease(&mut self, host: usize, number: u32, lease: u32) {
        let here = &mut self.hosts[host];
        let call = here.calls.one(number);
        if !call.lease_apart || call.lease != Some(lease) || call.left.is_some() {
            return;
        }
        let reaches = here.paths[call.path as usize].reaches();
        let lost = !reaches || self.latency.one_in(32);
        call.left = Some(if lost { Left::Unknown } else { seconds_left(&self.store, lease, self.now) });
        if call.answer.is_some() {
            self.answer_later(host, number);
        }
    }

    fn answer_later(&mut self, host: usize, number: u32) {
        let here = &mut self.hosts[host];
        let way = &here.paths[here.calls.one(number).path as usize];
        let back = self.latency.one_way(way.delay);
        self.queue.put(self.now + back, Item::Answer { host: host as u8, call: number });
    }

    /// The answer has arrived at the host.
    pub fn answer(&mut self, host: usize, number: u32) {
        let now = self.now;
        if !self.passes(host, number, Item::Answer { host: host as u8, call: number }, false) {
            return;
        }
        let here = &mut self.hosts[host];
        let call = here.calls.end(number);
        let Some(daemon) = here.daemon.as_mut().filter(|_| here.life == call.life) else { return };
        let way = &mut here.paths[call.path as usize];
        let limit = self.setup.call_limit();
        // What comes after its limit is dropped, unless the process was not there to notice the limit.
        if now > call.sent_at + limit && !daemon.frozen && !self.latency.one_in(8) {
            if call.purpose == Purpose::First {
                self.reopen(host, call.path as usize);
            }
            return;
        }
        let Some(answer) = call.answer else { return };
        let ours = answer.key.filter(|key| key.holder as usize == host);
        let left = match ours.map(|key| key.lease) {
            Some(Some(_)) => call.left.unwrap_or(Left::Unknown),
            Some(None) | None => Left::NoLease,
        };
        way.suspect = false;
        way.busy_until = 0;
        let source = &mut daemon.source;
        source.answers += 1;
        match call.purpose {
            Purpose::Round if source.round == call.number => source.answered[0] = true,
            Purpose::Change if source.errand == call.number => source.answered[1] = true,
            Purpose::First => {
                source.heard = source.heard.min(answer.revision);
                way.watching = true;
                let parked = std::mem::take(&mut way.parked);
                // The watch begins after what was read.
                let news = |item: &Item| matches!(item, Item::Event { revision, .. } if *revision > answer.revision);
                for item in parked.into_iter().filter(news) {
                    self.queue.put(now + 1, item);
                }
            }
            Purpose::Round | Purpose::Change => {}
        }
        source.lease = ours.and_then(|key| key.lease);
        let reading = Reading {
            path: call.path,
            answer,
            left,
            sent: call.sent,
            sent_at: call.sent_at,
            served_at: call.served_at,
        };
        self.deliver(host, Input::Read(reading));
        self.told(Hook::Answered, host);
    }

    /// Whether what travels gets through; else it waits for the silence to end, or is lost with its connection.
    fn passes(&mut self, host: usize, number: u32, item: Item, outward: bool) -> bool {
        let here = &mut self.hosts[host];
        let call = *here.calls.one(number);
        let way = &mut here.paths[call.path as usize];
        let stale = way.epoch != call.epoch || way.closed > 0;
        let held = if outward { way.silent > 0 } else { way.silent + way.deaf > 0 };
        if stale {
            here.calls.end(number);
            return false;
        }
        if held {
            way.parked.push(item);
            return false;
        }
        true
    }

    // Watches

    /// Every watch that is there will speak of the change that was just made.
    pub fn publish(&mut self) {
        let (holder, revision) = (self.store.holder(), self.store.revision);
        for host in 0..self.hosts.len() {
            for path in 0..MEMBERS {
                let way = &self.hosts[host].paths[path];
                if way.closed > 0 || way.reopening {
                    continue;
                }
                let slow = way.delay.map_or(0, |_| self.latency.one_way(way.delay));
                let mut lag = self.latency.event_lag() + slow;
                if self.hosts[host].late_events > 0 {
                    if self.latency.one_in(2) {
                        continue;
                    }
                    lag += self.latency.moment(6_000 * MILLI);
                }
                self.send_event(host, path, lag, holder, revision, false);
            }
        }
    }

    fn send_event(&mut self, host: usize, path: usize, lag: Micros, holder: Option<u8>, revision: i64, again: bool) {
        let here = &mut self.hosts[host];
        let way = &mut here.paths[path];
        let at = (self.now + lag).max(way.last_event);
        way.last_event = at;
        let (host, path, epoch) = (host as u8, path as u8, way.epoch);
        self.queue.put(at, Item::Event { host, path, epoch, holder, revision, again });
    }

    pub fn event(&mut self, item: Item) {
        let Item::Event { host, path, epoch, holder, revision, again } = item else { return };
        let here = &mut self.hosts[host as usize];
        let way = &mut here.paths[path as usize];
        if here.daemon.is_none() || way.epoch != epoch || way.closed > 0 || way.reopening {
            return;
        }
        if way.silent + way.deaf > 0 || !way.watching {
            way.parked.push(item);
            return;
        }
        self.deliver(host as usize, Input::Changed { path, holder, revision, again });
        self.told(Hook::Event, host as usize);
    }

    /// The change is news: the driver is told, and a read follows through the member that said so.
    pub fn heard(&mut self, host: usize, revision: i64, again: bool) -> bool {
        let Some(daemon) = &mut self.hosts[host].daemon else { return false };
        let news = revision > daemon.source.heard;
        daemon.source.heard = daemon.source.heard.max(revision);
        news || again
    }

    pub fn read_after(&mut self, host: usize, path: u8) {
        if let Some(daemon) = &mut self.hosts[host].daemon {
            daemon.source.errand += 1;
            daemon.source.asked[1] = 0;
            daemon.source.answered[1] = false;
            self.ask_somebody(host, Purpose::Change, Some(path));
        }
    }

    // Sessions

    /// What lay on the way is gone. A short silence delays, a long one costs the session.
    pub fn heal(&mut self, host: usize, path: usize) {
        let (now, limit) = (self.now, self.setup.call_limit());
        let way = &mut self.hosts[host].paths[path];
        let parked = std::mem::take(&mut way.parked);
        if now < way.since.saturating_add(limit) && !way.reopening {
            // TCP sends again after a while, everything in its order.
            let mut at = now + self.latency.moment(900 * MILLI);
            for item in parked {
                at += self.latency.moment(200);
                self.queue.put(at, item);
            }
            return;
        }
        self.reopen(host, path);
    }

    /// The session is given up, and a new one is made in a while.
    pub fn reopen(&mut self, host: usize, path: usize) {
        let way = &mut self.hosts[host].paths[path];
        way.parked.clear();
        way.epoch += 1;
        way.reopening = true;
        way.watching = false;
        way.busy_until = 0;
        way.last_event = 0;
        let epoch = way.epoch;
        let pace = self.latency.moment(LONGEST_PACE);
        self.queue.put(self.now + pace, Item::Reopen { host: host as u8, path: path as u8, epoch });
    }

    pub fn reopened(&mut self, host: usize, path: u8, epoch: u32) {
        let here = &mut self.hosts[host];
        let way = &mut here.paths[path as usize];
        if way.epoch != epoch || !way.reopening {
            return;
        }
        if way.blocked() {
            // Tried in vain; whoever takes the last obstacle away tries anew.
            way.reopening = false;
            way.since = 0;
            return;
        }
        if here.daemon.as_ref().is_some_and(|daemon| daemon.frozen) {
            // Nobody is there to make it; looked at again.
            self.queue.put(self.now + 500 * MILLI, Item::Reopen { host: host as u8, path, epoch });
            return;
        }
        way.reopening = false;
        way.suspect = false;
        if here.daemon.is_some() && here.pause.is_none() {
            self.ask(host, path, Purpose::First);
            if self.latency.one_in(3) {
                // The watch begins a little earlier than it had to, and says what was said before.
                let (holder, revision) = (self.store.holder(), self.store.revision);
                let lag = self.latency.event_lag();
                self.send_event(host, path as usize, lag, holder, revision, true);
            }
        }
        self.touch(host, 0);
    }

    pub fn tell_read(&mut self, host: usize, reading: &Reading) {
        let now = self.now;
        let here = &self.hosts[host];
        let name = reading.answer.key.map(|key| key.holder);
        let state = here.daemon.as_ref().map_or(State::Standby, |daemon| daemon.keeper.state());
        self.trace.tell_routine(now, Who::Daemon(host), || {
            let (named, ago) = (crate::trace::name(name), now - reading.sent_at);
            let left = match reading.left {
                Left::NoLease => "no lease".to_owned(),
                Left::Unknown => "lease not told".to_owned(),
                Left::Seconds(seconds) => format!("lease {seconds} s"),
            };
            let revision = reading.answer.revision;
            format!("read of {} ms ago says {named}, {left}, revision {revision}; is {}", ago / MILLI, state.name())
        });
    }
}

fn seconds_left(store: &Store, lease: u32, now: Micros) -> Left {
    Left::Seconds(store.time_to_live(lease, now).unwrap_or(0))
}

/// No answer for this long, and the next member is asked as well.
const HEDGE: Micros = 250 * MILLI;
const SILENT_ROUNDS: u8 = 2;
const LONGEST_PACE: Micros = 1_500 * MILLI;
