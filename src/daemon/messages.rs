//! Log lines about VIPs: the one place for their text.
//!
//! Each line starts with the VIP and what happened to it, then says why: what the key holds and what was expected, when
//! it was read and from which endpoint, and what is left of the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::Level;

use crate::config::{Diagnostic, Severity, VipConfig};
use crate::driver::{Announced, Failure, ManagedVip, Message, Removed};
use crate::keeper::{Cause, Grade, KeyEvent, KeyRead, Names, Note, Obstacle, Tenure, Version};
use crate::text::span;
use crate::time::Moment;
use crate::vip::Mac;

/// Logs what works in a configuration and deserves a line.
pub(super) fn configuration(notices: &[Diagnostic]) {
    for notice in notices {
        match notice.severity {
            Severity::Error | Severity::Warning => tracing::warn!("{notice}"),
            Severity::Info => tracing::info!("{notice}"),
        }
    }
}

/// The level and the text of a note.
pub(super) fn note(note: &Note, vip: &VipConfig, now: Moment) -> (Level, String) {
    (level(note), format!("{} on {} {}", vip.vip, vip.interface, Teller { vip, now }.note(note)))
}

const fn level(note: &Note) -> Level {
    match note {
        Note::Releasing { .. } => Level::DEBUG,
        Note::Released { cause, .. } => level_of_release(cause),
        Note::Adopted { .. }
        | Note::Acquired { .. }
        | Note::Graded { now: Grade::Exact, .. }
        | Note::Doubtful { .. }
        | Note::Confirmed { .. }
        | Note::Restored
        | Note::StandingBy { .. }
        | Note::Echo { .. }
        | Note::Claimed { .. }
        | Note::Uncontested { .. } => Level::INFO,
        Note::ClaimRefused { .. }
        | Note::ClaimUnconfirmed { .. }
        | Note::Waiting { .. }
        | Note::Graded { now: Grade::Assumed | Grade::Leaseless, .. }
        | Note::Missing { .. }
        | Note::Contested { .. }
        | Note::StillContested { .. } => Level::WARN,
        Note::Refused { .. } => Level::ERROR,
    }
}

/// Logs a message of the driver. Its notes are apart: see [`note`].
pub(super) fn log(message: &Message) {
    match message {
        Message::Note { .. } => {}
        Message::Claim { vip, wish } => tracing::debug!("{} on {}: claim wanted: {wish:?}", vip.vip, vip.interface),
        Message::Applied { vip, order, outcome } => {
            tracing::debug!("{} on {}: {order:?}: {outcome:?}", vip.vip, vip.interface);
        }
        Message::Announced { vip, result } => match result {
            Ok(Announced::From(mac)) => {
                tracing::trace!("announced {} on {} from {mac}", vip.vip.address(), vip.interface);
            }
            Ok(Announced::NoHardwareAddress) => tracing::info!(
                "{} not announced on {}: the interface has no hardware address",
                vip.vip.address(),
                vip.interface
            ),
            Err(failure) => warn(failure),
        },
        Message::Reset { addresses, result } => match result {
            Ok(0) => {}
            Ok(count) => tracing::info!("reset {count} connections of {}", listed(addresses)),
            Err(failure) => warn(failure),
        },
        Message::Misplaced { address, prefix, link, result } => match result {
            Ok(Removed::Gone) => tracing::warn!("{address}/{prefix} removed from renamed interface {link}"),
            Ok(Removed::WasAbsent) => {}
            Err(failure) => tracing::error!("{failure}"),
        },
        Message::Orphan { address, prefix, link, result } => match result {
            Ok(Removed::Gone) => {
                tracing::warn!("{address}/{prefix} removed from {link}: added by an earlier run, no longer configured");
            }
            Ok(Removed::WasAbsent) => {}
            Err(failure) => tracing::error!("{failure}"),
        },
        Message::DumpFailed(failure) => tracing::warn!("{failure}; retrying until it succeeds"),
        Message::Refused { vip, count, lasted } => tracing::info!(
            "{} on {} refused {count} new connections in the {} after its release",
            vip.vip,
            vip.interface,
            span(*lasted)
        ),
        Message::RefuseFailed(failure) => warn(failure),
        Message::ListenFailed(failure) => tracing::warn!("{failure}"),
    }
}

fn warn(failure: &Failure) {
    if failure.routine { tracing::debug!("{failure}") } else { tracing::warn!("{failure}") }
}

