//! Who is known to be on the segment of an interface: the kernel's neighbour table.

use std::net::IpAddr;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::NeighbourMessage;
use nix::sys::socket::SockProtocol;

use super::netlink::{Failure, Requests};
use crate::wire::netlink::neighbour::parse;

/// The neighbours of one interface that answered at some time, IPv4 or IPv6, those that answered last before the others.
pub(super) fn known(index: u32, ipv4: bool) -> Result<Vec<IpAddr>, Failure> {
    let mut message = NeighbourMessage::default();
    message.header.family = if ipv4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut requests = Requests::open(SockProtocol::NetlinkRoute).map_err(Failure::Refused)?;
    let (mut fresh, stale): (Vec<_>, Vec<_>) = requests
        .list(RTM_GETNEIGH, &message, Vec::new, |list, kind, payload| {
            list.extend(parse(kind, payload).filter(|known| known.index == index));
        })?
        .into_iter()
        .partition(|neighbour| neighbour.fresh);
    fresh.extend(stale);
    Ok(fresh.into_iter().map(|neighbour| neighbour.address).collect())
}

const RTM_GETNEIGH: u16 = 30;
