//! What the kernel says about links and addresses, be it as news or in a list.
//!
//! Read here by hand, attribute by attribute, and only what is needed: the kernel's messages grow with every
//! release, and a reader that must understand all of them ends up understanding none. What cannot be read is no
//! notice; it cannot concern a VIP.

use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::NlasIterator;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressFlags, AddressHeader, CacheInfo};
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkLayerType};
use netlink_packet_route::neighbour::{NeighbourHeader, NeighbourState};

use super::{Address, Link, Notice};
use crate::time::{Lifetime, Moment};
use crate::vip::{InterfaceName, Mac};

/// Reads one message of type `kind` that arrived `at` this moment.
pub fn parse(kind: u16, payload: &[u8], at: Moment) -> Option<Notice> {
    match kind {
        RTM_NEWLINK => link(payload),
        RTM_DELLINK => link_header(payload).map(|header| Notice::LinkGone { index: header.index }),
        RTM_NEWADDR => address(payload, at).map(Notice::Address),
        RTM_DELADDR => address(payload, at).map(|gone| Notice::AddressGone {
            index: gone.index,
            address: gone.address,
            prefix: gone.prefix,
            peer: gone.peer,
        }),
        _ => None,
    }
}

/// The header, where it speaks of the interface as such: a bridge tells of its ports in messages of the same type,
/// and "port gone" there does not mean that the interface is.
fn link_header(payload: &[u8]) -> Option<LinkHeader> {
    LinkHeader::parse(payload).ok().filter(|header| header.interface_family == AddressFamily::Unspec)
}

fn link(payload: &[u8]) -> Option<Notice> {
    let header = link_header(payload)?;
    let index = header.index;
    let (mut name, mut hardware) = (None, None);
    for attribute in NlasIterator::new(payload.get(LINK_HEADER..)?) {
        let attribute = attribute.ok()?;
        match attribute.kind() {
            IFLA_IFNAME => name = Some(text(attribute.value())),
            IFLA_ADDRESS => hardware = attribute.value().try_into().ok().map(Mac),
            _ => (),
        }
    }
    // Without a name it is news of some detail, not of the link. With one that cannot be configured, the link is to
    // us as good as gone: what it was called before does not lead to it any more.
    let Ok(name) = InterfaceName::new(&name?) else {
        return Some(Notice::LinkGone { index });
    };
    let up = header.flags.contains(LinkFlags::Up | LinkFlags::Running);
    let mac = hardware.filter(|_| header.link_layer_type == LinkLayerType::Ether);
    Some(Notice::Link(Link { index, name, up, mac }))
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

fn address(payload: &[u8], at: Moment) -> Option<Address> {
    let header = AddressHeader::parse(payload).ok()?;
    let (mut local, mut peer, mut ours) = (None, None, false);
    let mut valid = Lifetime::Forever;
    let mut flags = u32::from(header.flags.bits());
    for attribute in NlasIterator::new(payload.get(ADDRESS_HEADER..)?) {
        let attribute = attribute.ok()?;
        let value = attribute.value();
        match attribute.kind() {
            IFA_LOCAL => local = ip(value),
            IFA_ADDRESS => peer = ip(value),
            IFA_CACHEINFO => valid = lifetime(CacheInfo::parse(value).ok()?.ifa_valid, at),
            IFA_FLAGS => flags = u32::from_ne_bytes(value.try_into().ok()?),
            IFA_PROTO => ours = value == [PROTOCOL],
            _ => (),
        }
    }
    let flags = AddressFlags::from_bits_retain(flags);
    Some(Address {
        index: header.index,
        // On a point-to-point link the other one is the far end's. IPv6 says `IFA_ADDRESS` alone otherwise.
        address: local.or(peer)?,
        prefix: header.prefix_len,
        peer: local.and(peer).filter(|peer| peer.is_ipv4() && Some(*peer) != local),
        valid,
        ours,
        secondary: header.family == AddressFamily::Inet && flags.contains(AddressFlags::Secondary),
        tentative: flags.contains(AddressFlags::Tentative),
        duplicate: flags.contains(AddressFlags::Dadfailed),
    })
}

/// Somebody on the segment of an interface who answered at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// The index of the interface.
    pub index: u32,
    /// The neighbour's address.
    pub address: IpAddr,
    /// A moment ago.
    pub fresh: bool,
}

/// Reads one message of type `kind`; nothing where it is of somebody who never answered.
pub fn parse_neighbour(kind: u16, payload: &[u8]) -> Option<Neighbour> {
    let header = NeighbourHeader::parse(payload).ok().filter(|_| kind == RTM_NEWNEIGH)?;
    let fresh = match header.state {
        NeighbourState::Reachable => true,
        NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe => false,
        _ => return None,
    };
    let mut attributes = NlasIterator::new(payload.get(NEIGHBOUR_HEADER..)?).flatten();
    let address = attributes.find(|attribute| attribute.kind() == NDA_DST).and_then(|found| ip(found.value()))?;
    Some(Neighbour { index: header.ifindex, address, fresh })
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        Some(v4.into())
    } else {
        <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
    }
}

fn lifetime(valid: u32, at: Moment) -> Lifetime {
    match valid {
        u32::MAX => Lifetime::Forever,
        seconds => Lifetime::Until(at + Duration::from_secs(u64::from(seconds))),
    }
}

/// The mark (`IFA_PROTO`, "v") on each address that this program put up. Neither a label nor a name could serve: the
/// kernel rewrites the former when an interface is renamed.
pub const PROTOCOL: u8 = 0x76;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
/// The message type of an added or changed address.
pub const RTM_NEWADDR: u16 = 20;
/// The message type of a removed address.
pub const RTM_DELADDR: u16 = 21;

const LINK_HEADER: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;

const ADDRESS_HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

const RTM_NEWNEIGH: u16 = 28;
const NEIGHBOUR_HEADER: usize = 12;
const NDA_DST: u16 = 1;

#[cfg(test)]
mod tests;
