//! Who is known to be on the segment of an interface: the kernel's neighbour table.

use std::net::IpAddr;

use netlink_packet_core::NlasIterator;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::neighbour::{NeighbourHeader, NeighbourMessage, NeighbourState};
use nix::sys::socket::SockProtocol;

use super::netlink::{Failure, Requests};
use super::notice::ip;

/// The neighbours of one interface that answered at some time, IPv4 or IPv6, those that answered last before the others.
pub(super) fn known(index: u32, ipv4: bool) -> Result<Vec<IpAddr>, Failure> {
    let mut message = NeighbourMessage::default();
    message.header.family = if ipv4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut requests = Requests::open(SockProtocol::NetlinkRoute).map_err(Failure::Refused)?;
    let (mut fresh, stale): (Vec<_>, Vec<_>) = requests
        .list(RTM_GETNEIGH, &message, Vec::new, |list, kind, payload| {
            list.extend(neighbour(kind, payload).filter(|known| known.index == index));
        })?
        .into_iter()
        .partition(|neighbour| neighbour.fresh);
    fresh.extend(stale);
    Ok(fresh.into_iter().map(|neighbour| neighbour.address).collect())
}

struct Neighbour {
    index: u32,
    address: IpAddr,
    fresh: bool,
}

/// Reads one message; nothing where it is of somebody who never answered.
fn neighbour(kind: u16, payload: &[u8]) -> Option<Neighbour> {
    let header = NeighbourHeader::parse(payload).ok().filter(|_| kind == RTM_NEWNEIGH)?;
    let fresh = match header.state {
        NeighbourState::Reachable => true,
        NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe => false,
        _ => return None,
    };
    let mut attributes = NlasIterator::new(payload.get(HEADER..)?).flatten();
    let address = attributes.find(|attribute| attribute.kind() == NDA_DST).and_then(|found| ip(found.value()))?;
    Some(Neighbour { index: header.ifindex, address, fresh })
}

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const HEADER: usize = 12;
const NDA_DST: u16 = 1;
