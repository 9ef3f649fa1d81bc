//! The status as metrics: OpenMetrics 1.0, and the Prometheus text format for readers that accept only that.
//!
//! Each family is one row of [`FAMILIES`], so that the documentation, the dashboard and the alerts can be tested
//! against it.

use std::fmt::Display;
use std::time::Duration;

use super::counters::Tally;
use super::model::{ClaimState, Status, VipStatus};
use crate::endpoint::EndpointLink;
use crate::keeper::{Grade, Tenure};
use crate::time::Lifetime;

/// The two formats that Prometheus reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    OpenMetrics,
    /// Version 0.0.4.
    Text,
}

impl Format {
    /// The value of the header `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The type of a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Gauge,
    Counter,
    Histogram,
    Info,
    StateSet,
}

impl Kind {
    /// Its name in either format, and the suffix of its samples.
    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Gauge => ("gauge", "gauge", ""),
            Self::Counter => ("counter", "counter", "_total"),
            Self::Histogram => ("histogram", "histogram", "_bucket"),
            Self::Info => ("info", "gauge", "_info"),
            Self::StateSet => ("stateset", "gauge", ""),
        }
    }
}

/// Where the samples of a family come from.
#[derive(Clone, Copy, Debug)]
enum Samples {
    /// At most one.
    One(fn(&Status) -> Option<String>),
    /// At most one per VIP.
    PerVip(fn(&VipStatus) -> Option<String>),
    /// A counter per VIP.
    Counted(fn(&Tally) -> u64),
    /// Any number, with labels of their own.
    Many(fn(&Status, &mut Writer<'_>)),
}

/// A family of metrics, under its name in OpenMetrics.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub name: &'static str,
    kind: Kind,
    pub help: &'static str,
    samples: Samples,
}

impl Family {
    const fn new(name: &'static str, kind: Kind, help: &'static str, samples: Samples) -> Self {
        Self { name, kind, help, samples }
    }

    /// The name of its samples, for queries: a counter's ends in `_total`.
    pub fn sample(&self) -> String {
        format!("{}{}", self.name, self.kind.words().2)
    }

    fn header(&self, format: Format, text: &mut String) {
        let (new, old, _) = self.kind.words();
        let (name, kind) = match format {
            Format::Text if self.kind != Kind::Histogram => (self.sample(), old),
            Format::OpenMetrics | Format::Text => (self.name.to_owned(), new),
        };
        text.push_str(&format!("# TYPE {name} {kind}\n"));
        let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit));
        if let (Format::OpenMetrics, Some(unit)) = (format, unit) {
            text.push_str(&format!("# UNIT {name} {unit}\n"));
        }
        text.push_str(&format!("# HELP {name} {}.\n", self.help));
    }

    fn write(&self, status: &Status, text: &mut String) {
        let suffix = self.kind.words().2;
        let mut to = Writer { text, name: self.name };
        match self.samples {
            Samples::One(value) => {
                if let Some(value) = value(status) {
                    to.put(suffix, &[], value);
                }
            }
            Samples::PerVip(value) => {
                for vip in &status.vips {
                    if let Some(value) = value(vip) {
                        to.put_vip(suffix, vip, value);
                    }
                }
            }
            Samples::Counted(count) => {
                for vip in &status.vips {
                    to.put_vip(suffix, vip, count(&status.tally(vip)));
                }
            }
            Samples::Many(samples) => samples(status, &mut to),
        }
    }
}

/// Writes the samples of one family.
struct Writer<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Writer<'_> {
    fn put(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.text.push_str(&format!("{}{suffix}{labels} {value}\n", self.name));
    }

    fn put_vip(&mut self, suffix: &str, vip: &VipStatus, value: impl Display) {
        let (vip, interface) = vip.place();
        self.put(suffix, &[("vip", &vip), ("interface", &interface)], value);
    }
}

