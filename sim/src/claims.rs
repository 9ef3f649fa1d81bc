//! The claim: a key of the daemons' own in etcd, with a lease of its own, around the shipped `source/claim.rs`.
//!
//! A request is one message there and one back. Either may be lost with its connection, or wait for a silence to end:
//! then the request is carried out long after its daemon has given it up.

use std::sync::Arc;
use std::time::Duration;

use vip_manager::keeper::{ClaimReport, Event};
use vip_manager::source::claim::{Answer, Ending, Request, Token};
use vip_manager::time::Moment;

use crate::host::{ClaimCall, Host, Input, names, owner};
use crate::plan::Hook;
use crate::queue::{Alarm, Item, MEMBERS};
use crate::store::Claim;
use crate::time::{MILLI, Micros, NEVER, SECOND};
use crate::trace::Who;
use crate::world::World;

fn token(claim: Claim) -> Token {
    Token { version: claim.version, session: "".into() }
}

impl World {
    /// Sends the next request if one is due.
    pub fn claim_step(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        let local = here.clock.moment(self.now);
        let (runs, boot, life) = (here.runs(), here.boot, here.life);
        let Some(daemon) = here.daemon.as_mut().filter(|_| runs) else { return };
        let claiming = &mut daemon.claiming;
        let Some(request) = claiming.plan.next(local) else {
            let due = claiming.plan.due().map_or(NEVER, |due| here.clock.when(due).max(self.now + SOON));
            return self.queue.set(Alarm::Claim, host, due);
        };
        let open = |path: &u8| !here.paths[*path as usize].reopening && here.paths[*path as usize].closed == 0;
        let turns = (0..MEMBERS as u8).map(|turn| (claiming.path + turn) % MEMBERS as u8);
        let path = turns.clone().find(open).unwrap_or(claiming.path);
        claiming.path = path;
        let way = &here.paths[path as usize];
        let call = self.claim_calls.len() as u32;
        claiming.call = Some(call);
        self.claim_calls.push(ClaimCall {
            life,
            boot,
            path,
            epoch: way.epoch,
            request,
            answer: None,
            sent: local,
            over: false,
        });
        let there = self.latency.one_way(way.delay);
        self.queue.put(self.now + there, Item::ClaimServe { host: host as u8, call });
        self.queue.put(self.now + CLAIM_LIMIT, Item::ClaimLimit { host: host as u8, call });
        self.fire(Hook::ClaimSent, host);
    }

    /// The request has arrived at etcd.
    pub fn claim_serve(&mut self, host: usize, number: u32) {
        if !self.claim_passes(host, number, Item::ClaimServe { host: host as u8, call: number }, true) {
            return;
        }
        let ClaimCall { request, boot, path, .. } = self.claim_calls[number as usize].clone();
        let answer = self.carry_out_claim(host, boot, &request);
        self.trace.record_routine(self.now, Who::Etcd, || format!("pg{} asks: {request:?}: {answer:?}", host + 1));
        self.claim_calls[number as usize].answer = Some(answer);
        let back = self.latency.one_way(self.hosts[host].paths[path as usize].delay);
        self.queue.put(self.now + back, Item::ClaimAnswer { host: host as u8, call: number });
    }

    fn carry_out_claim(&mut self, host: usize, boot: u32, request: &Request) -> Answer {
        let present = self.store.claim;
        let same = |token: &Token| present.filter(|claim| claim.version == token.version);
        match request {
            Request::Create if present.is_none() => {
                let checks = self.setup.claim_checks_leader;
                if checks && !names(self.store.key, host) {
                    return Answer::NotNamed;
                }
                self.put_claim(host, boot, true, checks)
            }
            Request::TakeOver(token) if same(token).is_some() => self.put_claim(host, boot, true, false),
            Request::Renew(token) if same(token).is_some() => self.put_claim(host, boot, false, false),
            Request::Delete(token) if same(token).is_some() => {
                self.end_claim("deleted");
                Answer::Absent
            }
            Request::Look | Request::Create | Request::TakeOver(_) | Request::Renew(_) | Request::Delete(_) => present
                .map_or(Answer::Absent, |claim| Answer::Present {
                    token: token(claim),
                    owner: Some(owner(claim.host, claim.boot)),
                    by: Arc::clone(&self.names[claim.host as usize]),
                    at_most: self.outwaited().then(|| Duration::from_micros(self.setup.claim_ttl)),
                }),
        }
    }

    /// Writes or renews the claim, and its lease with it. `named`: the leader key was compared, and names the host.
    fn put_claim(&mut self, host: usize, boot: u32, new: bool, named: bool) -> Answer {
        let ends = if self.outwaited() { NEVER } else { self.store.lease_end(self.now, self.setup.claim_ttl) };
        self.store.claim_version += i64::from(new || self.outwaited());
        let claim = Claim { host: host as u8, boot, version: self.store.claim_version, ends };
        self.store.claim = Some(claim);
        self.queue.set(Alarm::ClaimEnd, 0, ends);
        if new {
            self.trace.record(self.now, Who::Etcd, || format!("claimed by pg{}", host + 1));
            self.touch_all();
        }
        Answer::Ours { token: token(claim), bound: Duration::from_micros(self.setup.claim_ttl), named }
    }

