//! The cluster, and the loop over its events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use vip_manager::config::VipConfig;

use crate::host::{ClaimCall, Host, Input, Purpose};
use crate::latency::Latency;
use crate::plan::Act;
use crate::queue::{Alarm, Happening, Item, MEMBERS, Part, Queue};
use crate::setup::Setup;
use crate::store::Store;
use crate::time::{Clock, MILLI, Micros, SECOND};
use crate::trace::Trace;
use crate::verdict::Broken;

#[derive(Debug)]
pub struct World {
    pub setup: Setup,
    pub now: Micros,
    pub queue: Queue,
    pub latency: Latency,
    pub store: Store,
    pub hosts: Vec<Host>,
    pub claim_calls: Vec<ClaimCall>,
    pub vip: VipConfig,
    pub names: Vec<Arc<str>>,
    pub members: [Arc<str>; MEMBERS],
    pub plan: Vec<Act>,
    /// Actions that wait for an event.
    pub armed: Vec<u16>,
    /// The host that each lasting action affects.
    pub doing: Vec<Option<usize>>,
    pub trace: Trace,
    pub verdict: Option<(Broken, usize)>,
    /// When etcd was last restored from a backup.
    pub restored_at: Micros,
    /// The number of events.
    pub steps: u64,
}

/// How a history ended.
#[derive(Debug)]
pub struct Ended {
    pub verdict: Option<(Broken, usize)>,
    pub at: Micros,
    pub steps: u64,
    pub trace: Trace,
}

/// Runs the history of one cluster.
pub fn live(setup: &Setup, plan: &[Act], seed: u64, trace: Trace) -> Ended {
    let mut world = World::new(setup.clone(), plan.to_vec(), seed, trace);
    let panicked = catch_unwind(AssertUnwindSafe(|| world.go_on())).is_err();
    if panicked {
        world.verdict = None;
        world.broken(0, Broken::Panic);
    }
    Ended { verdict: world.verdict, at: world.now, steps: world.steps, trace: world.trace }
}

impl World {
    fn new(setup: Setup, plan: Vec<Act>, seed: u64, trace: Trace) -> Self {
        let mut latency = Latency::new(seed, setup.calm);
        let clock = |host: usize| Clock::new((1_000 + 777 * host as u64) * SECOND, setup.rates[host]);
        let mut world = Self {
            now: 0,
            queue: Queue::new(setup.hosts),
            store: Store::new(setup.etcd_rate),
            hosts: (0..setup.hosts).map(|host| Host::new(clock(host))).collect(),
            vip: setup.vip(),
            names: (1..=setup.hosts).map(|host| format!("pg{host}").into()).collect(),
            members: ["etcd1", "etcd2", "etcd3"].map(Into::into),
            claim_calls: Vec::new(),
            armed: Vec::new(),
            doing: vec![None; plan.len()],
            plan,
            trace,
            verdict: None,
            restored_at: 0,
            steps: 0,
            setup,
            latency: latency.clone(),
        };
        for host in 0..world.hosts.len() {
            let offset = latency.moment(world.setup.loop_wait);
            world.queue.set(Alarm::Patroni, host, offset);
            let at = latency.moment(900 * MILLI);
            world.queue.put(at, Item::Start { host: host as u8, life: 0 });
        }
        for (number, act) in world.plan.iter().enumerate() {
            world.queue.put(act.at, Item::Act { number: number as u16, part: Part::Due });
        }
        world.acquire(0);
        world
    }

    fn go_on(&mut self) {
        while self.verdict.is_none() {
            let (at, next) = self.queue.take();
            if at >= self.setup.length {
                return;
            }
            self.now = at;
            self.steps += 1;
            self.judge_state();
            match next {
                Happening::Alarm(alarm, host) => self.ring(alarm, host),
                Happening::Item(item) => self.happen(item),
            }
        }
    }

    fn ring(&mut self, alarm: Alarm, host: usize) {
        match alarm {
            Alarm::Keeper => {
                if self.hosts[host].runs() {
                    self.deliver(host, Input::Time);
                }
            }
            Alarm::Tick => self.tick(host),
            Alarm::Expiry => self.expire(host),
            Alarm::Patroni => {
                let next = self.now + self.setup.loop_wait;
                self.queue.set(Alarm::Patroni, host, next);
                self.patroni(host);
            }
            Alarm::Lease => self.lease_ends(host),
            Alarm::Claim => self.claim_step(host),
            Alarm::ClaimEnd => self.claim_ends(),
        }
    }

    fn happen(&mut self, item: Item) {
        if let Some(host) = belongs_to(item)
            && let Some(pause) = &mut self.hosts[host].pause
        {
            pause.missed.push(item);
            return;
        }
        match item {
            Item::Serve { host, call } => self.serve(host as usize, call),
            Item::ServeLease { host, call, lease } => self.serve_lease(host as usize, call, lease),
            Item::Answer { host, call } => self.answer(host as usize, call),
            Item::Hedge { host, life, number, change } => {
                let purpose = if change { Purpose::Change } else { Purpose::Round };
                self.hedge(host as usize, life, number, purpose);
            }
            Item::CallLimit { host, call, sent } => self.call_limit(host as usize, call, sent),
            Item::Event { .. } => self.event(item),
            Item::ClaimServe { host, call } => self.claim_serve(host as usize, call),
            Item::ClaimAnswer { host, call } => self.claim_answer(host as usize, call),
            Item::ClaimLimit { host, call } => self.claim_limit(host as usize, call),
            Item::ClaimChanged { host } => self.claim_changed(host as usize),
            Item::Notices { host, life } => {
                if self.hosts[host as usize].life == life {
                    self.deliver(host as usize, Input::Notices);
                }
            }
            Item::Patroni { host } => self.patroni(host as usize),
            Item::Continue { host, life } => self.proceed(host as usize, life),
            Item::Start { host, life } => {
                let here = &self.hosts[host as usize];
                if here.life == life && here.off == 0 && here.daemon.is_none() {
                    self.start_daemon(host as usize);
                }
            }
            Item::Reopen { host, path, epoch } => self.reopened(host as usize, path, epoch),
            Item::Act { number, part } => self.act(number, part),
        }
    }
}

/// The host of an event that cannot happen while its machine is paused.
const fn belongs_to(item: Item) -> Option<usize> {
    match item {
        Item::Answer { host, .. }
        | Item::Hedge { host, .. }
        | Item::CallLimit { host, .. }
        | Item::ClaimAnswer { host, .. }
        | Item::ClaimLimit { host, .. }
        | Item::ClaimChanged { host }
        | Item::Event { host, .. }
        | Item::Notices { host, .. }
        | Item::Patroni { host }
        | Item::Continue { host, .. }
        | Item::Start { host, .. }
        | Item::Reopen { host, .. } => Some(host as usize),
        Item::Serve { .. } | Item::ServeLease { .. } | Item::ClaimServe { .. } | Item::Act { .. } => None,
    }
}