/// All metrics of a status.
pub fn metrics(status: &Status, format: Format) -> String {
    let mut text = String::new();
    for family in &FAMILIES {
        family.header(format, &mut text);
        family.write(status, &mut text);
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn states(status: &Status, to: &mut Writer<'_>) {
    for vip in &status.vips {
        let (address, interface) = vip.place();
        for state in STATES {
            let labels = [("vip", &*address), ("interface", &*interface), (to.name, state)];
            to.put("", &labels, flag(vip.state == state));
        }
    }
}

/// Nothing of a VIP whose latest read does not tell.
fn grades(status: &Status, to: &mut Writer<'_>) {
    for vip in &status.vips {
        let Some(now) = vip.grade() else { continue };
        let (address, interface) = vip.place();
        for grade in Grade::ALL {
            let labels = [("vip", &*address), ("interface", &*interface), (to.name, grade.name())];
            to.put("", &labels, flag(grade == now));
        }
    }
}

/// Nothing of a VIP that is not claimed.
fn claims(status: &Status, to: &mut Writer<'_>) {
    for vip in &status.vips {
        let Some(claim) = &vip.claim else { continue };
        let (address, interface) = vip.place();
        for state in ClaimState::ALL {
            let labels = [("vip", &*address), ("interface", &*interface), (to.name, state.name())];
            to.put("", &labels, flag(claim.state == state));
        }
    }
}

fn transitions(status: &Status, to: &mut Writer<'_>) {
    for ((vip, interface), tally) in &status.counters.vips {
        for ((state, cause), count) in &tally.transitions {
            let labels = [("vip", &**vip), ("interface", &**interface), ("to", state), ("cause", cause)];
            to.put("_total", &labels, count);
        }
    }
}

fn endpoints(status: &Status, to: &mut Writer<'_>) {
    for one in &status.endpoints {
        to.put("", &[("endpoint", &one.endpoint)], flag(one.link == EndpointLink::Up));
    }
}

fn errors(status: &Status, to: &mut Writer<'_>) {
    for (error, count) in &status.counters.errors {
        to.put("_total", &[("endpoint", &error.endpoint), ("kind", error.kind)], count);
    }
}

fn reads(status: &Status, to: &mut Writer<'_>) {
    let reads = &status.counters.reads;
    for (bound, count) in reads.cumulated() {
        to.put("_bucket", &[("le", bound)], count);
    }
    to.put("_count", &[], reads.count());
    to.put("_sum", &[], seconds(reads.sum()));
}

fn lifetime(vip: &VipStatus) -> Option<String> {
    vip.kernel.map(|kernel| match kernel.left {
        Lifetime::Until(left) => seconds(left),
        Lifetime::Forever => "+Inf".to_owned(),
    })
}

fn lease(vip: &VipStatus) -> Option<String> {
    match vip.read.as_ref()?.tenure {
        Tenure::AtLeast(left) | Tenure::Assumed { left, .. } => Some(seconds(left)),
        Tenure::NoLease | Tenure::Unknown => None,
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn flag(set: bool) -> String {
    u8::from(set).to_string()
}

fn seconds(span: Duration) -> String {
    format!("{}.{:06}", span.as_secs(), span.subsec_micros())
}

const STATES: [&str; 7] = ["unknown", "standby", "acquiring", "held", "doubtful", "releasing", "stopped"];

/// All families, in the order in which they are written.
pub const FAMILIES: [Family; 27] = [
    Family::new(
        "vip_manager_build",
        Kind::Info,
        "Version of the running program",
        Samples::Many(|status, to| to.put("_info", &[("version", status.version)], 1)),
    ),
    Family::new(
        "vip_manager_vip_held",
        Kind::Gauge,
        "Whether the kernel shows the address on this host",
        Samples::PerVip(|vip| Some(flag(vip.held))),
    ),
    Family::new(
        "vip_manager_vip_desired",
        Kind::Gauge,
        "Whether the daemon wants the address on this host",
        Samples::PerVip(|vip| Some(flag(vip.desired))),
    ),
    Family::new("vip_manager_vip_state", Kind::StateSet, "State of the VIP on this host", Samples::Many(states)),
    Family::new(
        "vip_manager_vip_read_age_seconds",
        Kind::Gauge,
        "Time since the latest accepted read of the leader key was sent",
        Samples::PerVip(|vip| vip.read.as_ref().map(|read| seconds(read.age))),
    ),
    Family::new(
        "vip_manager_vip_confirmed_age_seconds",
        Kind::Gauge,
        "Time since the latest answer that named this host; absent if none",
        Samples::PerVip(|vip| vip.confirmed.map(seconds)),
    ),
    Family::new(
        "vip_manager_vip_deadline_seconds",
        Kind::Gauge,
        "Time until the address is removed unless confirmed; absent if not held",
        Samples::PerVip(|vip| vip.deadline.map(seconds)),
    ),
    Family::new(
        "vip_manager_vip_kernel_lifetime_seconds",
        Kind::Gauge,
        "Time until the kernel removes the address; absent if not here",
        Samples::PerVip(lifetime),
    ),
    Family::new(
        "vip_manager_vip_lease_seconds",
        Kind::Gauge,
        "Time left on the leader key's lease; absent if it names another host",
        Samples::PerVip(lease),
    ),
    Family::new(
        "vip_manager_vip_grade",
        Kind::StateSet,
        "How the end of the lease is known; absent if it was not asked for",
        Samples::Many(grades),
    ),
    Family::new(
        "vip_manager_vip_claim",
        Kind::StateSet,
        "Who has the claim in the store; absent if the address is not claimed",
        Samples::Many(claims),
    ),
    Family::new(
        "vip_manager_transitions",
        Kind::Counter,
        "Transitions by resulting state and cause",
        Samples::Many(transitions),
    ),
    Family::new(
        "vip_manager_announcements",
        Kind::Counter,
        "Rounds of announcements sent",
        Samples::Counted(|tally| tally.announcements),
    ),
    Family::new(
        "vip_manager_announcement_failures",
        Kind::Counter,
        "Rounds of announcements that could not be sent",
        Samples::Counted(|tally| tally.announcement_failures),
    ),
    Family::new(
        "vip_manager_renewals",
        Kind::Counter,
        "Address lifetimes acknowledged by the kernel",
        Samples::Counted(|tally| tally.renewals),
    ),
    Family::new(
        "vip_manager_refusals",
        Kind::Counter,
        "Address changes refused by the kernel",
        Samples::Counted(|tally| tally.refusals),
    ),
    Family::new(
        "vip_manager_conflicts",
        Kind::Counter,
        "Times that another host claimed the address while this host held it",
        Samples::Counted(|tally| tally.conflicts),
    ),
    Family::new(
        "vip_manager_refused_connections",
        Kind::Counter,
        "New TCP connections to the address refused after its release",
        Samples::Counted(|tally| tally.refused_connections),
    ),
    Family::new(
        "vip_manager_endpoint_up",
        Kind::Gauge,
        "Whether the endpoint answers and watches every key",
        Samples::Many(endpoints),
    ),
    Family::new("vip_manager_source_errors", Kind::Counter, "Errors of an endpoint by kind", Samples::Many(errors)),
    Family::new(
        "vip_manager_read_duration_seconds",
        Kind::Histogram,
        "Time from request to answer of linearizable reads",
        Samples::Many(reads),
    ),
    Family::new(
        "vip_manager_blind_intervals",
        Kind::Counter,
        "Intervals in which no endpoint answered",
        Samples::One(|status| Some(status.counters.unreachable.to_string())),
    ),
    Family::new(
        "vip_manager_reloads",
        Kind::Counter,
        "Reloads of the configuration",
        Samples::One(|status| Some(status.counters.reloads.to_string())),
    ),
    Family::new(
        "process_resident_memory_bytes",
        Kind::Gauge,
        "Resident memory of the daemon",
        Samples::One(|status| status.process.resident_bytes.map(|bytes| bytes.to_string())),
    ),
    Family::new(
        "process_open_fds",
        Kind::Gauge,
        "Open file descriptors of the daemon",
        Samples::One(|status| status.process.open_descriptors.map(|count| count.to_string())),
    ),
    Family::new(
        "process_cpu_seconds",
        Kind::Counter,
        "Processor time used by the daemon",
        Samples::One(|status| status.process.cpu.map(seconds)),
    ),
    Family::new(
        "process_start_time_seconds",
        Kind::Gauge,
        "Start of the daemon, in seconds since 1970",
        Samples::One(|status| Some(seconds(status.started.0))),
    ),
];