    /// Whether the claim stays, and each renewal changes its version: as in Kubernetes.
    fn outwaited(&self) -> bool {
        self.setup.claim_ending == Ending::Unchanged
    }

    /// The lease of the claim may have ended.
    pub fn claim_ends(&mut self) {
        match self.store.claim {
            Some(claim) if claim.ends <= self.now => self.end_claim("its lease has ended"),
            Some(claim) => self.queue.set(Alarm::ClaimEnd, 0, claim.ends),
            None => {}
        }
    }

    fn end_claim(&mut self, why: &str) {
        let Some(claim) = self.store.claim.take() else { return };
        self.trace.record(self.now, Who::Etcd, || format!("claim of pg{} is gone: {why}", claim.host + 1));
        self.touch_all();
        for host in 0..self.hosts.len() {
            // The watch of it. One that is lost is made up for by the next look.
            let heard = self.hosts[host].runs() && self.hosts[host].paths.iter().any(crate::network::Path::is_good);
            if heard && !self.latency.one_in(8) {
                let at = self.now + self.latency.event_lag();
                self.queue.put(at, Item::ClaimChanged { host: host as u8 });
            }
        }
    }

    pub fn claim_changed(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        let local = here.clock.moment(self.now);
        if let Some(daemon) = here.daemon.as_mut().filter(|daemon| daemon.claiming.plan.watches()) {
            daemon.claiming.plan.changed(local);
            self.claim_step(host);
        }
    }

    /// The answer has arrived at the host.
    pub fn claim_answer(&mut self, host: usize, number: u32) {
        if self.claim_passes(host, number, Item::ClaimAnswer { host: host as u8, call: number }, false) {
            self.conclude_claim(host, number);
        }
    }

    /// The request has taken too long.
    pub fn claim_limit(&mut self, host: usize, number: u32) {
        let call = &mut self.claim_calls[number as usize];
        let here = &self.hosts[host];
        if call.over || call.life != here.life {
            return;
        }
        if !here.runs() {
            self.queue.put(self.now + 500 * MILLI, Item::ClaimLimit { host: host as u8, call: number });
            return;
        }
        call.answer = None;
        self.conclude_claim(host, number);
    }

    fn conclude_claim(&mut self, host: usize, number: u32) {
        let call = &mut self.claim_calls[number as usize];
        if !call.over && call.life == self.hosts[host].life {
            call.over = true;
            self.deliver(host, Input::Claim { call: number });
        }
    }

    fn claim_passes(&mut self, host: usize, number: u32, item: Item, outward: bool) -> bool {
        let (path, epoch) = (self.claim_calls[number as usize].path, self.claim_calls[number as usize].epoch);
        let way = &mut self.hosts[host].paths[path as usize];
        if way.epoch != epoch || way.closed > 0 {
            self.claim_calls[number as usize].answer = None;
            self.conclude_claim(host, number);
            return false;
        }
        let held = if outward { way.silent > 0 } else { way.silent + way.deaf > 0 };
        if held {
            way.parked.push(item);
        }
        !held
    }

    /// The daemon learns what became of its request.
    pub fn claim_concluded(&mut self, host: usize, number: u32) -> Option<Event> {
        let ClaimCall { answer, request, path, sent, .. } = self.claim_calls[number as usize].clone();
        let here = &mut self.hosts[host];
        let local = here.clock.moment(self.now);
        let claiming = &mut here.daemon.as_mut()?.claiming;
        if claiming.call != Some(number) {
            return None;
        }
        claiming.call = None;
        let report = if let Some(answer) = answer {
            claiming.plan.answered(answer, local)
        } else {
            claiming.path = (claiming.path + 1) % MEMBERS as u8;
            claiming.plan.failed("no answer".into(), local)
        };
        self.queue.set(Alarm::Claim, host, self.now + SOON);
        self.fire(Hook::ClaimAnswered, host);
        let here = &mut self.hosts[host];
        let report = report?;
        let margin = Duration::from_micros(self.setup.margin);
        match &report {
            ClaimReport::Held { bound, .. } => here.record.claimed_until = sent + bound.saturating_sub(margin),
            ClaimReport::Taken { .. } | ClaimReport::Lost { .. } | ClaimReport::Absent => {
                here.record.claimed_until = Moment::default();
            }
            ClaimReport::Refused { .. } | ClaimReport::Unknown { .. } => {}
        }
        if matches!((&report, request), (ClaimReport::Held { .. }, Request::Create | Request::TakeOver(_))) {
            self.read_after(host, path);
        }
        Some(Event::Claim(report))
    }

    /// Whether the claim is another host's, or of an earlier boot.
    pub fn is_claimed_by_another(&self, host: usize) -> bool {
        let Host { boot, .. } = self.hosts[host];
        self.store.claim.is_some_and(|claim| claim.host as usize != host || claim.boot != boot)
    }

    fn touch_all(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.touch(host, 0));
    }
}

/// From the end of a turn to the request that follows from it.
pub const SOON: Micros = 50;
const CLAIM_LIMIT: Micros = SECOND;
