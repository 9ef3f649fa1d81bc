//! One host: its clock, kernel, daemon, Patroni, and its paths to etcd.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use vip_manager::driver::{Point, Turn, VipId};
use vip_manager::keeper::{Limits, StopMode};
use vip_manager::source::claim;
use vip_manager::source::kubernetes::record;
use vip_manager::source::need::Named;
use vip_manager::source::proof::Proof;
use vip_manager::source::rounds::{Ask, Read, Rounds};
use vip_manager::time::Moment;

use crate::kernel::{Kernel, Mirror};
use crate::network::Path;
use crate::queue::{Item, MEMBERS};
use crate::setup::Setup;
use crate::store::{Answer, Key};
use crate::time::{Clock, Micros};
use crate::verdict::Record;

#[derive(Debug)]
pub struct Host {
    pub clock: Clock,
    pub kernel: Kernel,
    pub daemon: Option<Daemon>,
    /// Counts daemons, so that an event for one never reaches the next.
    pub life: u32,
    pub patroni: Patroni,
    pub paths: [Path; MEMBERS],
    pub calls: Calls,
    pub pause: Option<Pause>,
    /// Without power, if not 0.
    pub off: u8,
    /// Counts boots.
    pub boot: u32,
    /// How often the interface was recreated.
    pub links: u8,
    pub trap: Option<Trap>,
    /// Its daemon continues in the middle of the turn that it was stopped in.
    pub resumes: bool,
    /// Watch events and notices are late if not 0.
    pub late_events: u8,
    pub late_notices: u8,
    pub record: Record,
}

/// The whole machine is paused.
#[derive(Debug)]
pub struct Pause {
    pub since: Micros,
    /// Whether the clock shows the pause afterwards.
    pub clock_jumps: bool,
    pub missed: Vec<Item>,
}

/// Stops or kills the daemon when it reaches a certain step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trap {
    pub place: Place,
    /// How often it passes the place before.
    pub passes: u8,
    /// How long it is stopped; `None` for a kill.
    pub stop: Option<Micros>,
}

/// A place between two steps of the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The clock was read for this turn, and the event is not handled yet.
    Began,
    /// Before this step of the turn.
    Step(Point),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began => f.write_str("Began"),
            Self::Step(point) => write!(f, "{point:?}"),
        }
    }
}

/// A running daemon: the shipped turn with one VIP, and a model of what is around it.
#[derive(Debug)]
pub struct Daemon {
    pub turn: Turn,
    pub vip: VipId,
    pub mirror: Mirror,
    pub source: Source,
    pub claiming: Claiming,
    /// Not running: stopped by a signal, or at a trap.
    pub frozen: bool,
    /// The event of a turn in which nothing is done yet.
    pub began: Option<(Input, Moment)>,
    /// The event of a turn that handles its timers first.
    pub rest: Option<(Input, Moment)>,
    pub inbox: VecDeque<Input>,
    pub stopping: bool,
    pub notices_due: bool,
    /// Consecutive turns that ended with a deadline in the past.
    pub spins: u8,
}

/// An event for the driver.
#[derive(Clone, Debug)]
pub enum Input {
    Time,
    Notices,
    Read(Reading),
    Changed {
        path: u8,
        holder: Option<u8>,
        revision: i64,
        again: bool,
    },
    Unreachable,
    /// What became of a request about the claim.
    Claim {
        call: u32,
    },
    Stop(StopMode),
}

/// What the source's tasks remember.
#[derive(Clone, Debug)]
pub struct Source {
    pub rounds: Rounds,
    /// The session with each endpoint that `rounds` knows of.
    pub sessions: [Option<u32>; MEMBERS],
    /// The round's read and the one after a change.
    pub reads: [CurrentRead; 2],
    /// The newest revision that a watch reported.
    pub heard: i64,
    /// The lease of the key when it last named us.
    pub lease: Option<u32>,
    /// What was proved of that.
    pub proof: Option<Proof>,
    /// What the reads of a record showed.
    pub record: record::History,
    /// What the reads say of the key, and how long that counts.
    pub named: Named,
    pub limits: Limits,
    /// When the last round began.
    pub began: Moment,
    /// Spreads the rounds.
    pub dice: u64,
}

/// A read that any endpoint may answer, the newest of its kind.
#[derive(Clone, Debug, Default)]
pub struct CurrentRead {
    pub number: u32,
    pub read: Option<Read>,
    /// How many calls of it may still be answered.
    pub open: u32,
    pub answered: bool,
}

impl Source {
    pub fn new(members: &[Arc<str>; MEMBERS], limits: Limits, began: Moment, dice: u64) -> Self {
        Self {
            rounds: Rounds::new(members.iter().cloned()),
            sessions: [None; MEMBERS],
            reads: Default::default(),
            heard: 0,
            lease: None,
            proof: None,
            record: record::History::default(),
            named: Named::default(),
            limits,
            began,
            dice,
        }
    }
}

