//! Who says on the wire that an address is his.
//!
//! An ARP packet of either kind whose sender is the address, or a neighbour advertisement whose target it is. A probe
//! (an ARP request from nobody, a neighbour solicitation) only asks whether an address is free: it claims nothing,
//! and the kernel answers it.
//!
//! [`filter_v4`] and [`filter_v6`] say the same in the kernel's language of packet filters, so that nothing else wakes the daemon. It may
//! let more pass than [`parse`] takes for a claim, and never less.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::filter::{Instruction, accept, load_byte, load_word, reject, skip, unless_equal_skip, unless_v6_skip};
use super::{arp, field, ndp};
use crate::vip::Mac;

/// The longest part of a frame that is read.
pub const LONGEST: u32 = 512;

/// "This address is at this hardware address."
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Claim {
    /// The claimed address.
    pub address: IpAddr,
    /// The hardware address of the claimant.
    pub mac: Mac,
}

/// Reads a frame, from its Ethernet header on.
pub fn parse(frame: &[u8]) -> Option<Claim> {
    match u16::from_be_bytes(field(frame, TYPE)?) {
        arp::ETHERTYPE => {
            let (mac, address) = arp::parse(frame)?.sender;
            (!address.is_unspecified()).then_some(Claim { address: address.into(), mac })
        }
        ndp::ETHERTYPE => {
            let said = ndp::parse(frame)?;
            Some(Claim { address: said.target.into(), mac: said.from })
        }
        _ => None,
    }
}

/// A filter that lets claims of these IPv4 addresses pass, on a socket that only sees ARP.
pub fn filter_v4(addresses: &[Ipv4Addr]) -> Vec<Instruction> {
    if addresses.len() > MOST_V4 {
        return vec![accept(LONGEST)];
    }
    let mut program = vec![load_word(ARP_SENDER)];
    for address in addresses {
        program.push(unless_equal_skip(u32::from(*address), 1));
        program.push(accept(LONGEST));
    }
    program.push(reject());
    program
}

/// A filter that lets advertisements of these IPv6 addresses pass, on a socket that only sees IPv6.
pub fn filter_v6(addresses: &[Ipv6Addr]) -> Vec<Instruction> {
    let mut program = Vec::new();
    for (offset, value) in [(NEXT_HEADER, 58), (ICMP_KIND, 136)] {
        program.extend([load_byte(offset), unless_equal_skip(value, 1), skip(1), reject()]);
    }
    if addresses.len() > MOST_V6 {
        program.push(accept(LONGEST));
        return program;
    }
    for address in addresses {
        program.extend(unless_v6_skip(TARGET, *address, 1));
        program.push(accept(LONGEST));
    }
    program.push(reject());
    program
}

/// Beyond these the daemon sorts itself: the kernel takes 4,096 instructions.
const MOST_V4: usize = 2_000;
const MOST_V6: usize = 400;

const TYPE: usize = 12;
const ARP_SENDER: u32 = 28;
const NEXT_HEADER: u32 = 20;
const ICMP_KIND: u32 = 54;
const TARGET: u32 = 62;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::filter::interpreter::passes;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn v4(last: u32) -> Ipv4Addr {
        Ipv4Addr::from(0x0a00_0000 + last)
    }

    fn v6(last: u128) -> Ipv6Addr {
        Ipv6Addr::from((0xfd00_u128 << 112) + last)
    }

    #[test]
    fn both_forms_of_arp_and_an_advertisement_are_claims() {
        for frame in [arp::request(v4(5), MAC), arp::reply(v4(5), MAC)] {
            assert_eq!(parse(&frame), Some(Claim { address: v4(5).into(), mac: MAC }));
        }
        let frame = ndp::advertisement(v6(5), MAC, false);
        assert_eq!(parse(&frame), Some(Claim { address: v6(5).into(), mac: MAC }));
    }

    #[test]
    fn a_probe_only_asks() {
        let mut probe = arp::request(v4(5), MAC);
        probe[28..32].fill(0);
        assert_eq!(parse(&probe), None);
        let solicitation = ndp::probe(v6(5), MAC);
        assert_eq!(parse(&solicitation), None);
        assert!(!passes(&filter_v6(&[v6(5)]), &solicitation));
    }

    #[test]
    fn the_kernel_lets_the_claims_of_these_addresses_pass_and_no_others() {
        for count in [1, 2, 300] {
            let four: Vec<_> = (0..count).map(v4).collect();
            let six: Vec<_> = (0..count).map(|last| v6(last.into())).collect();
            let (filter_four, filter_six) = (filter_v4(&four), filter_v6(&six));
            for (a, b) in four.iter().zip(&six) {
                assert!(passes(&filter_four, &arp::request(*a, MAC)));
                assert!(passes(&filter_six, &ndp::advertisement(*b, MAC, false)));
            }
            assert!(!passes(&filter_four, &arp::request(v4(count), MAC)));
            assert!(!passes(&filter_six, &ndp::advertisement(v6(count.into()), MAC, false)));
            assert!(!passes(&filter_six, &ndp::advertisement(v6(1 << 64), MAC, false)));
        }
    }

    #[test]
    fn as_many_addresses_as_the_kernel_has_room_for_are_sorted_by_it() {
        let four: Vec<_> = (0..2_000).map(v4).collect();
        let six: Vec<_> = (0..400).map(v6).collect();
        assert!(!passes(&filter_v4(&four), &arp::request(v4(2_000), MAC)));
        assert!(!passes(&filter_v6(&six), &ndp::advertisement(v6(400), MAC, false)));
    }

    #[test]
    fn a_filter_fits_into_the_kernel_however_many_addresses_there_are() {
        for count in [0, 1, 400, 401, 2_000, 2_001, 10_000] {
            let four: Vec<_> = (0..count).map(v4).collect();
            let six: Vec<_> = (0..count).map(|last| v6(last.into())).collect();
            assert!(filter_v4(&four).len() <= 4_096 && filter_v6(&six).len() <= 4_096);
            if let (Some(a), Some(b)) = (four.last(), six.last()) {
                assert!(passes(&filter_v4(&four), &arp::reply(*a, MAC)));
                assert!(passes(&filter_v6(&six), &ndp::advertisement(*b, MAC, true)));
            }
        }
    }
}
