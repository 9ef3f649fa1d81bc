//! The status as JSON. Existing names and meanings stay, new ones may be added. Durations are in seconds.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::explain;
use super::history::Transition;
use super::model::{Status, VipStatus};
use crate::endpoint::{EndpointLink, EndpointState};
use crate::keeper::{Grade, Tenure};
use crate::text;
use crate::time::Lifetime;

/// The whole status, with the last few transitions.
pub fn status(status: &Status) -> String {
    let recent = status.events.len().saturating_sub(RECENT);
    text::json(&StatusView {
        program: "vip-manager",
        version: status.version,
        daemon: status.daemon,
        host: &status.host,
        pid: status.pid,
        started: status.daemon.then(|| status.started.to_string()),
        time: status.taken.to_string(),
        config: status.config.as_deref(),
        vips: status.vips.iter().map(|one| vip(one, status)).collect(),
        endpoints: status.endpoints.iter().map(endpoint).collect(),
        events: transitions(&status.events[recent..]),
    })
}

/// All remembered transitions, oldest first.
pub fn events(status: &Status) -> String {
    text::json(&EventsView { time: status.taken.to_string(), events: transitions(&status.events) })
}

#[derive(Serialize)]
struct StatusView<'a> {
    program: &'static str,
    version: &'static str,
    daemon: bool,
    host: &'a str,
    pid: u32,
    started: Option<String>,
    time: String,
    config: Option<&'a str>,
    vips: Vec<VipView<'a>>,
    endpoints: Vec<EndpointView<'a>>,
    events: Vec<TransitionView<'a>>,
}

#[derive(Serialize)]
struct EventsView<'a> {
    time: String,
    events: Vec<TransitionView<'a>>,
}

#[derive(Serialize)]
struct VipView<'a> {
    vip: String,
    interface: String,
    state: &'static str,
    why: String,
    held: bool,
    desired: bool,
    interface_up: Option<bool>,
    key: &'a str,
    expected: &'a str,
    found: Option<&'a str>,
    revision: Option<i64>,
    read_age: Option<f64>,
    read_from: Option<&'a str>,
    lease_left: Option<f64>,
    grade: Option<&'static str>,
    claim: Option<&'static str>,
    claimed_by: Option<&'a str>,
    claim_left: Option<f64>,
    claim_refused: Option<&'a str>,
    blind: Option<&'a str>,
    confirmed_age: Option<f64>,
    deadline: Option<f64>,
    kernel_lifetime: Option<LifetimeView>,
    kernel_prefix: Option<u8>,
    kernel_unusable: Option<bool>,
    announcements: u64,
    announcement_failures: u64,
    renewals: u64,
    refusals: u64,
    conflicts: u64,
    refusing: Option<f64>,
    refused_connections: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LifetimeView {
    Seconds(f64),
    Forever(&'static str),
}

#[derive(Serialize)]
struct EndpointView<'a> {
    endpoint: &'a str,
    state: &'static str,
    why: Option<&'a str>,
    since: f64,
}

#[derive(Serialize)]
struct TransitionView<'a> {
    number: u64,
    time: String,
    vip: &'a str,
    interface: &'a str,
    from: &'static str,
    to: &'static str,
    cause: &'static str,
    reason: &'a str,
    source: Option<&'a str>,
    took: Option<f64>,
}

fn vip<'a>(vip: &'a VipStatus, status: &Status) -> VipView<'a> {
    let (tally, read) = (status.tally(vip), vip.read.as_ref());
    VipView {
        vip: vip.vip.to_string(),
        interface: vip.interface.to_string(),
        state: vip.state,
        why: explain::why(vip),
        held: vip.held,
        desired: vip.desired,
        interface_up: vip.link_up,
        key: &vip.key,
        expected: &vip.expected,
        found: read.and_then(|read| read.holder.as_deref()),
        revision: read.and_then(|read| read.revision).map(|version| version.0),
        read_age: read.map(|read| seconds(read.age)),
        read_from: read.map(|read| &*read.from),
        lease_left: read.and_then(|read| match read.tenure {
            Tenure::AtLeast(left) | Tenure::Assumed { left, .. } => Some(seconds(left)),
            Tenure::NoLease | Tenure::Unknown => None,
        }),
        grade: vip.grade().map(Grade::name),
        claim: vip.claim.as_ref().map(|claim| claim.state.name()),
        claimed_by: vip.claim.as_ref().and_then(|claim| claim.by.as_deref()),
        claim_left: vip.claim.as_ref().and_then(|claim| claim.left).map(seconds),
        claim_refused: vip.claim.as_ref().and_then(|claim| claim.refused.as_deref()),
        blind: vip.unreachable.as_deref(),
        confirmed_age: vip.confirmed.map(seconds),
        deadline: vip.deadline.map(seconds),
        kernel_lifetime: vip.kernel.map(|kernel| match kernel.left {
            Lifetime::Forever => LifetimeView::Forever("forever"),
            Lifetime::Until(span) => LifetimeView::Seconds(seconds(span)),
        }),
        kernel_prefix: vip.kernel.map(|kernel| kernel.prefix),
        kernel_unusable: vip.kernel.map(|kernel| kernel.unusable),
        announcements: tally.announcements,
        announcement_failures: tally.announcement_failures,
        renewals: tally.renewals,
        refusals: tally.refusals,
        conflicts: tally.conflicts,
        refusing: vip.refusing.map(seconds),
        refused_connections: tally.refused_connections,
    }
}

fn endpoint(endpoint: &EndpointState<Duration>) -> EndpointView<'_> {
    let (state, why) = match &endpoint.link {
        EndpointLink::Connecting => ("connecting", None),
        EndpointLink::Up => ("up", None),
        EndpointLink::Down { why } => ("down", Some(&**why)),
    };
    EndpointView { endpoint: &endpoint.endpoint, state, why, since: seconds(endpoint.since) }
}

fn transitions(events: &[Arc<Transition>]) -> Vec<TransitionView<'_>> {
    events.iter().map(|event| transition(event)).collect()
}

fn transition(event: &Transition) -> TransitionView<'_> {
    TransitionView {
        number: event.number,
        time: event.at.to_string(),
        vip: &event.vip,
        interface: &event.interface,
        from: event.from,
        to: event.to,
        cause: event.cause,
        reason: &event.reason,
        source: event.source.as_deref(),
        took: event.took.map(seconds),
    }
}

/// Whole microseconds: nanoseconds would claim a precision that nothing here has.
fn seconds(span: Duration) -> f64 {
    Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)).as_secs_f64()
}

/// How many transitions the status itself shows.
const RECENT: usize = 10;
