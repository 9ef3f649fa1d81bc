//! ARP announcements (RFC 5227): "this IPv4 address is at this hardware address".
//!
//! One round is a request *and* a reply, since some switches and stacks honour only one of the two. Both name the
//! VIP as sender and as target. The reply's target is our own hardware address: with the broadcast address there,
//! Linux ignores the reply for a second after it last changed its mind, which is when it matters.

use std::net::Ipv4Addr;

use super::{BROADCAST, field, put};
use crate::vip::Mac;

/// The length of an ARP frame. The network card pads it.
pub const LENGTH: usize = 42;

/// The Ethernet type of ARP.
pub const ETHERTYPE: u16 = 0x0806;

/// "Who has `vip`? Tell `vip`", from `mac`.
pub fn request(vip: Ipv4Addr, mac: Mac) -> [u8; LENGTH] {
    frame(Operation::Request, vip, mac, Mac([0; 6]))
}

/// "`vip` is at `mac`", to everybody.
pub fn reply(vip: Ipv4Addr, mac: Mac) -> [u8; LENGTH] {
    frame(Operation::Reply, vip, mac, mac)
}

/// "Who has `vip`?" from nobody (RFC 5227, 2.1.1): no neighbour learns anything from it, so it can harm nobody.
pub fn probe(vip: Ipv4Addr, mac: Mac) -> [u8; LENGTH] {
    let mut frame = request(vip, mac);
    put(&mut frame, SENDER_IP, &Ipv4Addr::UNSPECIFIED.octets());
    frame
}

/// "Who has `target`? Tell `own`", from `mac`: an ordinary question in the name of an address that is ours.
pub fn question(target: Ipv4Addr, own: Ipv4Addr, mac: Mac) -> [u8; LENGTH] {
    let mut frame = request(target, mac);
    put(&mut frame, SENDER_IP, &own.octets());
    frame
}

/// What an ARP packet on Ethernet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Request or reply.
    pub operation: Operation,
    /// The sender's hardware and IP address.
    pub sender: (Mac, Ipv4Addr),
    /// The target's hardware and IP address.
    pub target: (Mac, Ipv4Addr),
}

/// The operation of an ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// "Who has the target address?"
    Request,
    /// "The sender address is at this hardware address."
    Reply,
}

/// Reads a frame; nothing where it is not ARP for IPv4 on Ethernet.
pub fn parse(frame: &[u8]) -> Option<Arp> {
    let about = field::<{ OPERATION - TYPE }>(frame, TYPE)?;
    if about != PREAMBLE {
        return None;
    }
    let operation = match u16::from_be_bytes(field(frame, OPERATION)?) {
        REQUEST => Operation::Request,
        REPLY => Operation::Reply,
        _ => return None,
    };
    let party = |mac, ip| Some((Mac(field(frame, mac)?), Ipv4Addr::from(field::<4>(frame, ip)?)));
    Some(Arp { operation, sender: party(SENDER_MAC, SENDER_IP)?, target: party(TARGET_MAC, TARGET_IP)? })
}

fn frame(operation: Operation, vip: Ipv4Addr, mac: Mac, target: Mac) -> [u8; LENGTH] {
    let code = match operation {
        Operation::Request => REQUEST,
        Operation::Reply => REPLY,
    };
    let mut frame = [0; LENGTH];
    put(&mut frame, DESTINATION, &BROADCAST);
    put(&mut frame, SOURCE, &mac.0);
    put(&mut frame, TYPE, &PREAMBLE);
    put(&mut frame, OPERATION, &code.to_be_bytes());
    put(&mut frame, SENDER_MAC, &mac.0);
    put(&mut frame, SENDER_IP, &vip.octets());
    put(&mut frame, TARGET_MAC, &target.0);
    put(&mut frame, TARGET_IP, &vip.octets());
    frame
}

/// Ethernet type ARP; hardware Ethernet, protocol IPv4, and the lengths of their addresses.
const PREAMBLE: [u8; OPERATION - TYPE] = [0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

const DESTINATION: usize = 0;
const SOURCE: usize = 6;
const TYPE: usize = 12;
const OPERATION: usize = 20;
const SENDER_MAC: usize = 22;
const SENDER_IP: usize = 28;
const TARGET_MAC: usize = 32;
const TARGET_IP: usize = 38;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
    const MAC: Mac = Mac([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);

    #[test]
    #[rustfmt::skip]
    fn a_request_asks_for_the_vip_in_the_name_of_the_vip() {
        assert_eq!(request(VIP, MAC), [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,   0x02, 0x11, 0x22, 0x33, 0x44, 0x55,   0x08, 0x06,
            0x00, 0x01,   0x08, 0x00,   6, 4,   0x00, 0x01,
            0x02, 0x11, 0x22, 0x33, 0x44, 0x55,   10, 0, 0, 5,
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00,   10, 0, 0, 5,
        ]);
    }

    #[test]
    #[rustfmt::skip]
    fn a_reply_bears_our_own_address_as_its_target_but_goes_to_everybody() {
        assert_eq!(reply(VIP, MAC), [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff,   0x02, 0x11, 0x22, 0x33, 0x44, 0x55,   0x08, 0x06,
            0x00, 0x01,   0x08, 0x00,   6, 4,   0x00, 0x02,
            0x02, 0x11, 0x22, 0x33, 0x44, 0x55,   10, 0, 0, 5,
            0x02, 0x11, 0x22, 0x33, 0x44, 0x55,   10, 0, 0, 5,
        ]);
    }

    #[test]
    fn a_probe_bears_nobodys_address() {
        let probe = parse(&probe(VIP, MAC)).unwrap();
        assert_eq!(probe.operation, Operation::Request);
        assert_eq!(probe.sender, (MAC, Ipv4Addr::UNSPECIFIED));
        assert_eq!(probe.target, (Mac([0; 6]), VIP));
    }

    #[test]
    fn a_question_bears_the_asking_hosts_own_address() {
        let own = Ipv4Addr::new(10, 0, 0, 1);
        let question = parse(&question(VIP, own, MAC)).unwrap();
        assert_eq!((question.operation, question.sender), (Operation::Request, (MAC, own)));
        assert_eq!(question.target.1, VIP);
    }

    #[test]
    fn what_is_cut_short_or_speaks_of_something_else_is_not_read() {
        let frame = request(VIP, MAC);
        for length in 0..LENGTH {
            assert_eq!(parse(&frame[..length]), None);
        }
        for (offset, byte) in [(TYPE, 0x86), (OPERATION - 1, 6), (OPERATION + 1, 3)] {
            let mut other = frame;
            other[offset] = byte;
            assert_eq!(parse(&other), None);
        }
    }

    proptest! {
        #[test]
        fn what_was_made_is_read_back(vip: u32, mac: [u8; 6], padding in 0..18_usize) {
            let (vip, mac) = (Ipv4Addr::from(vip), Mac(mac));
            let mut padded = reply(vip, mac).to_vec();
            padded.resize(LENGTH + padding, 0);
            prop_assert_eq!(
                parse(&padded),
                Some(Arp { operation: Operation::Reply, sender: (mac, vip), target: (mac, vip) })
            );
        }

        #[test]
        fn no_bytes_make_the_reader_fall(bytes: Vec<u8>) {
            prop_assert!(parse(&bytes).is_none_or(|_| bytes.len() >= LENGTH));
        }
    }
}
