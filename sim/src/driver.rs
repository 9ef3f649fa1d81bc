//! The daemon's driver, step by step: the shipped keeper takes events in and gives orders, the shipped renewal takes each
//! order's steps, and between any two steps the process may be stopped or killed.

use std::sync::Arc;

use vip_manager::keeper::renewal::{Renewal, Step};
use vip_manager::keeper::{
    Event, Keeper, KeyEvent, KeyRead, Names, Note, Order, Outcome, Rules, Schedule, State, Tenure, Version,
};
use vip_manager::time::Moment;

use crate::host::{Daemon, Input, Left, Reading, Source, Stage};
use crate::kernel::{Mirror, PREFIX};
use crate::plan::Hook;
use crate::queue::{Alarm, Item, MEMBERS};
use crate::time::{MILLI, NEVER};
use crate::trace::Who;
use crate::verdict::Broken;
use crate::world::World;

impl World {
    pub fn start_daemon(&mut self, host: usize) {
        let now = self.now;
        let duration = |micros| std::time::Duration::from_micros(micros);
        let here = &mut self.hosts[host];
        here.life += 1;
        let rules = Rules {
            prefix: PREFIX,
            interval: duration(self.setup.interval),
            hold_timeout: duration(self.setup.hold),
            lease_margin: duration(self.setup.margin),
            schedule: Schedule { count: None, interval: None, refresh: duration(60_000 * MILLI) },
            seed: self.latency.rng.draw(),
        };
        here.kernel.notices.clear();
        here.kernel.lost_some = false;
        here.daemon = Some(Daemon {
            keeper: Keeper::new(rules),
            mirror: Mirror::listed(&here.kernel, here.clock, now),
            source: Source::new(&self.members),
            frozen: false,
            stage: None,
            rest: None,
            inbox: std::collections::VecDeque::new(),
            stopping: false,
            notices_due: false,
            spins: 0,
            next_deadline: None,
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
        let next = now + self.setup.interval;
        self.queue.set(Alarm::Tick, host, next);
        self.deliver(host, Input::Notices);
        self.touch(host, 0);
    }

    /// The process is gone, whatever it was about to do.
    pub fn end_daemon(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        here.daemon = None;
        here.life += 1;
        here.record.unattended();
        self.queue.set(Alarm::Keeper, host, NEVER);
        self.queue.set(Alarm::Tick, host, NEVER);
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
        let stage = daemon.stage.take();
        // Two stops within one request are beyond what is promised.
        here.trap = None;
        self.trace.record(self.now, Who::Daemon(host), || "goes on".to_owned());
        self.touch(host, 0);
        if let Some(stage) = stage {
            self.hosts[host].resumes = true;
            self.run(host, stage);
            self.hosts[host].resumes = false;
        }
        self.deliver(host, Input::Time);
        self.work_off(host);
        if self.hosts[host].runs() {
            self.queue.set(Alarm::Tick, host, self.now + 1);
        }
    }

    /// Something comes to the driver: now, or when it gets to it.
    pub fn deliver(&mut self, host: usize, input: Input) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        if daemon.frozen || here.pause.is_some() {
            daemon.inbox.push_back(input);
            return;
        }
        let now = here.clock.moment(self.now);
        if here.trap.is_some() {
            self.run(host, Stage::Began(input, now));
            return;
        }
        // The same steps, without a look for a trap between them: this is where most of the time goes.
        self.begin_turn(host, input, now);
        let Some(daemon) = &self.hosts[host].daemon else { return };
        match daemon.keeper.poll_order(now) {
            Some(order) => self.run(host, Stage::Ordered(order)),
            None => {
                if let Some(stage) = self.wind_up(host) {
                    self.run(host, stage);
                }
            }
        }
    }

    /// The clock comes first, then the event.
    fn begin_turn(&mut self, host: usize, input: Input, now: Moment) {
        let Some(daemon) = &mut self.hosts[host].daemon else { return };
        if daemon.next_deadline.is_some_and(|at| at <= now) {
            daemon.keeper.handle_timeout(now);
            daemon.rest = Some((input, now));
        } else {
            self.feed(host, &input, now);
        }
    }

    pub fn work_off(&mut self, host: usize) {
        while self.hosts[host].runs() {
            let Some(input) = self.hosts[host].daemon.as_mut().and_then(|daemon| daemon.inbox.pop_front()) else {
                return;
            };
            self.deliver(host, input);
        }
    }

    fn run(&mut self, host: usize, first: Stage) {
        let mut next = Some(first);
        let mut steps = 0;
        while let Some(stage) = next {
            if self.hosts[host].trap.is_some() && self.is_caught(host, &stage) {
                return;
            }
            steps += 1;
            if steps > MOST_STEPS {
                self.broken(host, Broken::Restless);
                return;
            }
            next = self.perform(host, stage);
        }
    }

    /// Stops or kills the process here, if this is the place.
    fn is_caught(&mut self, host: usize, stage: &Stage) -> bool {
        let here = &mut self.hosts[host];
        let Some(trap) = here.trap.as_mut().filter(|trap| trap.place == stage.place()) else { return false };
        if trap.passes > 0 {
            trap.passes -= 1;
            return false;
        }
        let stop = trap.stop;
        here.trap = None;
        let place = stage.place();
        if let Some(span) = stop {
            if let Some(daemon) = &mut here.daemon {
                daemon.stage = Some(stage.clone());
            }
            self.trace.record(self.now, Who::Fault, || {
                format!("pg{} daemon stopped at {place:?} for {} ms", host + 1, span / MILLI)
            });
            self.freeze(host, span);
        } else {
            self.trace.record(self.now, Who::Fault, || format!("pg{} daemon killed at {place:?}", host + 1));
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

    fn perform(&mut self, host: usize, stage: Stage) -> Option<Stage> {
        let local = self.hosts[host].clock.moment(self.now);
        match stage {
            Stage::Began(input, now) => {
                self.begin_turn(host, input, now);
                Some(Stage::Settle)
            }
            Stage::Settle => {
                let daemon = self.hosts[host].daemon.as_mut()?;
                Some(daemon.keeper.poll_order(local).map_or(Stage::Announce, Stage::Ordered))
            }
            Stage::Ordered(order) => {
                let index = self.hosts[host].kernel.link.map(|link| link.index);
                let (on, next) = match order {
                    Order::Hold { link, until, present, .. } => (link, Renewal::new(until, present)),
                    Order::Limit { link, until, .. } => (link, Renewal::new(until, true)),
                    Order::Release { .. } => return Some(Stage::Remove(order)),
                };
                if index != Some(on) {
                    return Some(Stage::Applied(Outcome::Refused { why: Arc::clone(&self.names[host]) }));
                }
                // The first look at the clock belongs to the same step: a stop before it changes nothing.
                Some(self.renew(host, order, next))
            }
            Stage::Renew(order, renewal) => Some(self.renew(host, order, renewal)),
            Stage::Put(order, renewal, seconds) => {
                if self.hosts[host].kernel.refusing > 0 || self.hosts[host].kernel.link.is_none() {
                    return Some(Stage::Applied(Outcome::Refused { why: Arc::clone(&self.names[host]) }));
                }
                let limits = matches!(order, Order::Limit { .. });
                let prefix = if let Order::Limit { prefix, .. } = order { prefix } else { PREFIX };
                self.kernel_put(host, prefix, seconds, limits);
                Some(Stage::Renew(order, renewal))
            }
            Stage::Undo(order) => {
                let prefix = if let Order::Limit { prefix, .. } = order { prefix } else { PREFIX };
                Some(Stage::Applied(self.remove(host, &[prefix], Outcome::Late)))
            }
            Stage::Remove(order) => {
                let Order::Release { prefixes, .. } = order else { return None };
                Some(Stage::Applied(self.remove(host, &prefixes, Outcome::Released)))
            }
            Stage::Applied(outcome) => {
                self.trace
                    .record_routine(self.now, Who::Daemon(host), || format!("carried out: {}", describe(&outcome)));
                if matches!(outcome, Outcome::Refused { .. }) {
                    self.touch_refused(host);
                }
                self.hosts[host].daemon.as_mut()?.keeper.handle_event(Event::Applied(outcome), local);
                Some(Stage::Settle)
            }
            Stage::Announce => self.wind_up(host),
        }
    }

    fn renew(&mut self, host: usize, order: Order, mut renewal: Renewal) -> Stage {
        let local = self.hosts[host].clock.moment(self.now);
        match (renewal.next(local), &order) {
            (Step::Put(seconds), _) => Stage::Put(order, renewal, u64::from(seconds.get())),
            (Step::TooLate, _) => Stage::Undo(order),
            (Step::Done(_), Order::Limit { prefix, until, .. }) => {
                Stage::Applied(Outcome::Limited { prefix: *prefix, until: *until })
            }
            (Step::Done(_), Order::Hold { until, other_prefixes, .. }) => {
                Stage::Applied(self.remove(host, other_prefixes, Outcome::Held { until: *until }))
            }
            (Step::Done(_), Order::Release { .. }) => Stage::Applied(Outcome::Released),
        }
    }

    fn remove(&mut self, host: usize, prefixes: &[u8], done: Outcome) -> Outcome {
        if self.hosts[host].kernel.refusing > 0 && !prefixes.is_empty() {
            return Outcome::Refused { why: Arc::clone(&self.names[host]) };
        }
        for prefix in prefixes {
            self.kernel_remove(host, *prefix);
        }
        done
    }

    /// Hands one event to the keeper.
    fn feed(&mut self, host: usize, input: &Input, now: Moment) {
        let local = self.hosts[host].clock.moment(self.now);
        let event = match *input {
            Input::Time => return,
            Input::Notices => {
                let here = &mut self.hosts[host];
                let Some(daemon) = &mut here.daemon else { return };
                daemon.notices_due = false;
                if std::mem::take(&mut here.kernel.lost_some) {
                    here.kernel.notices.clear();
                    daemon.mirror = Mirror::listed(&here.kernel, here.clock, self.now);
                }
                while let Some(notice) = here.kernel.notices.pop_front() {
                    daemon.mirror.take_in(notice, here.clock, self.now);
                }
                let observation = daemon.mirror.observation();
                daemon.keeper.handle_event(Event::Observed(observation), local);
                return;
            }
            Input::Read(ref reading) => {
                let key_read = self.key_read(host, reading);
                self.judge_read(host, reading);
                self.record_read(host, reading);
                Event::Read(key_read)
            }
            Input::Changed { path, holder, revision, again } => {
                if !self.heard(host, revision, again) {
                    return;
                }
                self.trace.record(self.now, Who::Daemon(host), || {
                    format!("watch says {}, revision {revision}", crate::trace::name(holder))
                });
                self.judge_event(host, holder, revision);
                self.read_after(host, path);
                Event::Changed(KeyEvent {
                    names: self.who(host, holder),
                    version: Some(Version(revision)),
                    heard_at: local,
                    from: Arc::clone(&self.members[path as usize]),
                })
            }
            Input::Unreachable => {
                self.hosts[host].record.unreachable = true;
                self.trace.record_routine(self.now, Who::Daemon(host), || "nobody answers".to_owned());
                Event::Unreachable { why: Arc::clone(&self.members[0]) }
            }
            Input::Stop(mode) => {
                self.trace.record(self.now, Who::Daemon(host), || format!("told to stop: {mode:?}"));
                Event::Stop(mode)
            }
        };
        if let Some(daemon) = &mut self.hosts[host].daemon {
            daemon.keeper.handle_event(event, now);
        }
    }

    /// Sets the timer to what the keeper waits for.
    fn plan_turn(&mut self, host: usize, next: Option<Moment>, local: Moment) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        daemon.next_deadline = next;
        // Once it may be behind: the process was stopped within the turn.
        daemon.spins = if next.is_some_and(|at| at <= local) { daemon.spins + 1 } else { 0 };
        let restless = daemon.spins > 2;
        let at = next.map_or(NEVER, |at| here.clock.when(at) + self.latency.timer_lateness());
        self.queue.set(Alarm::Keeper, host, at.max(self.now + 1));
        if restless {
            self.broken(host, Broken::Restless);
        }
    }

    /// Who the key names, in the eyes of a host.
    fn who(&self, host: usize, holder: Option<u8>) -> Names {
        match holder {
            None => Names::Nobody,
            Some(holder) if holder as usize == host => Names::Us,
            Some(holder) => Names::Other(Arc::clone(&self.names[holder as usize])),
        }
    }

    fn key_read(&self, host: usize, reading: &Reading) -> KeyRead {
        let key = reading.answer.key;
        KeyRead {
            names: self.who(host, key.map(|key| key.holder)),
            version: Some(Version(reading.answer.revision)),
            modified: key.map(|key| Version(key.revision)),
            sent_at: reading.sent,
            answered_at: self.hosts[host].clock.moment(self.now),
            tenure: match reading.left {
                Left::NoLease => Tenure::NoLease,
                Left::Unknown => Tenure::Unknown,
                Left::Seconds(seconds) => Tenure::AtLeast(std::time::Duration::from_secs(seconds)),
            },
            from: Arc::clone(&self.members[reading.path as usize]),
        }
    }

    /// The end of a turn: announcements, notes, the next deadline.
    fn wind_up(&mut self, host: usize) -> Option<Stage> {
        let here = &mut self.hosts[host];
        let local = here.clock.moment(self.now);
        let daemon = here.daemon.as_mut()?;
        let mut announced = false;
        while daemon.keeper.poll_announce(local) {
            announced = true;
        }
        let mut doubt = false;
        while let Some(note) = daemon.keeper.poll_note() {
            doubt |= matches!(note, Note::Doubtful { .. });
            self.trace.record(self.now, Who::Daemon(host), || crate::trace::note(&note));
        }
        let rest = daemon.rest.take();
        if announced {
            self.trace.record_routine(self.now, Who::Daemon(host), || "announced".to_owned());
            self.judge_announcement(host);
        }
        if doubt {
            self.fire(Hook::Doubt, host);
        }
        if let Some((input, now)) = rest {
            self.feed(host, &input, now);
            return Some(Stage::Settle);
        }
        let daemon = self.hosts[host].daemon.as_ref()?;
        if daemon.stopping && matches!(daemon.keeper.state(), State::Stopped { .. }) {
            self.trace.record(self.now, Who::Daemon(host), || "ended".to_owned());
            self.end_daemon(host);
            self.start_later(host);
            return None;
        }
        let next = daemon.keeper.next_deadline(local).map(|(at, _)| at);
        self.plan_turn(host, next, local);
        None
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Held { .. } => "held".to_owned(),
        Outcome::Late => "too late, undone".to_owned(),
        Outcome::Limited { prefix, .. } => format!("/{prefix} limited"),
        Outcome::Released => "released".to_owned(),
        Outcome::Refused { .. } => "refused".to_owned(),
    }
}

const MOST_STEPS: u32 = 500;