fn listed(addresses: &BTreeSet<IpAddr>) -> String {
    match addresses.first() {
        Some(only) if addresses.len() == 1 => only.to_string(),
        Some(_) | None => format!("{} addresses", addresses.len()),
    }
}

/// Logs a line at its level.
pub(super) fn say(level: Level, line: &str) {
    match level {
        Level::ERROR => tracing::error!("{line}"),
        Level::WARN => tracing::warn!("{line}"),
        Level::INFO => tracing::info!("{line}"),
        Level::DEBUG | Level::TRACE => tracing::debug!("{line}"),
    }
}

/// What `systemctl status` shows: the one VIP, or how many are in which state.
pub(super) fn overview<'a>(vips: impl Iterator<Item = &'a ManagedVip>) -> String {
    let vips: Vec<_> = vips.collect();
    if let [only] = vips[..] {
        return one(only);
    }
    let mut counts = BTreeMap::new();
    for vip in &vips {
        *counts.entry(vip.keeper.state().name()).or_insert(0_usize) += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    format!("{} VIPs: {}", vips.len(), counts.join(", "))
}

fn one(managed: &ManagedVip) -> String {
    let vip = &managed.config;
    let holder = managed.keeper.last_read().map_or_else(|| "not read yet".to_owned(), |read| holds(&read.names, vip));
    let state = managed.keeper.state().name();
    format!("{} on {}: {state} ({} {holder}; this host is \"{}\")", vip.vip, vip.interface, vip.key, vip.value)
}

/// A release by the clock is a warning; one by the key is routine.
const fn level_of_release(cause: &Cause) -> Level {
    match cause {
        Cause::Read(_) | Cause::Event(_) | Cause::Stop => Level::INFO,
        Cause::Deadline { .. }
        | Cause::Lifetime { .. }
        | Cause::LeaseEnding(_)
        | Cause::NeverConfirmed { .. }
        | Cause::ClaimLost { .. }
        | Cause::ClaimTaken { .. }
        | Cause::ClaimDeadline { .. }
        | Cause::Foreign => Level::WARN,
    }
}

struct Teller<'a> {
    vip: &'a VipConfig,
    now: Moment,
}