impl CurrentRead {
    pub fn begin(&mut self, read: Read) {
        *self = Self { number: self.number + 1, read: Some(read), open: 0, answered: false };
    }
}

/// An answer to a read, on its way.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub path: u8,
    pub answer: Answer,
    pub left: Left,
    pub sent: Moment,
    /// For the oracles only: what the daemon cannot know.
    pub sent_at: Micros,
    pub served_at: Micros,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    NoLease,
    Unknown,
    /// At least so much.
    AtLeast(Duration),
    /// So much, if Patroni does what its settings say.
    Assumed(Duration),
}

/// The calls of a host that are under way.
#[derive(Debug, Default)]
pub struct Calls {
    calls: Vec<Call>,
    free: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub life: u32,
    pub path: u8,
    pub epoch: u32,
    pub purpose: Purpose,
    /// The read that it belongs to.
    pub number: u32,
    pub ask: Option<Ask>,
    /// Its limit has passed.
    pub over: bool,
    pub sent: Moment,
    pub sent_at: Micros,
    pub served_at: Micros,
    pub answer: Option<Answer>,
    /// The lease whose time is queried along with it, and the answer.
    pub lease: Option<u32>,
    /// The query of the lease is a request of its own.
    pub lease_apart: bool,
    pub left: Option<Left>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Round,
    Change,
    First,
}

impl Purpose {
    pub const fn slot(self) -> usize {
        match self {
            Self::Round => 0,
            Self::Change | Self::First => 1,
        }
    }
}

impl Calls {
    pub fn begin(&mut self, call: Call) -> u32 {
        if let Some(number) = self.free.pop() {
            self.calls[number as usize] = call;
            return number;
        }
        self.calls.push(call);
        self.calls.len() as u32 - 1
    }

    pub fn one(&mut self, number: u32) -> &mut Call {
        &mut self.calls[number as usize]
    }

    pub fn end(&mut self, number: u32) -> Call {
        self.free.push(number);
        let call = &mut self.calls[number as usize];
        call.lease_apart = false;
        let ended = *call;
        call.over = true;
        ended
    }
}

/// A daemon's side of its claim.
#[derive(Clone, Debug)]
pub struct Claiming {
    pub plan: claim::Plan,
    /// The request under way.
    pub call: Option<u32>,
    pub path: u8,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub struct ClaimCall {
    pub life: u32,
    pub boot: u32,
    pub path: u8,
    pub epoch: u32,
    pub request: claim::Request,
    pub answer: Option<claim::Answer>,
    pub sent: Moment,
    /// It was answered, or given up.
    pub over: bool,
}

impl Claiming {
    pub fn new(host: usize, boot: u32, setup: &Setup) -> Self {
        let (us, ttl) = (owner(host as u8, boot), Duration::from_micros(setup.claim_ttl));
        Self { plan: claim::Plan::new(us, ttl, setup.claim_ending, setup.claim_checks_leader), call: None, path: 0 }
    }
}

pub fn owner(host: u8, boot: u32) -> claim::Owner {
    claim::Owner { host: host.to_string().into(), boot: boot.to_string().into() }
}

#[derive(Clone, Debug, Default)]
pub struct Patroni {
    /// Not running, if not 0.
    pub down: u8,
    /// Cut off from etcd, if not 0.
    pub cut: u8,
    pub leads: bool,
    pub last_refresh: Micros,
    /// Its lease, if it has one.
    pub lease: Option<u32>,
}

impl Host {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            kernel: Kernel::default(),
            daemon: None,
            life: 0,
            patroni: Patroni::default(),
            paths: Default::default(),
            calls: Calls::default(),
            pause: None,
            off: 0,
            boot: 0,
            links: 0,
            trap: None,
            resumes: false,
            late_events: 0,
            late_notices: 0,
            record: Record::default(),
        }
    }

    /// Whether the daemon runs now.
    pub fn runs(&self) -> bool {
        self.pause.is_none() && self.daemon.as_ref().is_some_and(|daemon| !daemon.frozen)
    }

    /// Whether it runs, reaches etcd, and the kernel obeys it.
    pub fn is_well(&self) -> bool {
        self.runs()
            && self.daemon.as_ref().is_some_and(|daemon| !daemon.stopping)
            && self.paths.iter().any(Path::is_good)
            && self.kernel.link.is_some()
            && self.kernel.refusing == 0
            && self.late_notices == 0
    }
}

/// Whether a key names this host.
pub const fn names(key: Option<Key>, host: usize) -> bool {
    matches!(key, Some(key) if key.holder as usize == host)
}
