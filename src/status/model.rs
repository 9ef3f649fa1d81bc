//! The model: plain values, taken by the driver between two of its turns.
//!
//! Durations are relative to the moment of the snapshot, so a reader needs no clock of this host.

use std::sync::Arc;
use std::time::Duration;

use super::counters::{Counters, Place, Tally};
use super::history::Transition;
use crate::endpoint::EndpointState;
use crate::keeper::{Grade, Tenure, Version};
use crate::time::{Lifetime, WallTime};
use crate::vip::{InterfaceName, Vip};

/// The daemon at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    pub version: &'static str,
    pub host: String,
    pub pid: u32,
    pub started: WallTime,
    pub taken: WallTime,
    /// The configuration file, if there is one.
    pub config: Option<String>,
    /// False if no daemon runs: the rest is then what the kernel and etcd say.
    pub daemon: bool,
    pub vips: Vec<VipStatus>,
    pub endpoints: Vec<EndpointState<Duration>>,
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
    /// The kernel shows the address on the interface.
    pub held: bool,
    /// The keeper wants it there.
    pub desired: bool,
    /// `None` if there is no such interface.
    pub link_up: Option<bool>,
    pub key: String,
    pub expected: String,
    /// The latest accepted read.
    pub read: Option<ReadStatus>,
    /// Why no endpoint answers, if none does.
    pub unreachable: Option<Arc<str>>,
    /// Time since the latest answer that named this host.
    pub confirmed: Option<Duration>,
    /// Time until the address is removed unless confirmed.
    pub deadline: Option<Duration>,
    /// The claim of the VIP in the store, if it is claimed.
    pub claim: Option<ClaimStatus>,
    /// How much longer new connections are refused, if they are.
    pub refusing: Option<Duration>,
    /// What the kernel shows of the address, if it does.
    pub kernel: Option<KernelAddress>,
}

/// The claim of a VIP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimStatus {
    pub state: ClaimState,
    /// The other host that has it.
    pub by: Option<Arc<str>>,
    /// What is left until it ends the hold, or until it ends if another host has it and does not renew it.
    pub left: Option<Duration>,
    /// Why the store refuses it.
    pub refused: Option<Arc<str>>,
}

/// Who has a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClaimState {
    Ours,
    Taken,
    Refused,
    Absent,
    Unknown,
}

impl ClaimState {
    pub const ALL: [Self; 5] = [Self::Ours, Self::Taken, Self::Refused, Self::Absent, Self::Unknown];

    /// One word for machines and people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

/// The VIP as the kernel shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelAddress {
    /// What is left of its lifetime.
    pub left: Lifetime<Duration>,
    /// Its prefix length, which is not the configured one where no other address of the subnet is on the interface.
    pub prefix: u8,
    /// IPv6: the kernel does not use the address, because another host may have it.
    pub unusable: bool,
}

/// The latest accepted read of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadStatus {
    /// `None` if the key is absent.
    pub holder: Option<Arc<str>>,
    /// The version that last changed the key.
    pub revision: Option<Version>,
    /// Time since the request was sent.
    pub age: Duration,
    pub from: Arc<str>,
    /// What is left of the lease now.
    pub tenure: Tenure,
    /// How well that is known; `None` if it was not asked for.
    pub grade: Option<Grade>,
}

/// What the kernel reports about the daemon's own process, as far as it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Process {
    pub resident_bytes: Option<u64>,
    pub open_descriptors: Option<u64>,
    pub cpu: Option<Duration>,
}

impl Status {
    /// What was counted for this VIP.
    pub fn tally(&self, vip: &VipStatus) -> Tally {
        self.counters.vips.get(&vip.place()).cloned().unwrap_or_default()
    }
}

impl VipStatus {
    /// How good the promise is, as the latest accepted read says.
    pub fn grade(&self) -> Option<Grade> {
        let grade = self.read.as_ref().and_then(|read| read.grade);
        // A claim proves when it ends, whatever the leader key tells.
        let claimed = self.claim.as_ref().is_some_and(|claim| claim.state == ClaimState::Ours);
        if claimed { grade.map(|_| Grade::Exact) } else { grade }
    }

    /// Under which its counters and transitions are filed.
    pub fn place(&self) -> Place {
        (self.vip.to_string(), self.interface.to_string())
    }
}