impl Teller<'_> {
    /// The text after the VIP and its interface.
    fn note(&self, note: &Note) -> String {
        match note {
            Note::Adopted { until } => {
                format!(
                    "found at start: keeping it for {}, until a read of {} decides",
                    self.left(*until),
                    self.vip.key
                )
            }
            Note::Waiting { evidence, for_what } => self.waiting(evidence, *for_what),
            Note::Acquired { evidence, until, took, grade } => {
                let (took, read, left) = (span(*took), self.read(evidence), self.left(*until));
                let grade = grade.map_or("none", Grade::name);
                format!("acquired in {took}: {read}; held for {left} unless confirmed; grade: {grade}")
            }
            Note::Graded { evidence, before, now } => {
                format!("has the grade {} now, it was {}: {}", now.name(), before.name(), self.read(evidence))
            }
            Note::Doubtful { last, why, until } => {
                let (since, why) = (self.since(last.as_ref()), because(why.as_ref()));
                format!("unconfirmed{since}{why}; kept for {} more, not announced", self.left(*until))
            }
            Note::Confirmed { evidence, silent_for } => {
                format!("confirmed again after {}: {}", span(*silent_for), self.read(evidence))
            }
            Note::Missing { suppressed } => {
                let more = times_more(*suppressed);
                format!("removed by another program or with its interface{more}; adding it again")
            }
            Note::Restored => "restored and announced".to_owned(),
            Note::Releasing { cause } => format!("releasing: {}", self.cause(cause)),
            Note::Released { cause, after } => format!("released in {}: {}", span(*after), self.cause(cause)),
            Note::StandingBy { cause } => format!("not acquiring: {}", self.cause(cause)),
            Note::Echo { rival } => format!(
                "claimed by {rival} just after it was acquired, probably the previous holder's last announcement; \
                 announced again"
            ),
            Note::Contested { rival } => self.contested(*rival),
            Note::StillContested { rival, claims, since } => {
                let lasting = span(self.now.since(*since));
                format!("still claimed by {rival}: {claims} claims in {lasting}; answered at a limited rate")
            }
            Note::Uncontested { rival, claims, lasted } => {
                let lasted = span(*lasted);
                format!("no longer claimed by another host: {claims} claims in {lasted}, the last by {rival}")
            }
            Note::Claimed { by, at_most } => {
                let longest = at_most.map_or_else(String::new, |span| format!(", at most {} more", whole(span)));
                format!("not acquired yet: claimed by {by}{longest} unless renewed")
            }
            Note::ClaimRefused { why, cure, required } => claim_refused(why, cure.as_ref(), *required),
            Note::ClaimUnconfirmed { why, until: Some(until) } => {
                format!("claim not renewed ({why}); kept for {} more unless it is", self.left(*until))
            }
            Note::ClaimUnconfirmed { why, until: None } => format!("not acquired yet: claim not confirmed ({why})"),
            Note::Refused { why, retry_in } => format!("not changed: {why}; retrying, first in {}", span(*retry_in)),
        }
    }

    fn left(&self, until: Moment) -> String {
        span(until.since(self.now))
    }

    fn waiting(&self, evidence: &KeyRead, obstacle: Obstacle) -> String {
        let reason = match obstacle {
            Obstacle::NoInterface => format!("interface {} does not exist; waiting for it", self.vip.interface),
            Obstacle::LeaseTooShort => format!(
                "the lease has no more than the margin of {} left; waiting for its refresh",
                span(self.vip.lease_margin)
            ),
        };
        format!("not acquired yet: {reason}; {}", self.read(evidence))
    }

    fn contested(&self, rival: Mac) -> String {
        format!(
            "also claimed by {rival}, while {} names this host; announcing it again. Find the machine with that \
             hardware address: the address may be configured there by hand or by an old configuration, or the host \
             was cut off from etcd and runs another manager",
            self.vip.key
        )
    }

    fn cause(&self, cause: &Cause) -> String {
        match cause {
            Cause::Read(read) => self.read(read),
            Cause::Event(change) => self.event(change),
            Cause::Deadline { last, why } => {
                format!("hold deadline passed, unconfirmed{}{}", self.since(last.as_ref()), because(why.as_ref()))
            }
            Cause::Lifetime { last, why } => {
                let (since, why) = (self.since(last.as_ref()), because(why.as_ref()));
                format!("removed by the kernel at the end of its lifetime, unconfirmed{since}{why}")
            }
            Cause::LeaseEnding(read) => {
                format!("the lease of {} is about to expire; {}", self.vip.key, self.read(read))
            }
            Cause::NeverConfirmed { why } => {
                format!("found at start and not confirmed in time{}", because(why.as_ref()))
            }
            Cause::ClaimLost { why } => format!("the claim of this host is gone: {why}"),
            Cause::ClaimTaken { by } => format!("claimed by {by}"),
            Cause::ClaimDeadline { why } => format!("claim not renewed in time{}", because(why.as_ref())),
            Cause::Foreign => {
                format!("added by another program, but {} does not name this host", self.vip.key)
            }
            Cause::Stop => "stopping".to_owned(),
        }
    }

    fn read(&self, read: &KeyRead) -> String {
        let mut text = format!(
            "{} {}, {} (read {} ago from {}{}",
            self.vip.key,
            holds(&read.names, self.vip),
            self.verdict(&read.names),
            span(self.now.since(read.sent_at)),
            read.from,
            revision(read.modified),
        );
        match read.tenure {
            Tenure::NoLease if read.names != Names::Nobody => text.push_str(", no lease"),
            Tenure::AtLeast(left) => {
                let _infallible = write!(text, ", lease {} left", span(left));
            }
            Tenure::Assumed { left, .. } => {
                let _infallible = write!(text, ", lease of {} assumed", span(left));
            }
            Tenure::NoLease | Tenure::Unknown => {}
        }
        text.push(')');
        text
    }

    fn event(&self, event: &KeyEvent) -> String {
        format!(
            "{} {}, {} (event from {}{})",
            self.vip.key,
            holds(&event.names, self.vip),
            self.verdict(&event.names),
            event.from,
            revision(event.version),
        )
    }

    fn verdict(&self, names: &Names) -> String {
        if names.is_us() { "which is this host".to_owned() } else { format!("this host is \"{}\"", self.vip.value) }
    }

    fn since(&self, last: Option<&KeyRead>) -> String {
        last.map_or_else(String::new, |last| {
            format!(" for {}, since {} answered", span(self.now.since(last.answered_at)), last.from)
        })
    }
}

