//! The driver as its status shows it: what the keepers, the kernel's mirror and the source know, put side by side.
//!
//! It only reads, and costs a few allocations a VIP.

use std::path::Path;
use std::time::Duration;

use super::recorder::{Recorder, place};
use super::sources::Sources;
use crate::clock;
use crate::config::VipConfig;
use crate::driver::{Actuator, Driver, ManagedVip, Mirror};
use crate::keeper::{Claimed, KeyRead, Target, Tenure};
use crate::source::EndpointState;
use crate::status::{ClaimState, ClaimStatus, KernelAddress, Process, ReadStatus, Status, Tally, VipStatus};
use crate::time::Moment;

/// The status at this moment.
pub(super) fn status<A: Actuator>(
    driver: &Driver<A>,
    sources: &Sources,
    recorder: &Recorder,
    file: Option<&Path>,
    now: Moment,
) -> Status {
    let mut counters = recorder.counters.clone();
    counters.add_errors(sources.errors());
    // Those of a refusal that goes on are counted when it ends.
    for (vip, refused_connections) in driver.refused() {
        counters.absorb(place(&vip.config), Tally { refused_connections, ..Tally::default() });
    }
    Status {
        version: env!("CARGO_PKG_VERSION"),
        host: host_name(),
        pid: std::process::id(),
        started: recorder.started,
        taken: clock::wall_time(),
        config: file.map(|file| file.display().to_string()),
        daemon: true,
        vips: driver.vips().map(|vip| vip_status(vip, driver.kernel(), now)).collect(),
        endpoints: sources.endpoints().iter().map(|member| endpoint(member, now)).collect(),
        events: recorder.history.all(),
        counters,
        process: Process::default(),
    }
}

fn vip_status(vip: &ManagedVip, kernel: &Mirror, now: Moment) -> VipStatus {
    let keeper = &vip.keeper;
    let (desired, until) = match keeper.target() {
        Target::Held { until } => (true, Some(until)),
        Target::Limited { until } => (false, Some(until)),
        Target::Released | Target::Left => (false, None),
    };
    VipStatus {
        state: keeper.state().name(),
        desired,
        read: keeper.last_read().map(|last| read(last, &vip.config.value, now)),
        unreachable: keeper.unreachable().cloned(),
        confirmed: keeper.confirmed_at().map(|at| now.since(at)),
        deadline: until.map(|until| until.since(now)),
        claim: keeper.claimed().map(|claimed| claim(claimed, now)),
        refusing: vip.refusal().map(|refusal| refusal.until.since(now)),
        ..bare(&vip.config, kernel, now)
    }
}

fn claim(claimed: &Claimed, now: Moment) -> ClaimStatus {
    let bare = |state| ClaimStatus { state, by: None, left: None, refused: None };
    match claimed {
        Claimed::Unknown => bare(ClaimState::Unknown),
        Claimed::Absent => bare(ClaimState::Absent),
        Claimed::Ours { until, .. } => ClaimStatus { left: Some(until.since(now)), ..bare(ClaimState::Ours) },
        Claimed::Taken { by, until } => {
            ClaimStatus { by: Some(by.clone()), left: until.map(|until| until.since(now)), ..bare(ClaimState::Taken) }
        }
        Claimed::Refused { why } => ClaimStatus { refused: Some(why.clone()), ..bare(ClaimState::Refused) },
    }
}

/// What the kernel alone says of a VIP.
pub(crate) fn bare(vip: &VipConfig, kernel: &Mirror, now: Moment) -> VipStatus {
    let link = kernel.link_by_name(&vip.interface);
    let present =
        link.and_then(|link| kernel.addresses(link.index, vip.vip.address()).max_by_key(|address| address.valid));
    VipStatus {
        vip: vip.vip,
        interface: vip.interface.clone(),
        state: "stopped",
        held: present.is_some(),
        desired: false,
        link_up: link.map(|link| link.up),
        key: vip.key.clone(),
        expected: vip.value.clone(),
        read: None,
        unreachable: None,
        confirmed: None,
        deadline: None,
        claim: None,
        refusing: None,
        kernel: present.map(|address| KernelAddress {
            left: address.valid.left(now),
            prefix: address.prefix,
            unusable: address.duplicate || address.tentative,
        }),
    }
}

pub(crate) fn read(read: &KeyRead, ours: &str, now: Moment) -> ReadStatus {
    let age = now.since(read.sent_at);
    let tenure = match read.tenure {
        Tenure::AtLeast(left) => Tenure::AtLeast(left.saturating_sub(age)),
        Tenure::Assumed { left, margin } => Tenure::Assumed { left: left.saturating_sub(age), margin },
        other @ (Tenure::NoLease | Tenure::Unknown) => other,
    };
    let holder = read.names.value(ours).map(Into::into);
    ReadStatus { holder, revision: read.modified, age, from: read.from.clone(), tenure, grade: read.grade() }
}

pub(crate) fn endpoint(state: &EndpointState, now: Moment) -> EndpointState<Duration> {
    EndpointState { endpoint: state.endpoint.clone(), link: state.link.clone(), since: now.since(state.since) }
}

pub(crate) fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}

/// What the kernel says of this process.
pub(super) fn process() -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let descriptors = std::fs::read_dir("/proc/self/fd").ok().and_then(|open| u64::try_from(open.count()).ok());
    Process {
        resident_bytes: resident.map(|kilobytes: u64| kilobytes * 1024),
        // The one that reads the list is in it.
        open_descriptors: descriptors.map(|count| count.saturating_sub(1)),
        cpu: clock::processor().filter(|cpu| *cpu > Duration::ZERO),
    }
}
