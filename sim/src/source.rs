//! The reads around the shipped `rounds.rs`: one at the shipped pace and one after every change. Which endpoint is
//! asked, when the store is unreachable, and what was proved of a lease, the shipped code decides.

use std::time::Duration;

use vip_manager::keeper::{Keeper, Limits, State};
use vip_manager::source::need;
use vip_manager::source::proof::{Proof, Tenant};
use vip_manager::source::rounds::{self, Read};
use vip_manager::time::Moment;

use crate::host::{Call, Daemon, Input, Left, Purpose, Reading};
use crate::plan::Hook;
use crate::queue::{Alarm, Item};
use crate::setup::Bound;
use crate::store::{Answer, Key, Store};
use crate::tenure;
use crate::time::{MILLI, Micros};
use crate::trace::Who;
use crate::world::World;

impl World {
    pub fn tick(&mut self, host: usize) {
        if !self.hosts[host].runs() {
            return;
        }
        self.check_sessions(host);
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        let unreachable = daemon.source.rounds.begin_round();
        daemon.source.reads[0].begin(Read::new(rounds::Purpose::Round, None));
        daemon.source.began = here.clock.moment(self.now);
        daemon.source.dice = daemon.source.dice.wrapping_mul(MULTIPLIER).wrapping_add(1);
        self.set_tick(host);
        if unreachable {
            self.deliver(host, Input::Unreachable);
        }
        self.ask_next(host, Purpose::Round);
    }

    /// Sets the alarm of the next round: again whenever something may have changed its time.
    pub fn set_tick(&mut self, host: usize) {
        let here = &self.hosts[host];
        let Some(daemon) = &here.daemon else { return };
        let source = &daemon.source;
        let need = need::need(&[source.named], source.began);
        let next = self.setup.pace().next(source.began, source.rounds.is_quiet(), need, source.dice >> 32);
        let at = here.clock.when(source.began + next);
        self.queue.set(Alarm::Tick, host, at.max(self.now + 1));
    }

    /// A path to etcd was blocked: reads that wait for an answer ask another endpoint as well.
    pub fn hedge_later(&mut self, host: usize) {
        let here = &self.hosts[host];
        let (life, Some(daemon)) = (here.life, &here.daemon) else { return };
        let at = self.now + self.hedge_after();
        for (current, change) in daemon.source.reads.iter().zip([false, true]) {
            if current.open > 0 && !current.answered {
                self.queue.put(at, Item::Hedge { host: host as u8, life, number: current.number, change });
            }
        }
    }

    fn hedge_after(&self) -> Micros {
        rounds::hedge_after(Duration::from_micros(self.setup.interval)).as_micros() as u64
    }

    /// Asks one more endpoint for the read of this round or change.
    pub fn ask_next(&mut self, host: usize, purpose: Purpose) {
        self.check_sessions(host);
        let Some(daemon) = &mut self.hosts[host].daemon else { return };
        let source = &mut daemon.source;
        let current = &mut source.reads[purpose.slot()];
        let Some(read) = current.read.as_mut() else { return };
        if let Some(ask) = source.rounds.ask(read) {
            current.open += 1;
            self.ask(host, ask.endpoint as u8, purpose, Some(ask));
        } else if current.open == 0 && purpose == Purpose::Round && source.rounds.round_failed() {
            self.deliver(host, Input::Unreachable);
        }
    }

    /// A call failed: asks the next endpoint, if its read still waits.
    fn fail(&mut self, host: usize, call: Call, why: Option<&str>) {
        let here = &mut self.hosts[host];
        let Some(daemon) = here.daemon.as_mut().filter(|_| here.life == call.life) else { return };
        let Some(ask) = call.ask else { return };
        daemon.source.rounds.failed(ask, why.map(Into::into));
        let current = &mut daemon.source.reads[call.purpose.slot()];
        if current.number == call.number && !current.answered {
            current.open = current.open.saturating_sub(1);
            self.ask_next(host, call.purpose);
        }
        self.set_tick(host);
    }