fn holds(names: &Names, vip: &VipConfig) -> String {
    names.value(&vip.value).map_or_else(|| "is absent".to_owned(), |value| format!("holds \"{value}\""))
}

fn revision(version: Option<Version>) -> String {
    version.map_or_else(String::new, |version| format!(", revision {version}"))
}

fn claim_refused(why: &str, cure: Option<&Arc<str>>, required: bool) -> String {
    let cure = cure.map_or_else(String::new, |cure| format!("; {cure}"));
    if required {
        format!("not acquired: cannot be claimed, and claim is require: {why}{cure}")
    } else {
        format!("not claimed, going by the leader key alone, which is the weaker promise: {why}{cure}")
    }
}

/// A span of which only the seconds matter.
fn whole(span: Duration) -> String {
    format!("{} s", span.as_secs())
}

fn because(why: Option<&Arc<str>>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}

fn times_more(suppressed: u32) -> String {
    if suppressed == 0 { String::new() } else { format!(" ({suppressed} more times since last logged)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::{ClaimConfig, Hooks};
    use crate::keeper::Schedule;
    use crate::vip::{InterfaceName, Vip};

    fn vip() -> VipConfig {
        VipConfig {
            vip: Vip::single("10.0.0.5".parse().unwrap()).unwrap(),
            interface: InterfaceName::new("eth0").unwrap(),
            source: 0,
            key: "/service/pg/leader".into(),
            value: "pg-node-1".into(),
            hold_timeout: Duration::from_secs(10),
            lease_margin: Duration::from_secs(3),
            claim: ClaimConfig::default(),
            announce: Schedule { count: None, interval: None, refresh: Duration::from_secs(60) },
            reset_connections: true,
            refuse_after_release: Duration::from_secs(10),
            hooks: Hooks { acquire: None, release: None, conflict: None, limit: Duration::from_secs(10) },
        }
    }

    fn read(holder: Option<&str>) -> KeyRead {
        KeyRead {
            names: match holder {
                None => Names::Nobody,
                Some("pg-node-1") => Names::Us,
                Some(other) => Names::Other(other.into()),
            },
            version: Some(Version(40)),
            modified: Some(Version(37)),
            sent_at: Moment::from_boot(Duration::from_millis(10_000)),
            answered_at: Moment::from_boot(Duration::from_millis(10_001)),
            tenure: if holder.is_some() { Tenure::AtLeast(Duration::from_secs(27)) } else { Tenure::NoLease },
            from: "http://10.0.0.1:2379".into(),
        }
    }

    fn said(what: &Note) -> String {
        note(what, &vip(), Moment::from_boot(Duration::from_millis(10_002))).1
    }

    #[test]
    fn a_line_says_what_the_key_holds_what_was_expected_and_when_and_where_it_was_read() {
        assert_eq!(
            said(&Note::StandingBy { cause: Cause::Read(read(Some("pg-node1"))) }),
            "10.0.0.5/32 on eth0 not acquiring: /service/pg/leader holds \"pg-node1\", this host is \"pg-node-1\" \
             (read 2.0 ms ago from http://10.0.0.1:2379, revision 37, lease 27.0 s left)"
        );
        assert_eq!(
            said(&Note::Releasing { cause: Cause::Read(read(None)) }),
            "10.0.0.5/32 on eth0 releasing: /service/pg/leader is absent, this host is \"pg-node-1\" \
             (read 2.0 ms ago from http://10.0.0.1:2379, revision 37)"
        );
    }

    #[test]
    fn an_address_that_the_kernel_removed_in_time_is_not_blamed_on_another_program() {
        let cause = Cause::Lifetime { last: Some(read(Some("pg-node-1"))), why: None };
        assert_eq!(level_of_release(&cause), Level::WARN);
        assert_eq!(
            said(&Note::Released { cause, after: Duration::from_millis(1) }),
            "10.0.0.5/32 on eth0 released in 1.0 ms: removed by the kernel at the end of its lifetime, unconfirmed for \
             1.0 ms, since http://10.0.0.1:2379 answered"
        );
    }

    #[test]
    fn a_passed_deadline_says_why_no_read_confirmed() {
        let cause = Cause::Deadline { last: Some(read(Some("pg-node-1"))), why: Some("no route to host".into()) };
        assert_eq!(level_of_release(&cause), Level::WARN);
        assert!(said(&Note::Releasing { cause }).ends_with("(no route to host)"));
    }
}
