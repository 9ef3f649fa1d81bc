//! A stand-in for Patroni: on each database host it competes for the leader key as Patroni does.
//!
//! The leader takes the lock once and then renews it, every `loop_wait`. The others wait until it is free and take it.
//! How a store keeps such a lock is its [`LeaderLock`]. vip-manager sees nothing else of Patroni, unless it asks the REST
//! API, which a Patroni can be given.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use vip_manager::clock::wall_time;
use vip_manager::time::Moment;

use super::clock::{now, wait_until};
use super::dcs::lock::{EtcdLock, LeaderLock};
use super::etcd::Cluster;
use super::fail::OrFail;
use super::host::Host;
use super::rest::Voice;

/// How often something is looked at, and a follower checks whether the key is free if its store does not mind.
const POLL: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(20);

/// The timing of a Patroni cluster.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    pub(crate) key: String,
    /// The lease under the leader key, in seconds.
    pub(crate) ttl: i64,
    pub(crate) loop_wait: Duration,
}

impl Default for Timing {
    /// Shorter than Patroni's defaults, with which a test would wait half a minute.
    fn default() -> Self {
        Self { key: "/service/pg_cluster/leader".to_owned(), ttl: 10, loop_wait: Duration::from_secs(1) }
    }
}

/// Patroni on one host. It ends on drop, and its lease remains.
#[derive(Debug)]
pub(crate) struct Patroni {
    name: String,
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut Actor) + Send>;

/// Whether the host leads, follows or is dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// It does nothing; a lease that it held expires.
    Dead,
    /// It waits until the key is free, if it may lead.
    Follower { may_lead: bool },
    /// It renews its lock. `refreshed` is when its last round began.
    Leader { refreshed: Moment },
}

/// When it took the lock: the request was sent, and answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    pub(crate) sent: Moment,
    pub(crate) answered: Moment,
}

/// The lock of one Patroni, made in its thread.
pub(crate) type LockMaker = Box<dyn FnOnce() -> Box<dyn LeaderLock> + Send>;

struct Actor {
    loop_wait: Duration,
    lock: Box<dyn LeaderLock>,
    role: Role,
    frozen: bool,
    /// After so many more rounds that renew nothing its loop hangs, having read the store.
    rounds_left: Option<u32>,
    looked: Moment,
    taken: Option<Taken>,
    renewed: Moment,
    /// What its REST API says, and for how long the lock lasts without a renewal.
    voice: Option<(Voice, Duration)>,
}

impl Patroni {
    /// Starts as a follower that may not lead yet.
    pub(crate) fn start(host: &Host, cluster: &Cluster, timing: &Timing) -> Self {
        let (endpoints, user) = (cluster.plain_endpoints(), cluster.user());
        let (key, name, ttl) = (timing.key.clone(), host.name().to_owned(), timing.ttl);
        let lock = move || -> Box<dyn LeaderLock> { Box::new(EtcdLock::new(endpoints, user, &key, &name, ttl)) };
        Self::start_with(host, timing.loop_wait, Box::new(lock))
    }

    /// The same with the lock of any store.
    pub(crate) fn start_with(host: &Host, loop_wait: Duration, lock: LockMaker) -> Self {
        let (jobs, inbox) = mpsc::channel();
        drop(host.spawn(move || {
            let role = Role::Follower { may_lead: false };
            let actor = Actor {
                loop_wait,
                lock: lock(),
                role,
                frozen: false,
                rounds_left: None,
                looked: Moment::default(),
                taken: None,
                renewed: Moment::default(),
                voice: None,
            };
            actor.run(&inbox);
        }));
        Self { name: host.name().to_owned(), jobs }
    }

