//! Silent network cuts: the switch drops packets, and neither end is notified.
//!
//! The packets are dropped between two ports of the bridge, in its own namespace. Neither end sees a link go down, a
//! rejected packet or a reset. That is how a real network fails; a rule on the host itself would behave differently.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::command::{attempt, feed};
use super::host::Host;
use super::lab::Lab;

/// Drops packets until it is healed or dropped.
#[derive(Debug)]
#[must_use = "a cut heals when it is dropped"]
pub(crate) struct Cut {
    switch: String,
    table: String,
}

/// The direction in which packets are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Packets that the first host sends.
    Out,
    /// Packets that are sent to the first host.
    In,
    Both,
}

impl Cut {
    /// Drops everything between `host` and each of the `others`.
    pub(crate) fn between(lab: &Lab, host: &Host, others: &[&Host], way: Way) -> Self {
        Self::with_rules(lab, &others.iter().flat_map(|other| rules(host, other, None, way)).collect::<Vec<_>>())
    }

    /// Drops everything between `host` and the TCP `port` of the `others`.
    pub(crate) fn of_port(lab: &Lab, host: &Host, others: &[&Host], port: u16, way: Way) -> Self {
        Self::with_rules(lab, &others.iter().flat_map(|other| rules(host, other, Some(port), way)).collect::<Vec<_>>())
    }

    /// Drops everything from and to `host`, whatever the protocol: what the others see of a power failure.
    pub(crate) fn off(lab: &Lab, host: &Host) -> Self {
        let port = host.name();
        Self::with_rules(lab, &[format!("iifname {port} drop"), format!("oifname {port} drop")])
    }

    /// Drops so many of a hundred packets between `host` and each of the `others`, by chance.
    pub(crate) fn lossy(lab: &Lab, host: &Host, others: &[&Host], percent: u8) -> Self {
        let lose = |rule: String| rule.replace(" drop", &format!(" numgen random mod 100 < {percent} drop"));
        let rules = others.iter().flat_map(|other| rules(host, other, None, Way::Both));
        Self::with_rules(lab, &rules.map(lose).collect::<Vec<_>>())
    }

    /// Lets the packets through again.
    pub(crate) fn heal(self) {
        drop(self);
    }

    fn with_rules(lab: &Lab, rules: &[String]) -> Self {
        static NUMBERS: AtomicUsize = AtomicUsize::new(1);
        let table = format!("cut{}", NUMBERS.fetch_add(1, Ordering::Relaxed));
        let script = format!(
            "table bridge {table} {{\nchain forward {{\ntype filter hook forward priority 0;\n{}\n}}\n}}\n",
            rules.join("\n")
        );
        let switch = lab.switch();
        feed("ip", &["netns", "exec", &switch, "nft", "-f", "-"], &script);
        Self { switch, table }
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        // The lab, and the cut with it, may already be gone.
        let _ = attempt("ip", &["netns", "exec", &self.switch, "nft", "delete", "table", "bridge", &self.table], "");
    }
}

fn rules(host: &Host, other: &Host, port: Option<u16>, way: Way) -> Vec<String> {
    let to_port = port.map_or(String::new(), |port| format!("tcp dport {port} "));
    let from_port = port.map_or(String::new(), |port| format!("tcp sport {port} "));
    let out = [
        format!("ip saddr {} ip daddr {} {to_port}drop", host.v4(), other.v4()),
        format!("ip6 saddr {} ip6 daddr {} {to_port}drop", host.v6(), other.v6()),
    ];
    let inward = [
        format!("ip saddr {} ip daddr {} {from_port}drop", other.v4(), host.v4()),
        format!("ip6 saddr {} ip6 daddr {} {from_port}drop", other.v6(), host.v6()),
    ];
    match way {
        Way::Out => out.into(),
        Way::In => inward.into(),
        Way::Both => [out, inward].concat(),
    }
}
