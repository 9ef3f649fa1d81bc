//! What the daemon tells about itself: a snapshot, the last transitions, the counters, and the forms they are shown in.
//!
//! Pure: the driver fills a [`Status`] between two of its turns and hands it away whole. Whoever renders it (`text`,
//! `document`, `openmetrics`) has plain values in hand, asks nobody anything and can hold nobody up. Spans are
//! relative to the moment at which the snapshot was taken, so that a reader needs no clock of ours.

pub mod counters;
pub mod explain;
pub mod history;
pub mod http;
pub mod json;
mod layout;
pub mod openmetrics;
pub mod page;
pub mod screen;
pub mod text;

use std::sync::Arc;
use std::time::Duration;

pub use counters::{Counters, Tally};
pub use history::{History, Transition};

use crate::keeper::{Tenure, Version};
use crate::time::{Lifetime, WallTime};
use crate::vip::{InterfaceName, Vip};

/// Everything there is to know at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    pub version: &'static str,
    pub host: String,
    pub pid: u32,
    pub started: WallTime,
    pub taken: WallTime,
    /// The file that was read, if any.
    pub config: Option<String>,
    /// Nothing where no daemon runs: what follows is then what the kernel and etcd say.
    pub daemon: bool,
    pub vips: Vec<VipStatus>,
    pub endpoints: Vec<EndpointStatus>,
    /// Oldest first.
    pub events: Vec<Arc<Transition>>,
    pub counters: Counters,
    pub process: Process,
}

/// One VIP.
#[derive(Clone, Debug)]
pub struct VipStatus {
    pub vip: Vip,
    pub interface: InterfaceName,
    /// One word: unknown, standby, acquiring, held, doubtful, releasing or stopped.
    pub state: &'static str,
    /// The kernel shows the address.
    pub held: bool,
    /// The keeper wants it there.
    pub desired: bool,
    /// Nothing where there is no interface of this name.
    pub link_up: Option<bool>,
    pub key: String,
    pub expected: String,
    /// The newest read that counts.
    pub read: Option<ReadStatus>,
    /// Why nobody answers, as long as nobody does.
    pub unreachable: Option<Arc<str>>,
    /// Since the newest answer that names this host.
    pub confirmed: Option<Duration>,
    /// Until the address has to go unless it is confirmed.
    pub deadline: Option<Duration>,
    /// What is left of the address's lifetime in the kernel, if the kernel shows the address.
    pub kernel: Option<Lifetime<Duration>>,
}

/// The newest read of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadStatus {
    /// Nothing where the key is absent.
    pub holder: Option<Arc<str>>,
    /// The version that last changed the key.
    pub revision: Option<Version>,
    /// Since it was sent.
    pub age: Duration,
    pub from: Arc<str>,
    /// What is left of the lease now.
    pub tenure: Tenure,
}

/// One member of etcd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointStatus {
    pub endpoint: Arc<str>,
    pub link: EndpointLink,
    /// How long it has been so.
    pub since: Duration,
}

/// How it stands with a member of etcd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndpointLink {
    Connecting,
    Up,
    Down { why: Arc<str> },
}

/// What the kernel says of the daemon's own process; what it does not say is absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Process {
    pub resident_bytes: Option<u64>,
    pub open_descriptors: Option<u64>,
    pub cpu: Option<Duration>,
}

impl Status {
    /// Whether everything that has to be known is known: somebody answers for each VIP, and it has a verdict.
    pub fn unready(&self) -> Vec<String> {
        let undecided = |vip: &&VipStatus| vip.read.is_none() || vip.state == "unknown" || vip.state == "doubtful";
        let mut reasons: Vec<_> = self.vips.iter().filter(undecided).map(explain::line).collect();
        if !self.endpoints.iter().any(|member| member.link == EndpointLink::Up) {
            reasons.push("no member of etcd answers".to_owned());
        }
        reasons
    }
}

#[cfg(test)]
mod tests;
