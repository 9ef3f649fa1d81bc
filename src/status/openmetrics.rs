//! The status as metrics, in OpenMetrics 1.0; and in the text format before it, for whoever asks for that.
//!
//! One row of a table a family, so that `docs/monitoring.md`, the dashboard and the rules can be held to it.

use std::fmt::Write as _;
use std::time::Duration;

use super::http::Form;
use super::{EndpointLink, Status, Tally, VipStatus};
use crate::keeper::Tenure;
use crate::time::Lifetime;

/// What a family is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Gauge,
    Counter,
    Histogram,
    Info,
    StateSet,
}

/// A family of metrics, under its name in OpenMetrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: &'static str,
    pub help: &'static str,
}

impl Family {
    /// The name that its samples bear, for queries: a counter's ends in `_total`.
    pub fn sample(&self) -> String {
        match self.kind {
            Kind::Gauge | Kind::StateSet => self.name.to_owned(),
            Kind::Counter => format!("{}_total", self.name),
            Kind::Histogram => format!("{}_bucket", self.name),
            Kind::Info => format!("{}_info", self.name),
        }
    }
}

/// All metrics of a status.
pub fn metrics(status: &Status, form: Form) -> String {
    let mut layout = Layout { text: String::new(), form };
    for family in &FAMILIES {
        layout.head(family);
        samples(&mut layout, family, status);
    }
    if form == Form::OpenMetrics {
        layout.text.push_str("# EOF\n");
    }
    layout.text
}

/// The value of the header `Content-Type`.
pub const fn content_type(form: Form) -> &'static str {
    match form {
        Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        Form::Text => "text/plain; version=0.0.4; charset=utf-8",
    }
}

fn samples(layout: &mut Layout, family: &Family, status: &Status) {
    match family.name {
        "vip_manager_build" => layout.put(family, "_info", &[("version", status.version)], "1"),
        "vip_manager_vip_state" => states(layout, family, status),
        "vip_manager_transitions" => transitions(layout, family, status),
        "vip_manager_endpoint_up" => {
            for member in &status.endpoints {
                let up = flag(member.link == EndpointLink::Up);
                layout.put(family, "", &[("endpoint", &member.endpoint)], up);
            }
        }
        "vip_manager_source_errors" => {
            for (error, count) in &status.counters.errors {
                let labels = [("endpoint", &*error.endpoint), ("kind", error.kind)];
                layout.put(family, "_total", &labels, &count.to_string());
            }
        }
        "vip_manager_read_duration_seconds" => {
            let reads = &status.counters.reads;
            for (bound, count) in reads.cumulated() {
                layout.put(family, "_bucket", &[("le", bound)], &count.to_string());
            }
            layout.put(family, "_count", &[], &reads.count().to_string());
            layout.put(family, "_sum", &[], &seconds(reads.sum()));
        }
        name => {
            if let Some(value) = process(name, status) {
                let suffix = if family.kind == Kind::Counter { "_total" } else { "" };
                layout.put(family, suffix, &[], &value);
            }
            for vip in &status.vips {
                per_vip(layout, family, vip, status);
            }
        }
    }
}

/// What there is once.
fn process(name: &str, status: &Status) -> Option<String> {
    match name {
        "vip_manager_blind_intervals" => Some(status.counters.unreachable.to_string()),
        "vip_manager_reloads" => Some(status.counters.reloads.to_string()),
        "process_resident_memory_bytes" => status.process.resident_bytes.map(|bytes| bytes.to_string()),
        "process_open_fds" => status.process.open_descriptors.map(|count| count.to_string()),
        "process_cpu_seconds" => status.process.cpu.map(seconds),
        "process_start_time_seconds" => Some(seconds(status.started.0)),
        _ => None,
    }
}

fn per_vip(layout: &mut Layout, family: &Family, vip: &VipStatus, status: &Status) {
    let (address, interface) = (vip.vip.to_string(), vip.interface.to_string());
    let nothing = Tally::default();
    let tally = status.counters.vips.get(&(address.clone(), interface.clone())).unwrap_or(&nothing);
    let total = |count: u64| Some(("_total", count.to_string()));
    let gauge = |span: Duration| ("", seconds(span));
    let value = match family.name {
        "vip_manager_vip_held" => Some(("", flag(vip.held).to_owned())),
        "vip_manager_vip_desired" => Some(("", flag(vip.desired).to_owned())),
        "vip_manager_vip_read_age_seconds" => vip.read.as_ref().map(|read| gauge(read.age)),
        "vip_manager_vip_confirmed_age_seconds" => vip.confirmed.map(gauge),
        "vip_manager_vip_deadline_seconds" => vip.deadline.map(gauge),
        "vip_manager_vip_kernel_lifetime_seconds" => match vip.kernel {
            Some(Lifetime::Until(left)) => Some(gauge(left)),
            Some(Lifetime::Forever) => Some(("", "+Inf".to_owned())),
            None => None,
        },
        "vip_manager_vip_lease_seconds" => match vip.read.as_ref().map(|read| read.tenure) {
            Some(Tenure::AtLeast(left)) => Some(gauge(left)),
            Some(Tenure::NoLease | Tenure::Unknown) | None => None,
        },
        "vip_manager_announcements" => total(tally.announcements),
        "vip_manager_announcement_failures" => total(tally.announcement_failures),
        "vip_manager_renewals" => total(tally.renewals),
        "vip_manager_refusals" => total(tally.refusals),
        "vip_manager_conflicts" => total(tally.conflicts),
        _ => None,
    };
    if let Some((suffix, value)) = value {
        layout.put(family, suffix, &[("vip", &address), ("interface", &interface)], &value);
    }
}

