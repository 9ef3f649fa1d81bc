//! A stand-in for Patroni: on each database host it competes for the leader key as Patroni does.
//!
//! The leader writes its name with a lease once and then refreshes only the lease, every `loop_wait`. The others wait
//! until the key is gone and create it with a lease of their own. vip-manager sees nothing else of Patroni.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use vip_manager::time::Moment;

use super::clock::{now, wait_until};
use super::etcd::Cluster;
use super::fail::OrFail;
use super::host::Host;
use super::store::{StoreClient, StoreError};

/// How often a follower checks whether the key is free.
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
    /// It refreshes its lease.
    Leader { lease: i64, refreshed: Moment },
}

struct Actor {
    name: String,
    timing: Timing,
    client: StoreClient,
    role: Role,
    frozen: bool,
}

impl Patroni {
    /// Starts as a follower that may not lead yet.
    pub(crate) fn start(host: &Host, cluster: &Cluster, timing: &Timing) -> Self {
        let (jobs, inbox) = mpsc::channel();
        let (name, timing) = (host.name().to_owned(), timing.clone());
        let (endpoints, user) = (cluster.plain_endpoints(), cluster.user());
        drop(host.spawn({
            let name = name.clone();
            move || {
                let role = Role::Follower { may_lead: false };
                Actor { name, timing, client: StoreClient::new(endpoints, user), role, frozen: false }.run(&inbox);
            }
        }));
        Self { name, jobs }
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
        self.with(|actor| actor.role = Role::Dead);
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
        self.with(|actor| actor.frozen = false);
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
            Role::Dead | Role::Follower { .. } => POLL,
            Role::Leader { refreshed, .. } => self.timing.loop_wait.saturating_sub(now().since(refreshed)).min(POLL),
        }
    }

    fn turn(&mut self) -> Result<(), StoreError> {
        match self.role {
            _ if self.frozen => Ok(()),
            Role::Dead | Role::Follower { may_lead: false } => Ok(()),
            Role::Follower { may_lead: true } => self.seize().map(|_| ()),
            Role::Leader { lease, refreshed } => self.refresh(lease, refreshed),
        }
    }

    fn refresh(&mut self, lease: i64, refreshed: Moment) -> Result<(), StoreError> {
        let since = now();
        if since.since(refreshed) < self.timing.loop_wait {
            return Ok(());
        }
        if self.client.keep_alive(lease)? {
            self.role = Role::Leader { lease, refreshed: since };
        } else {
            // The lease expired while etcd was unreachable: another host may lead by now.
            self.role = Role::Follower { may_lead: true };
        }
        Ok(())
    }

    fn seize(&mut self) -> Result<bool, StoreError> {
        if self.client.get(&self.timing.key)?.is_some() {
            return Ok(false);
        }
        let lease = self.client.grant(self.timing.ttl)?;
        let created = self.client.create(&self.timing.key, &self.name, lease)?;
        if created {
            self.role = Role::Leader { lease, refreshed: now() };
        }
        Ok(created)
    }

    fn step_down(&mut self) -> Result<(), StoreError> {
        let Role::Leader { lease, .. } = self.role else { return Ok(()) };
        self.role = Role::Follower { may_lead: false };
        self.client.delete(&self.timing.key)?;
        self.client.revoke(lease)
    }
}
