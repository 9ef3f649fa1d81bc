//! What tells the host's own address from a VIP that was added before this process started.
//!
//! The rule is in docs/decisions/what-is-ours.md.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::mirror::Mirror;
use crate::config::VipConfig;
use crate::time::{Lifetime, Moment};
use crate::vip::{InterfaceName, same_network};
use crate::wire::netlink::Address;

/// A VIP is the host's own address, which must not be touched.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{address} {why} on {interface} and was not added by vip-manager, so it is probably the host's own; choose another \
     address for \"ip\", or add an address of the host's own first"
)]
pub struct OwnAddress {
    pub address: IpAddr,
    pub interface: InterfaceName,
    pub why: Why,
}

/// Why an address is taken for the host's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Why {
    #[error("is the only address of its family")]
    Only,
    #[error("is the source of the host's own connections")]
    Source,
    #[error("is the first address of its subnet, which others depend on,")]
    First,
}

/// What is known beside the kernel's list of addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Circumstances {
    /// The source addresses that the kernel chooses for the default route.
    pub default_sources: BTreeSet<IpAddr>,
    /// The source addresses that it chooses for the endpoints.
    pub endpoint_sources: BTreeSet<IpAddr>,
    /// The configuration was written for an older release, which gave its VIP no mark and no lifetime.
    pub older_release: bool,
}

/// Why the VIP is the host's own address, if it is. `recorded` says whether this program has noted to have added it.
pub fn own_address(
    kernel: &Mirror,
    vip: &VipConfig,
    circumstances: &Circumstances,
    recorded: impl Fn(&Address) -> bool,
    now: Moment,
) -> Option<OwnAddress> {
    let address = vip.vip.address();
    let link = kernel.link_by_name(&vip.interface)?.index;
    let present: Vec<&Address> = kernel.addresses(link, address).collect();
    let ours = |it: &&Address| it.ours || recorded(it) || has_our_lifetime(it, vip, now);
    if present.is_empty() || present.iter().any(ours) {
        return None;
    }
    let others = || kernel.on(link).filter(|other| other.address != address && !other.ours);
    // Without it the host would have the same connections, by another address of the same interface.
    let covered = others().any(|other| same_network(other.prefix, other.address, address));
    let default = circumstances.default_sources.contains(&address) && (address.is_ipv4() || !covered);
    let endpoint = circumstances.endpoint_sources.contains(&address) && !covered;
    let first = present.iter().any(|it| !it.secondary && others().any(|other| depends(other, it)));
    let left = || {
        let as_configured = |it: &&Address| it.valid == Lifetime::Forever && it.prefix == vip.vip.prefix();
        circumstances.older_release && present.iter().all(as_configured)
    };
    let why = if kernel.only_address_of_family(link, address) && !left() {
        Why::Only
    } else if default || endpoint {
        Why::Source
    } else if first {
        Why::First
    } else {
        return None;
    };
    Some(OwnAddress { address, interface: vip.interface.clone(), why })
}

/// Nobody else gives an address a lifetime as short as a hold-timeout. A DHCP lease is longer and renewed at its half.
fn has_our_lifetime(address: &Address, vip: &VipConfig, now: Moment) -> bool {
    let longest = vip.hold_timeout.min(LONGEST_HOLD) + Duration::from_secs(1);
    matches!(address.valid, Lifetime::Until(end) if end.since(now) <= longest)
}

/// Whether the kernel removes `other` together with `first`, or would without `promote_secondaries`.
fn depends(other: &Address, first: &Address) -> bool {
    other.secondary && other.prefix == first.prefix && same_network(first.prefix, other.address, first.address)
}