    /// Lets a REST API say what this Patroni would. The lock lasts for `ttl` without a renewal.
    pub(crate) fn speak(&self, voice: Voice, ttl: Duration) {
        self.with(move |actor| actor.voice = Some((voice, ttl)));
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn role(&self) -> Role {
        self.with(|actor| actor.role)
    }

    /// Sets whether it takes a key that becomes free.
    pub(crate) fn may_lead(&self, may_lead: bool) {
        self.with(move |actor| {
            if let Role::Follower { .. } = actor.role {
                actor.role = Role::Follower { may_lead };
            }
        });
    }

    /// When the last renewal that succeeded was sent, whatever became of it since.
    pub(crate) fn renewed(&self) -> Moment {
        self.with(|actor| actor.renewed)
    }

    /// When it last took the lock.
    pub(crate) fn taken(&self) -> Option<Taken> {
        self.with(|actor| actor.taken)
    }

    /// Takes the free key and returns once it is written.
    #[track_caller]
    pub(crate) fn take_over(&self) -> Moment {
        wait_until(&format!("{} to take the leader key", self.name), LIMIT, || {
            self.with(|actor| match actor.seize() {
                Ok(true) => Some(now()),
                Ok(false) | Err(_) => None,
            })
        })
    }

    /// Deletes its key and becomes a follower that may not lead.
    pub(crate) fn step_down(&self) -> Moment {
        self.with(Actor::step_down).or_fail("stepping down");
        now()
    }

    /// Dies as in a power failure of its host: its lease stays until it expires.
    pub(crate) fn die(&self) {
        self.with(|actor| {
            actor.role = Role::Dead;
            actor.lock.abandon();
        });
    }

    /// Starts again as a follower.
    pub(crate) fn revive(&self, may_lead: bool) {
        self.with(move |actor| actor.role = Role::Follower { may_lead });
    }

    /// Hangs: it does nothing until it is thawed.
    pub(crate) fn freeze(&self) {
        self.with(|actor| actor.frozen = true);
    }

    /// Continues where it was frozen.
    pub(crate) fn thaw(&self) {
        self.with(|actor| {
            actor.frozen = false;
            actor.rounds_left = None;
        });
    }

    /// Its loop hangs between a read of the store and the renewal that follows, after so many rounds in which the renewal
    /// was lost. Its REST API goes on.
    pub(crate) fn hang_before_a_renewal(&self, lost: u32) {
        self.with(move |actor| actor.rounds_left = Some(lost));
    }

    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Actor) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let job = Box::new(move |actor: &mut Actor| {
            let _ = answer.send(work(actor));
        });
        self.jobs.send(job).or_fail("sending a job to the Patroni stand-in");
        answered.recv().or_fail("waiting for the Patroni stand-in")
    }
}

/// A switchover as Patroni does it: the old leader deletes the key, the new one creates it.
pub(crate) fn switch_over(from: &Patroni, to: &Patroni) -> Moment {
    from.step_down();
    to.take_over()
}

impl Actor {
    fn run(mut self, inbox: &mpsc::Receiver<Job>) {
        loop {
            match inbox.recv_timeout(self.pause()) {
                Ok(job) => job(&mut self),
                // A call that failed is retried at the next turn, as Patroni does.
                Err(RecvTimeoutError::Timeout) => drop(self.turn()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn pause(&self) -> Duration {
        match self.role {
            _ if self.frozen => POLL,
            Role::Dead | Role::Follower { may_lead: false } => POLL,
            Role::Follower { may_lead: true } => self.lock.poll().saturating_sub(now().since(self.looked)).min(POLL),
            Role::Leader { refreshed } => self.loop_wait.saturating_sub(now().since(refreshed)).min(POLL),
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        let turned = match self.role {
            _ if self.frozen => Ok(()),
            Role::Dead | Role::Follower { may_lead: false } => Ok(()),
            Role::Follower { may_lead: true } if now().since(self.looked) < self.lock.poll() => Ok(()),
            Role::Follower { may_lead: true } => self.seize().map(|_| ()),
            Role::Leader { refreshed } => self.refresh(refreshed),
        };
        self.tell();
        turned
    }

    fn refresh(&mut self, refreshed: Moment) -> Result<(), String> {
        let since = now();
        if since.since(refreshed) < self.loop_wait {
            return Ok(());
        }
        if let Some(rounds) = self.rounds_left {
            self.see();
            match rounds.checked_sub(1) {
                None => self.frozen = true,
                left => {
                    self.rounds_left = left;
                    self.role = Role::Leader { refreshed: since };
                }
            }
            return Ok(());
        }
        if self.lock.renew()? {
            self.role = Role::Leader { refreshed: since };
            self.renewed = since;
            self.see();
            self.lead_from(now());
        } else {
            // The lock ended while the store was unreachable: another host may lead by now.
            self.role = Role::Follower { may_lead: true };
        }
        Ok(())
    }

    fn seize(&mut self) -> Result<bool, String> {
        let sent = now();
        self.looked = sent;
        let taken = self.lock.take()?;
        self.see();
        if taken {
            let answered = now();
            self.role = Role::Leader { refreshed: sent };
            self.renewed = sent;
            self.taken = Some(Taken { sent, answered });
            self.lead_from(answered);
        }
        self.tell();
        Ok(taken)
    }

    fn step_down(&mut self) -> Result<(), String> {
        let Role::Leader { .. } = self.role else { return Ok(()) };
        self.role = Role::Follower { may_lead: false };
        self.tell();
        self.lock.release()
    }

    // The REST API

    /// It has read the store.
    fn see(&self) {
        if let Some((voice, _)) = &self.voice {
            voice.say(|said| said.frozen_at = Some(wall_time().0.as_secs()));
        }
    }

    /// It has the lock, renewed at this moment. The API itself knows when that is over.
    fn lead_from(&self, renewed: Moment) {
        if let Some((voice, ttl)) = &self.voice {
            let until = renewed + *ttl;
            voice.say(|said| said.leads_until = Some(until));
        }
    }

    fn tell(&self) {
        if let Some((voice, _)) = &self.voice {
            let leads = matches!(self.role, Role::Leader { .. });
            voice.say(|said| said.leads = leads);
        }
    }
}
