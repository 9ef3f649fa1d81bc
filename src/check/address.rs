//! The VIP among the addresses of this host: where it is, its subnet and prefix, IPv6's switches.

use std::net::IpAddr;

use super::Finding;
use crate::driver::Why;
use crate::vip::{Vip, full_prefix, same_network};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub vip: Vip,
    pub interface: String,
    /// Every address on the interface, the VIP too.
    pub here: Vec<Present>,
    /// Other interfaces that have the VIP.
    pub elsewhere: Vec<String>,
    /// Whether the kernel keeps secondary addresses when the first of their subnet is removed.
    pub promotes: bool,
    /// IPv6 is down on the interface.
    pub ipv6_disabled: bool,
    /// Why the daemon would refuse the VIP as the host's own address.
    pub own: Option<Why>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Present {
    pub address: IpAddr,
    pub prefix: u8,
    pub ours: bool,
    pub permanent: bool,
    /// IPv6: the kernel does not use it, because another host has it or may have it.
    pub duplicate: bool,
}

pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(own_address(facts).or_else(|| carried(facts)));
    findings.extend(elsewhere(facts));
    findings.extend(disabled(facts));
    findings.push(subnet(facts));
    findings.extend(narrowed(facts));
    findings.extend(promotion(facts));
    findings
}

fn subject(facts: &Facts) -> String {
    format!("{} on {}", facts.vip, facts.interface)
}

/// The daemon refuses to manage the host's own address.
fn own_address(facts: &Facts) -> Option<Finding> {
    let why = match facts.own? {
        Why::Only => "is this host's only address there: it would be removed when this host stops leading".to_owned(),
        other => format!("{other}: it would be removed when this host stops leading"),
    };
    let cure = "choose another, unused address as ip; each host keeps its own";
    Some(Finding::error("vip-own-address", subject(facts), why, cure))
}

fn carried(facts: &Facts) -> Option<Finding> {
    let present = facts.here.iter().find(|present| present.address == facts.vip.address())?;
    let subject = subject(facts);
    Some(match present {
        Present { duplicate: true, .. } => Finding::error(
            "vip-duplicate",
            subject,
            "is here, but the kernel does not use it: another host answered for it (duplicate)",
            "find the other host by the hardware address that answers below, and remove the address there",
        ),
        Present { ours: true, .. } => Finding::pass("vip-here", subject, "is here, added by vip-manager"),
        Present { permanent: true, .. } => Finding::warning(
            "vip-foreign",
            subject,
            "is permanent and was not added by vip-manager",
            "remove it from the host's network configuration (netplan, ifcfg, keepalived); the daemon takes over an address that is there",
        ),
        Present { .. } => Finding::warning(
            "vip-foreign",
            subject,
            "has a limited lifetime, without vip-manager's mark",
            "fine on kernels before 5.18, which keep no mark; otherwise find out what else adds it",
        ),
    })
}

fn elsewhere(facts: &Facts) -> Option<Finding> {
    let other = facts.elsewhere.first()?;
    let vip = facts.vip.address();
    Some(Finding::error(
        "vip-elsewhere",
        subject(facts),
        format!("is on {other} of this host, where vip-manager does not manage it"),
        format!("set interface: {other}, or remove it there: ip addr del {vip} dev {other}"),
    ))
}

fn disabled(facts: &Facts) -> Option<Finding> {
    (facts.vip.address().is_ipv6() && facts.ipv6_disabled).then(|| {
        Finding::error(
            "ipv6-disabled",
            subject(facts),
            format!("cannot be added: IPv6 is disabled on {}", facts.interface),
            format!("sysctl net.ipv6.conf.{}.disable_ipv6=0, also at boot", facts.interface),
        )
    })
}

fn subnet(facts: &Facts) -> Finding {
    let vip = facts.vip.address();
    let others: Vec<&Present> = facts
        .here
        .iter()
        .filter(|other| other.address != vip && other.address.is_ipv4() == vip.is_ipv4() && !link_local(other.address))
        .collect();
    if let Some(near) = others.iter().find(|other| same_network(other.prefix, other.address, vip)) {
        let text = format!("is in the subnet of {}/{}", near.address, near.prefix);
        return Finding::pass("vip-subnet", subject(facts), text);
    }
    let there = match others.first() {
        Some(first) => format!("{}/{}", first.address, first.prefix),
        None => "no address of its family".to_owned(),
    };
    Finding::warning(
        "vip-subnet",
        subject(facts),
        format!("is in no subnet of this interface, which has {there}: neighbours will not look for it here"),
        "correct ip or interface, unless clients have a route to it through this host",
    )
}

