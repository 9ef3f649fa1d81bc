//! An entry of the kernel's neighbour table.

use std::net::IpAddr;

use netlink_packet_core::NlasIterator;
use netlink_packet_route::neighbour::{NeighbourHeader, NeighbourState};

use super::notice::ip;

/// Somebody on the segment of an interface who answered at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    pub index: u32,
    pub address: IpAddr,
    /// A moment ago.
    pub fresh: bool,
}

/// Reads one message of type `kind`; nothing where it is of somebody who never answered.
pub fn parse(kind: u16, payload: &[u8]) -> Option<Neighbour> {
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
const HEADER: usize = 12;
const NDA_DST: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const REACHABLE: u8 = 0x02;
    const STALE: u8 = 0x04;
    const DELAY: u8 = 0x08;
    const PROBE: u8 = 0x10;
    const FAILED: u8 = 0x20;

    #[rustfmt::skip]
    fn message(state: u8) -> [u8; 20] {
        let mut message = [2, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 1,  0, 0, 0, 0,  10, 0, 0, 5];
        message[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        message[8..10].copy_from_slice(&u16::from(state).to_ne_bytes());
        message[12..14].copy_from_slice(&8_u16.to_ne_bytes());
        message[14..16].copy_from_slice(&NDA_DST.to_ne_bytes());
        message
    }

    #[test]
    fn who_answered_some_time_ago_is_a_neighbour_that_may_have_gone() {
        for state in [STALE, DELAY, PROBE] {
            assert_eq!(
                parse(RTM_NEWNEIGH, &message(state)).map(|neighbour| neighbour.fresh),
                Some(false),
                "{state:#x}"
            );
        }
    }

    #[test]
    fn who_answered_is_a_neighbour_and_who_never_did_is_none() {
        let there = Neighbour { index: 7, address: "10.0.0.5".parse().unwrap(), fresh: true };
        assert_eq!(parse(RTM_NEWNEIGH, &message(REACHABLE)), Some(there));
        assert_eq!(parse(RTM_NEWNEIGH, &message(FAILED)), None);
        assert_eq!(parse(RTM_NEWNEIGH + 1, &message(REACHABLE)), None);
        for length in 0..20 {
            assert_eq!(parse(RTM_NEWNEIGH, &message(REACHABLE)[..length]), None);
        }
    }
}