fn states(layout: &mut Layout, family: &Family, status: &Status) {
    for vip in &status.vips {
        let (address, interface) = (vip.vip.to_string(), vip.interface.to_string());
        for state in STATES {
            let labels = [("vip", &*address), ("interface", &*interface), (family.name, state)];
            layout.put(family, "", &labels, flag(vip.state == state));
        }
    }
}

fn transitions(layout: &mut Layout, family: &Family, status: &Status) {
    for ((vip, interface), tally) in &status.counters.vips {
        for ((to, cause), count) in &tally.transitions {
            let labels = [("vip", &**vip), ("interface", &**interface), ("to", to), ("cause", cause)];
            layout.put(family, "_total", &labels, &count.to_string());
        }
    }
}

struct Layout {
    text: String,
    form: Form,
}

impl Layout {
    fn head(&mut self, family: &Family) {
        let (name, kind) = match self.form {
            Form::OpenMetrics => (family.name.to_owned(), new_word(family.kind)),
            Form::Text if family.kind == Kind::Histogram => (family.name.to_owned(), "histogram"),
            Form::Text => (family.sample(), old_word(family.kind)),
        };
        self.line(format_args!("# TYPE {name} {kind}"));
        if self.form == Form::OpenMetrics && !family.unit.is_empty() {
            self.line(format_args!("# UNIT {name} {}", family.unit));
        }
        self.line(format_args!("# HELP {name} {}", family.help));
    }

    fn put(&mut self, family: &Family, suffix: &str, labels: &[(&str, &str)], value: &str) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.line(format_args!("{}{suffix}{labels} {value}", family.name));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _infallible = writeln!(self.text, "{line}");
    }
}

const fn new_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
        Kind::StateSet => "stateset",
    }
}

const fn old_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
        Kind::Gauge | Kind::Info | Kind::StateSet => "gauge",
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

const fn flag(set: bool) -> &'static str {
    if set { "1" } else { "0" }
}

fn seconds(span: Duration) -> String {
    format!("{}.{:06}", span.as_secs(), span.subsec_micros())
}

const STATES: [&str; 7] = ["unknown", "standby", "acquiring", "held", "doubtful", "releasing", "stopped"];

const fn family(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Family {
    Family { name, kind, unit, help }
}

/// Every family, in the order in which it is written.
pub const FAMILIES: [Family; 24] = [
    family("vip_manager_build", Kind::Info, "", "The program that runs."),
    family("vip_manager_vip_held", Kind::Gauge, "", "Whether the kernel shows the address on this host."),
    family("vip_manager_vip_desired", Kind::Gauge, "", "Whether the daemon wants the address on this host."),
    family("vip_manager_vip_state", Kind::StateSet, "", "The state of the VIP on this host."),
    family(
        "vip_manager_vip_read_age_seconds",
        Kind::Gauge,
        "seconds",
        "Time since the newest read of the leader key that counts was sent.",
    ),
    family(
        "vip_manager_vip_confirmed_age_seconds",
        Kind::Gauge,
        "seconds",
        "Time since the newest answer that names this host; absent where none ever did.",
    ),
    family(
        "vip_manager_vip_deadline_seconds",
        Kind::Gauge,
        "seconds",
        "Time until the address has to go unless it is confirmed; absent where it is not held.",
    ),
    family(
        "vip_manager_vip_kernel_lifetime_seconds",
        Kind::Gauge,
        "seconds",
        "Time until the kernel drops the address by itself; absent where it does not stand.",
    ),
    family(
        "vip_manager_vip_lease_seconds",
        Kind::Gauge,
        "seconds",
        "What is left of the lease under the leader key; absent where the key does not name this host.",
    ),
    family("vip_manager_transitions", Kind::Counter, "", "Transitions, by the state they led to and their cause."),
    family("vip_manager_announcements", Kind::Counter, "", "Rounds of announcements that were sent."),
    family("vip_manager_announcement_failures", Kind::Counter, "", "Rounds of announcements that could not be sent."),
    family("vip_manager_renewals", Kind::Counter, "", "Lifetimes that the kernel has acknowledged for the address."),
    family("vip_manager_refusals", Kind::Counter, "", "Changes of the address that the kernel has refused."),
    family(
        "vip_manager_conflicts",
        Kind::Counter,
        "",
        "Conflicts: another host claimed the address while it was held.",
    ),
    family("vip_manager_endpoint_up", Kind::Gauge, "", "Whether the member of etcd answers and watches every key."),
    family("vip_manager_source_errors", Kind::Counter, "", "What went wrong with a member of etcd, by kind."),
    family(
        "vip_manager_read_duration_seconds",
        Kind::Histogram,
        "seconds",
        "Time from the request to the answer of linearizable reads.",
    ),
    family("vip_manager_blind_intervals", Kind::Counter, "", "Intervals in which no member of etcd answered."),
    family("vip_manager_reloads", Kind::Counter, "", "How many times the configuration was read again."),
    family("process_resident_memory_bytes", Kind::Gauge, "bytes", "Resident memory of the daemon."),
    family("process_open_fds", Kind::Gauge, "", "Open file descriptors of the daemon."),
    family("process_cpu_seconds", Kind::Counter, "seconds", "Processor time that the daemon has used."),
    family("process_start_time_seconds", Kind::Gauge, "seconds", "When the daemon began, as the time since 1970."),
];