/// With its own prefix length the VIP would be the first address of its subnet.
fn narrowed(facts: &Facts) -> Option<Finding> {
    let (vip, full) = (facts.vip, full_prefix(facts.vip.address()));
    let company = facts.here.iter().any(|other| !other.ours && vip.shares_subnet(other.address, other.prefix));
    (vip.prefix() < full && !company).then(|| {
        let why = format!("is added as /{full}: {} has no other address of that subnet", facts.interface);
        Finding::pass("vip-prefix", subject(facts), why)
    })
}

/// Removing the first address of a subnet may remove the others.
fn promotion(facts: &Facts) -> Option<Finding> {
    let vip = facts.vip;
    let shared = facts.here.iter().any(|other| vip.shares_subnet(other.address, other.prefix));
    let trap = vip.address().is_ipv4() && vip.prefix() < full_prefix(vip.address()) && shared && !facts.promotes;
    trap.then(|| {
        Finding::warning(
            "vip-promotion",
            subject(facts),
            format!(
                "shares its prefix /{} with the host's own address: if the VIP was added first, removing it removes the \
                 host's address too",
                vip.prefix()
            ),
            format!("omit netmask (/32), or sysctl net.ipv4.conf.{}.promote_secondaries=1", facts.interface),
        )
    })
}

fn link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(address: &str, prefix: u8) -> Present {
        Present { address: address.parse().unwrap(), prefix, ours: false, permanent: true, duplicate: false }
    }

    fn facts(vip: &str, prefix: u8, here: Vec<Present>) -> Facts {
        Facts {
            vip: Vip::new(vip.parse().unwrap(), prefix).unwrap(),
            interface: "eth0".into(),
            here,
            elsewhere: Vec::new(),
            promotes: false,
            ipv6_disabled: false,
            own: None,
        }
    }

    fn ids(facts: &Facts) -> Vec<&'static str> {
        judge(facts).iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn the_hosts_own_address_cannot_be_the_vip() {
        let mut facts = facts("10.0.0.5", 32, vec![present("10.0.0.5", 24)]);
        assert!(!ids(&facts).contains(&"vip-own-address"));
        for why in [Why::Only, Why::Source, Why::First] {
            facts.own = Some(why);
            assert!(ids(&facts).contains(&"vip-own-address"));
        }
    }

    #[test]
    fn a_vip_of_another_subnet_is_reported() {
        let subnet =
            |vip: &str, prefix, host: &str| judge(&facts(vip, prefix, vec![present(host, 24)])).remove(0).level;
        assert_eq!(subnet("10.0.0.5", 32, "10.0.0.1"), super::super::Level::Pass);
        assert_eq!(subnet("10.0.1.5", 32, "10.0.0.1"), super::super::Level::Warning);
        assert_eq!(subnet("10.0.1.5", 24, "10.0.0.1"), super::super::Level::Warning);
    }

    #[test]
    fn a_shared_prefix_is_reported_unless_secondaries_are_promoted() {
        let mut facts = facts("10.0.0.5", 24, vec![present("10.0.0.1", 24)]);
        assert!(ids(&facts).contains(&"vip-promotion"));
        facts.promotes = true;
        assert!(!ids(&facts).contains(&"vip-promotion"));
    }

    #[test]
    fn a_wide_vip_without_company_is_added_as_a_single_address() {
        assert!(ids(&facts("10.0.0.5", 24, vec![])).contains(&"vip-prefix"));
        assert!(ids(&facts("10.0.0.5", 24, vec![present("10.0.0.1", 16)])).contains(&"vip-prefix"));
        assert!(!ids(&facts("10.0.0.5", 24, vec![present("10.0.0.1", 24)])).contains(&"vip-prefix"));
        assert!(!ids(&facts("10.0.0.5", 32, vec![])).contains(&"vip-prefix"));
    }

    #[test]
    fn other_interfaces_and_disabled_ipv6_are_reported() {
        let mut facts = facts("fd00::5", 128, vec![]);
        facts.ipv6_disabled = true;
        facts.elsewhere = vec!["eth1".into()];
        assert_eq!(ids(&facts), ["vip-elsewhere", "ipv6-disabled", "vip-subnet"]);
    }
}