    /// Sends one read: a transaction, and the query of the lease along with it if the lease is known.
    pub fn ask(&mut self, host: usize, path: u8, purpose: Purpose, ask: Option<rounds::Ask>) {
        let now = self.now;
        let here = &mut self.hosts[host];
        let life = here.life;
        let Some(daemon) = &mut here.daemon else { return };
        let number = daemon.source.reads[purpose.slot()].number;
        let way = &here.paths[path as usize];
        let sent = here.clock.moment(now);
        let limits = daemon.source.limits;
        let proved = daemon.source.proof.filter(|proof| proof.enough(sent, &[limits]).is_some());
        let lease = daemon.source.lease.filter(|&id| proved.is_none_or(|proof| proof.tenant.lease != i64::from(id)));
        let call = here.calls.begin(Call {
            life,
            path,
            epoch: way.epoch,
            purpose,
            number,
            ask,
            over: false,
            sent,
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
            let hedge = self.hedge_after();
            self.queue.put(now + hedge, Item::Hedge { host: host8, life, number, change: purpose == Purpose::Change });
            self.queue.put(now + self.setup.call_limit(), Item::CallLimit { host: host8, call, sent: now });
        }
        self.fire(Hook::Sent, host);
    }

    /// There is no answer yet: asks another endpoint as well.
    pub fn hedge(&mut self, host: usize, life: u32, number: u32, purpose: Purpose) {
        let here = &mut self.hosts[host];
        if here.life != life || !here.runs() {
            return;
        }
        let Some(daemon) = &mut here.daemon else { return };
        let current = &daemon.source.reads[purpose.slot()];
        if current.number == number
            && !current.answered
            && let Some(read) = &current.read
        {
            daemon.source.rounds.slow(read);
            self.ask_next(host, purpose);
            self.set_tick(host);
        }
    }

    /// The time limit of a call has passed.
    pub fn call_limit(&mut self, host: usize, number: u32, sent: Micros) {
        let here = &mut self.hosts[host];
        let runs = here.runs();
        let call = here.calls.one(number);
        // A later call may use the same number by now.
        if call.sent_at != sent || call.over || call.life != here.life {
            return;
        }
        if !runs {
            self.queue.put(self.now + 500 * MILLI, Item::CallLimit { host: host as u8, call: number, sent });
            return;
        }
        call.over = true;
        let call = *call;
        self.fail(host, call, Some("timeout"));
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
        let proof = here.daemon.as_ref().filter(|_| here.life == call.life).map(|daemon| &daemon.source);
        let proof = proof.and_then(|source| Some((source.proof?, source.limits)));
        let told = |key: &Key| key.holder as usize == host && self.setup.bound == Bound::Lease;
        let complete = match answer.key.filter(told).and_then(|key| key.lease) {
            None => {
                // Nobody waits for the lease any more, so its answer must not complete the call again.
                call.lease_apart = false;
                true
            }
            Some(id) if call.lease == Some(id) && call.lease_apart => call.left.is_some(),
            Some(id)
                if call.lease != Some(id)
                    && let Some(left) = proved(proof, answer, id, call.sent) =>
            {
                call.left = Some(Left::AtLeast(left));
                call.lease_apart = false;
                true
            }
            Some(id) if call.lease == Some(id) => {
                call.left = Some(seconds_left(&self.store, id, now));
                true
            }
            Some(id) => {
                // Only the answer shows which lease to query.
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
        self.fire(Hook::Served, host);
    }

    /// The query of the lease has arrived at etcd.
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
        // A late answer is dropped, unless the process was stopped at its limit.
        if now > call.sent_at + limit && !daemon.frozen && !self.latency.one_in(8) {
            if call.purpose == Purpose::First {
                self.reopen(host, call.path as usize);
            } else if !call.over {
                self.fail(host, call, Some("timeout"));
            }
            return;
        }
        let Some(answer) = call.answer else { return };
        let ours = answer.key.filter(|key| key.holder as usize == host);
        let source = &mut daemon.source;
        let left = match (self.setup.bound, ours.map(|key| key.lease)) {
            (Bound::Lease, Some(Some(_))) => call.left.unwrap_or(Left::Unknown),
            (Bound::Lease, Some(None) | None) => Left::NoLease,
            (Bound::Record, _) => {
                let shown = tenure::shown(answer, self.setup.ttl, call.sent, here.clock.moment(now));
                let left = source.record.left(&shown, ours.map(|_| tenure::wall(call.sent)));
                left.map_or(Left::Unknown, Left::AtLeast)
            }
            (Bound::Assumed, _) => Left::Assumed(tenure::assumed(&self.setup)),
        };
        match call.ask {
            Some(ask) => source.rounds.answered(ask),
            None => source.rounds.note_answer(),
        }
        let current = &mut source.reads[call.purpose.slot()];
        match call.purpose {
            Purpose::Round | Purpose::Change => current.answered |= current.number == call.number,
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
        }
        source.lease = ours.and_then(|key| key.lease).filter(|_| self.setup.bound == Bound::Lease);
        if let (Some(id), Some(Left::AtLeast(left))) = (call.lease.filter(|id| Some(*id) == source.lease), call.left) {
            source.proof = tenant(answer, id).map(|tenant| Proof { tenant, at: call.sent, left });
        }
        let reading = Reading {
            path: call.path,
            answer,
            left,
            sent: call.sent,
            sent_at: call.sent_at,
            served_at: call.served_at,
        };
        let read = self.key_read(host, &reading);
        if let Some(daemon) = &mut self.hosts[host].daemon {
            daemon.source.named.note(&read, &[daemon.source.limits]);
        }
        if call.purpose != Purpose::First {
            self.set_tick(host);
        }
        self.deliver(host, Input::Read(reading));
        self.fire(Hook::Answered, host);
    }

    /// Whether a message gets through. Otherwise it waits for the silence to end, or is lost with its connection.
    fn passes(&mut self, host: usize, number: u32, item: Item, outward: bool) -> bool {
        let here = &mut self.hosts[host];
        let call = *here.calls.one(number);
        let way = &mut here.paths[call.path as usize];
        let stale = way.epoch != call.epoch || way.closed > 0;
        let held = if outward { way.silent > 0 } else { way.silent + way.deaf > 0 };
        if stale {
            let call = here.calls.end(number);
            if !call.over && self.hosts[host].runs() {
                self.fail(host, call, None);
            }
            return false;
        }
        if held {
            way.parked.push(item);
            return false;
        }
        true
    }

    pub fn record_read(&mut self, host: usize, reading: &Reading) {
        let now = self.now;
        let here = &self.hosts[host];
        let name = reading.answer.key.map(|key| key.holder);
        let state = here.daemon.as_ref().and_then(Daemon::keeper).map_or(State::Standby, Keeper::state);
        self.trace.record_routine(now, Who::Daemon(host), || {
            let (named, ago) = (crate::trace::name(name), now - reading.sent_at);
            let left = match reading.left {
                Left::NoLease => "no lease".to_owned(),
                Left::Unknown => "lease unknown".to_owned(),
                Left::AtLeast(left) => format!("lease {} s", left.as_secs()),
                Left::Assumed(left) => format!("lease {} s, assumed", left.as_secs()),
            };
            let revision = reading.answer.revision;
            format!("read of {} ms ago says {named}, {left}, revision {revision}; is {}", ago / MILLI, state.name())
        });
    }
}

fn seconds_left(store: &Store, lease: u32, now: Micros) -> Left {
    Left::AtLeast(Duration::from_secs(store.time_to_live(lease, now).unwrap_or(0)))
}

/// What is proved of the lease, if that is enough.
fn proved(known: Option<(Proof, Limits)>, answer: Answer, lease: u32, sent: Moment) -> Option<Duration> {
    let (proof, limits) = known?;
    proof.enough(sent, &[limits]).filter(|_| tenant(answer, lease) == Some(proof.tenant))
}

fn tenant(answer: Answer, lease: u32) -> Option<Tenant> {
    Some(Tenant { lease: i64::from(lease), created: answer.key?.revision, term: 0 })
}

/// As the reader's.
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