/// A longer hold-timeout says nothing: a lease of DHCP may have as little left.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClaimConfig, Hooks};
    use crate::keeper::Schedule;
    use crate::vip::Vip;
    use crate::wire::netlink::{Link, Notice};

    const NOW: Moment = Moment::from_boot(Duration::from_secs(1_000));

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn vip(prefix: u8) -> VipConfig {
        VipConfig {
            vip: Vip::new(ip("10.0.0.5"), prefix).unwrap(),
            interface: InterfaceName::new("eth0").unwrap(),
            source: 0,
            key: "/service/pg/leader".into(),
            value: "pg1".into(),
            hold_timeout: Duration::from_secs(10),
            lease_margin: Duration::from_secs(3),
            claim: ClaimConfig::default(),
            announce: Schedule { count: None, interval: None, refresh: Duration::from_secs(60) },
            reset_connections: true,
            refuse_after_release: Duration::ZERO,
            hooks: Hooks { acquire: None, release: None, conflict: None, limit: Duration::from_secs(10) },
        }
    }

    fn permanent(address: &str, prefix: u8) -> Address {
        Address {
            index: 2,
            address: ip(address),
            prefix,
            valid: Lifetime::Forever,
            ours: false,
            peer: None,
            secondary: false,
            tentative: false,
            duplicate: false,
        }
    }

    fn left(address: Address, seconds: u64) -> Address {
        Address { valid: Lifetime::Until(NOW + Duration::from_secs(seconds)), ..address }
    }

    fn kernel(addresses: &[Address]) -> Mirror {
        let name = InterfaceName::new("eth0").unwrap();
        let mut kernel = Mirror::default();
        kernel.apply(&Notice::Link(Link { index: 2, name, up: true, mac: None }));
        for address in addresses {
            kernel.apply(&Notice::Address(*address));
        }
        kernel
    }

    fn judged(addresses: &[Address], circumstances: &Circumstances) -> Option<Why> {
        let own = own_address(&kernel(addresses), &vip(32), circumstances, |_| false, NOW);
        own.map(|own| own.why)
    }

    #[test]
    fn a_sole_address_is_the_hosts_own_unless_something_tells_that_we_added_it() {
        let alone = permanent("10.0.0.5", 24);
        let nothing = Circumstances::default();
        assert_eq!(judged(&[alone], &nothing), Some(Why::Only));
        assert_eq!(judged(&[Address { ours: true, ..alone }], &nothing), None, "the mark");
        assert_eq!(judged(&[left(alone, 9)], &nothing), None, "the lifetime of a hold");
        assert_eq!(judged(&[left(alone, 600)], &nothing), Some(Why::Only), "a lease of DHCP");
        assert_eq!(own_address(&kernel(&[alone]), &vip(32), &nothing, |_| true, NOW), None, "the note");
        assert_eq!(judged(&[], &nothing), None);
    }

    #[test]
    fn a_sole_address_as_an_old_file_describes_it_was_left_by_the_older_release() {
        let old = Circumstances { older_release: true, ..Circumstances::default() };
        let alone = kernel(&[permanent("10.0.0.5", 24)]);
        assert_eq!(own_address(&alone, &vip(24), &old, |_| false, NOW), None);
        let other_length = own_address(&alone, &vip(32), &old, |_| false, NOW);
        assert_eq!(other_length.map(|own| own.why), Some(Why::Only));
        let source = Circumstances { default_sources: [ip("10.0.0.5")].into(), ..old };
        let used = own_address(&alone, &vip(24), &source, |_| false, NOW);
        assert_eq!(used.map(|own| own.why), Some(Why::Source), "the host has no other address");
    }

    #[test]
    fn an_address_that_the_hosts_connections_start_from_is_its_own() {
        let (primary, second) = (permanent("10.0.0.5", 24), permanent("192.168.7.1", 24));
        let default = Circumstances { default_sources: [ip("10.0.0.5")].into(), ..Circumstances::default() };
        let endpoint = Circumstances { endpoint_sources: [ip("10.0.0.5")].into(), ..Circumstances::default() };
        assert_eq!(judged(&[primary, second], &default), Some(Why::Source));
        assert_eq!(judged(&[primary, second], &endpoint), Some(Why::Source));
        assert_eq!(judged(&[primary, second], &Circumstances::default()), None);
        let ours = Address { ours: true, ..primary };
        assert_eq!(judged(&[ours, second], &default), None, "the VIP may be a source while it is held");
        let wide = permanent("10.0.0.1", 16);
        assert_eq!(judged(&[primary, wide], &endpoint), None, "a VIP that an older release added with a longer prefix");
    }

    #[test]
    fn an_address_that_takes_others_with_it_is_the_hosts_own() {
        let first = permanent("10.0.0.5", 24);
        let second = Address { secondary: true, ..permanent("10.0.0.6", 24) };
        assert_eq!(judged(&[first, second], &Circumstances::default()), Some(Why::First));
        let vip = Address { secondary: true, ..first };
        assert_eq!(judged(&[vip, permanent("10.0.0.6", 24)], &Circumstances::default()), None);
    }
}
