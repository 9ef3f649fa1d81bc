//! The driver's turn. It is the shipped [`Turn`] with the shipped keeper, one step at a time: between any two steps the
//! process may be stopped or killed. The loop around it, which delivers the events, is a model.

use std::sync::Arc;
use std::time::Duration;

use vip_manager::driver::{ManagedVip, Message, Point};
use vip_manager::keeper::{ClaimWish, Event, Keeper, KeyEvent, KeyRead, Names, Note, Outcome, Target, Tenure, Version};
use vip_manager::time::Moment;

use crate::actuator::{OneStep, Request};
use crate::claims::SOON;
use crate::host::{Daemon, Input, Left, Place, Reading};
use crate::kernel::Mirror;
use crate::plan::Hook;
use crate::queue::Alarm;
use crate::time::NEVER;
use crate::trace::Who;
use crate::verdict::Broken;
use crate::world::World;

impl World {
    /// Delivers an event to the driver, now or once the process runs.
    pub fn deliver(&mut self, host: usize, input: Input) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        if daemon.frozen || here.pause.is_some() {
            daemon.inbox.push_back(input);
            return;
        }
        let now = here.clock.moment(self.now);
        if here.trap.is_some() && self.is_caught(host, Place::Began) {
            if let Some(daemon) = &mut self.hosts[host].daemon {
                daemon.began = Some((input, now));
            }
            return;
        }
        self.begin_turn(host, input, now);
        self.run(host);
    }

    pub fn work_off(&mut self, host: usize) {
        while self.hosts[host].runs() {
            let Some(input) = self.hosts[host].daemon.as_mut().and_then(|daemon| daemon.inbox.pop_front()) else {
                return;
            };
            self.deliver(host, input);
        }
    }

    /// Continues the turn that the process was stopped in, if it was in one.
    pub fn resume_turn(&mut self, host: usize) {
        let Some(daemon) = &mut self.hosts[host].daemon else { return };
        let began = daemon.began.take();
        if began.is_none() && daemon.turn.point() == Point::Idle {
            return;
        }
        self.hosts[host].resumes = true;
        if let Some((input, now)) = began {
            self.begin_turn(host, input, now);
        }
        self.run(host);
        self.hosts[host].resumes = false;
    }

    /// The clock comes first, and the event after everything that is due by the clock.
    fn begin_turn(&mut self, host: usize, input: Input, now: Moment) {
        let Some(daemon) = &mut self.hosts[host].daemon else { return };
        daemon.turn.handle_timeout(now);
        if daemon.turn.point() == Point::Idle {
            self.feed(host, &input, now);
        } else {
            daemon.rest = Some((input, now));
        }
    }

    fn run(&mut self, host: usize) {
        for _ in 0..MOST_STEPS {
            let Some(daemon) = &mut self.hosts[host].daemon else { return };
            let point = daemon.turn.point();
            if point == Point::Idle {
                match daemon.rest.take() {
                    Some((input, now)) => self.feed(host, &input, now),
                    None => return self.end_turn(host),
                }
            } else if self.hosts[host].trap.is_some() && self.is_caught(host, Place::Step(point)) {
                return;
            } else {
                self.step(host);
            }
        }
        self.broken(host, Broken::Restless);
    }

    fn step(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        let local = here.clock.moment(self.now);
        let Some(daemon) = &mut here.daemon else { return };
        let mut actuator = OneStep::new(&here.kernel, &self.names[host]);
        daemon.turn.advance(&mut actuator, local);
        match actuator.request {
            Some(Request::Put { prefix, seconds }) => {
                let limits = matches!(daemon.keeper().map(Keeper::target), Some(Target::Limited { .. }));
                self.kernel_put(host, prefix, seconds, limits);
            }
            Some(Request::Remove { prefix }) => self.kernel_remove(host, prefix),
            Some(Request::Announce) => {
                self.trace.record_routine(self.now, Who::Daemon(host), || "announced".to_owned());
                self.judge_announcement(host);
            }
            None => {}
        }
        self.note_messages(host);
    }

    fn note_messages(&mut self, host: usize) {
        while let Some(message) = self.hosts[host].daemon.as_mut().and_then(|daemon| daemon.turn.poll_message()) {
            match message {
                Message::Note { note, .. } => {
                    self.trace.record(self.now, Who::Daemon(host), || crate::trace::note(&note));
                    if matches!(note, Note::Doubtful { .. }) {
                        self.fire(Hook::Doubt, host);
                    }
                }
                Message::Applied { outcome, .. } => {
                    let words = || format!("order: {}", describe(&outcome));
                    self.trace.record_routine(self.now, Who::Daemon(host), words);
                    if matches!(outcome, Outcome::Refused { .. }) {
                        self.touch_refused(host);
                    }
                }
                Message::Claim { wish, .. } => {
                    let here = &mut self.hosts[host];
                    let local = here.clock.moment(self.now);
                    if let Some(daemon) = &mut here.daemon {
                        daemon.claiming.plan.want(wish, local);
                        self.queue.set(Alarm::Claim, host, self.now + SOON);
                    }
                }
                Message::Announced { .. }
                | Message::Reset { .. }
                | Message::Refused { .. }
                | Message::RefuseFailed(_)
                | Message::Misplaced { .. }
                | Message::Orphan { .. }
                | Message::DumpFailed(_)
                | Message::ListenFailed(_) => {}
            }
        }
    }

    /// The turn is over: sets the timer, or ends the process that has stopped its keeper.
    fn end_turn(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        let local = here.clock.moment(self.now);
        let Some(daemon) = &mut here.daemon else { return };
        if daemon.stopping && daemon.is_stopped() && (!daemon.deletes_claim() || self.latency.one_in(4)) {
            self.trace.record(self.now, Who::Daemon(host), || "ended".to_owned());
            self.end_daemon(host);
            self.start_later(host);
            return;
        }
        let next = daemon.turn.next_deadline();
        // Once it may be behind: the process was stopped within the turn.
        daemon.spins = if next.is_some_and(|at| at <= local) { daemon.spins + 1 } else { 0 };
        let restless = daemon.spins > 2;
        let at = next.map_or(NEVER, |at| here.clock.when(at) + self.latency.timer_lateness());
        self.queue.set(Alarm::Keeper, host, at.max(self.now + 1));
        if restless {
            self.broken(host, Broken::Restless);
        }
    }

    /// Passes one event to the keeper.
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
                daemon.turn.handle_event(daemon.vip, Event::Observed(observation), local);
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
                    format!("watch event: {}, revision {revision}", crate::trace::name(holder))
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
                self.trace.record_routine(self.now, Who::Daemon(host), || "store unreachable".to_owned());
                Event::Unreachable { why: Arc::clone(&self.members[0]), until: None }
            }
            Input::Claim { call } => match self.claim_concluded(host, call) {
                Some(event) => event,
                None => return,
            },
            Input::Stop(mode) => {
                self.trace.record(self.now, Who::Daemon(host), || format!("stop requested: {mode:?}"));
                Event::Stop(mode)
            }
        };
        if let Some(daemon) = &mut self.hosts[host].daemon {
            daemon.turn.handle_event(daemon.vip, event, now);
        }
    }

    /// Who the key names, from the view of a host.
    fn who(&self, host: usize, holder: Option<u8>) -> Names {
        match holder {
            None => Names::Nobody,
            Some(holder) if holder as usize == host => Names::Us,
            Some(holder) => Names::Other(Arc::clone(&self.names[holder as usize])),
        }
    }

    pub fn key_read(&self, host: usize, reading: &Reading) -> KeyRead {
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
                Left::AtLeast(left) => Tenure::AtLeast(left),
                Left::Assumed(left) => Tenure::Assumed { left, margin: Duration::MAX },
            },
            from: Arc::clone(&self.members[reading.path as usize]),
        }
    }
}

impl Daemon {
    pub fn keeper(&self) -> Option<&Keeper> {
        self.turn.vips().one(self.vip).map(|vip| &vip.keeper)
    }

    /// Whether its claim is still to be deleted. It does not wait for that forever.
    fn deletes_claim(&self) -> bool {
        self.keeper().is_some_and(|keeper| keeper.claim_wish() == ClaimWish::Delete)
    }

    fn is_stopped(&self) -> bool {
        self.turn.vips().one(self.vip).is_none_or(ManagedVip::is_stopped)
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
