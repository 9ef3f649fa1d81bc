//! Unsolicited neighbour advertisements (RFC 4861, 7.2.6): "this IPv6 address is at this hardware address".
//!
//! To all nodes, with hop limit 255, the Override flag and the target's link-layer address: without any one of these
//! Linux drops the packet or keeps the old address. The frame bears its own checksum, because it does not pass the
//! IP layer.

use std::net::Ipv6Addr;

use super::checksum::{fold, words};
use super::{field, put};
use crate::vip::Mac;

/// The length of the frame.
pub const LENGTH: usize = 86;

/// The Ethernet type of IPv6.
pub const ETHERTYPE: u16 = 0x86dd;

/// The hardware address of all nodes.
pub const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// "`vip` is at `mac`", to all nodes. `router` says whether this host forwards packets.
pub fn advertisement(vip: Ipv6Addr, mac: Mac, router: bool) -> [u8; LENGTH] {
    let mut frame = [0; LENGTH];
    put(&mut frame, DESTINATION_MAC, &ALL_NODES_MAC);
    put(&mut frame, SOURCE_MAC, &mac.0);
    put(&mut frame, TYPE, &ETHERTYPE.to_be_bytes());

    frame[VERSION] = 0x60;
    put(&mut frame, PAYLOAD_LENGTH, &PAYLOAD.to_be_bytes());
    frame[NEXT_HEADER] = ICMPV6;
    frame[HOP_LIMIT] = NEVER_FORWARDED;
    put(&mut frame, SOURCE, &vip.octets());
    put(&mut frame, DESTINATION, &ALL_NODES.octets());

    frame[KIND] = NEIGHBOUR_ADVERTISEMENT;
    frame[FLAGS] = if router { OVERRIDE | ROUTER } else { OVERRIDE };
    put(&mut frame, TARGET, &vip.octets());
    put(&mut frame, OPTION, &[TARGET_LINK_LAYER_ADDRESS, ONE_UNIT]);
    put(&mut frame, OPTION_MAC, &mac.0);

    seal(&mut frame);
    frame
}

/// The length of a probe: a solicitation without an option.
pub const PROBE_LENGTH: usize = 78;

/// "Who has `vip`?" from nobody (RFC 4862, 5.4.2), as a host asks before it takes an address. No neighbour learns
/// anything from it; who has the address answers to all nodes.
pub fn probe(vip: Ipv6Addr, mac: Mac) -> [u8; PROBE_LENGTH] {
    solicitation(vip, Ipv6Addr::UNSPECIFIED, mac)
}

/// "Who has `target`? Tell `own`": an ordinary question in the name of an address that is ours. The answer comes to `mac`.
pub fn question(target: Ipv6Addr, own: Ipv6Addr, mac: Mac) -> [u8; LENGTH] {
    let mut frame = solicitation::<LENGTH>(target, own, mac);
    put(&mut frame, OPTION, &[SOURCE_LINK_LAYER_ADDRESS, ONE_UNIT]);
    put(&mut frame, OPTION_MAC, &mac.0);
    seal(&mut frame);
    frame
}

/// A sealed solicitation with room for what `N` leaves behind the target.
fn solicitation<const N: usize>(target: Ipv6Addr, from: Ipv6Addr, mac: Mac) -> [u8; N] {
    let last = target.octets();
    let group = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, last[13], last[14], last[15]];
    let payload = if N == LENGTH { PAYLOAD } else { PROBE_PAYLOAD };
    let mut frame = [0; N];
    put(&mut frame, DESTINATION_MAC, &[0x33, 0x33, 0xff, last[13], last[14], last[15]]);
    put(&mut frame, SOURCE_MAC, &mac.0);
    put(&mut frame, TYPE, &ETHERTYPE.to_be_bytes());

    frame[VERSION] = 0x60;
    put(&mut frame, PAYLOAD_LENGTH, &payload.to_be_bytes());
    frame[NEXT_HEADER] = ICMPV6;
    frame[HOP_LIMIT] = NEVER_FORWARDED;
    put(&mut frame, SOURCE, &from.octets());
    put(&mut frame, DESTINATION, &group);

    frame[KIND] = NEIGHBOUR_SOLICITATION;
    put(&mut frame, TARGET, &last);
    seal(&mut frame);
    frame
}

/// Writes the checksum of a frame that is complete otherwise.
fn seal(frame: &mut [u8]) {
    put(frame, CHECKSUM, &[0, 0]);
    let checksum = !sum(frame);
    put(frame, CHECKSUM, &checksum.to_be_bytes());
}

/// What a neighbour advertisement says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advertisement {
    /// The source address of the packet.
    pub source: Ipv6Addr,
    /// The address that is advertised.
    pub target: Ipv6Addr,
    /// The hardware address that the packet came from.
    pub from: Mac,
    /// The Router flag.
    pub router: bool,
    /// The Override flag.
    pub overrides: bool,
}

/// Reads a frame; nothing where it is not a sound neighbour advertisement.
pub fn parse(frame: &[u8]) -> Option<Advertisement> {
    let sound = u16::from_be_bytes(field(frame, TYPE)?) == ETHERTYPE
        && *frame.get(VERSION)? >> 4 == 6
        && *frame.get(NEXT_HEADER)? == ICMPV6
        && *frame.get(HOP_LIMIT)? == NEVER_FORWARDED
        && *frame.get(KIND)? == NEIGHBOUR_ADVERTISEMENT;
    let length = usize::from(u16::from_be_bytes(field(frame, PAYLOAD_LENGTH)?));
    let packet = frame.get(..KIND + length)?;
    if !sound || sum(packet) != u16::MAX {
        return None;
    }
    Some(Advertisement {
        source: Ipv6Addr::from(field::<16>(packet, SOURCE)?),
        target: Ipv6Addr::from(field::<16>(packet, TARGET)?),
        from: Mac(field(packet, SOURCE_MAC)?),
        router: packet[FLAGS] & ROUTER != 0,
        overrides: packet[FLAGS] & OVERRIDE != 0,
    })
}

/// The one's complement sum over the ICMPv6 packet of `frame` and its pseudo header (RFC 8200, 8.1): all ones where
/// the checksum in it is right.
fn sum(frame: &[u8]) -> u16 {
    let packet = &frame[KIND..];
    let pseudo = u64::from(ICMPV6) + packet.len() as u64;
    let total = pseudo + words(&frame[SOURCE..KIND]) + words(packet);
    fold(total)
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ICMPV6: u8 = 58;
/// A hop limit that no router has lowered: the packet is from this very link.
const NEVER_FORWARDED: u8 = 255;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const NEIGHBOUR_SOLICITATION: u8 = 135;
/// Header and target, no option: who has no address has no place to be answered at.
const PROBE_PAYLOAD: u16 = 24;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
/// Option lengths count units of eight bytes.
const ONE_UNIT: u8 = 1;
/// The ICMPv6 packet: header, target, one option.
const PAYLOAD: u16 = 32;

const DESTINATION_MAC: usize = 0;
const SOURCE_MAC: usize = 6;
const TYPE: usize = 12;
const VERSION: usize = 14;
const PAYLOAD_LENGTH: usize = 18;
const NEXT_HEADER: usize = 20;
const HOP_LIMIT: usize = 21;
const SOURCE: usize = 22;
const DESTINATION: usize = 38;
const KIND: usize = 54;
const CHECKSUM: usize = 56;
const FLAGS: usize = 58;
const TARGET: usize = 62;
const OPTION: usize = 78;
const OPTION_MAC: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIP: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 5);
    const MAC: Mac = Mac([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);

    #[test]
    #[rustfmt::skip]
    fn an_advertisement_tells_all_nodes_and_overrides() {
        assert_eq!(advertisement(VIP, MAC, false), [
            0x33, 0x33, 0x00, 0x00, 0x00, 0x01,   0x02, 0x11, 0x22, 0x33, 0x44, 0x55,   0x86, 0xdd,
            0x60, 0x00, 0x00, 0x00,   0x00, 0x20,   58,   255,
            0xfd, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x05,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
            136,   0,   0xf3, 0xfa,   0x20, 0x00, 0x00, 0x00,
            0xfd, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x05,
            2, 1,   0x02, 0x11, 0x22, 0x33, 0x44, 0x55,
        ]);
    }

    #[test]
    #[rustfmt::skip]
    fn a_probe_asks_the_group_of_the_address_in_the_name_of_nobody() {
        assert_eq!(probe(VIP, MAC), [
            0x33, 0x33, 0xff, 0x00, 0x00, 0x05,   0x02, 0x11, 0x22, 0x33, 0x44, 0x55,   0x86, 0xdd,
            0x60, 0x00, 0x00, 0x00,   0x00, 0x18,   58,   255,
            0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, 0, 0, 0x05,
            135,   0,   0x7d, 0x9d,   0x00, 0x00, 0x00, 0x00,
            0xfd, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x05,
        ]);
        assert_eq!(book_sum(&probe(VIP, MAC)), u16::MAX);
    }

    #[test]
    fn a_question_bears_the_asking_hosts_own_address_and_where_to_answer() {
        let own = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
        let frame = question(VIP, own, MAC);
        assert_eq!(sum(&frame), u16::MAX);
        assert_eq!((frame[KIND], &frame[SOURCE..DESTINATION]), (135, own.octets().as_slice()));
        assert_eq!(&frame[TARGET..], [VIP.octets().as_slice(), &[1, 1], &MAC.0].concat());
    }

    #[test]
    fn a_host_that_forwards_says_that_it_is_a_router() {
        let (host, router) = (advertisement(VIP, MAC, false), advertisement(VIP, MAC, true));
        assert_eq!(router[FLAGS], host[FLAGS] | 0x80);
        assert_eq!(sum(&router), u16::MAX);
    }

    #[test]
    fn what_is_cut_short_or_damaged_is_not_read() {
        let frame = advertisement(VIP, MAC, false);
        for length in 0..LENGTH {
            assert_eq!(parse(&frame[..length]), None);
        }
        for offset in [TYPE, VERSION, NEXT_HEADER, HOP_LIMIT, KIND, TARGET, OPTION_MAC] {
            let mut damaged = frame;
            damaged[offset] ^= 0x11;
            assert_eq!(parse(&damaged), None, "byte {offset}");
        }
    }

    /// An advertisement with this much behind its header, and other flags; its checksum is right.
    fn altered(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut frame = advertisement(VIP, MAC, false)[..OPTION].to_vec();
        frame.extend(rest);
        let length = u16::try_from(frame.len() - KIND).unwrap();
        put(&mut frame, PAYLOAD_LENGTH, &length.to_be_bytes());
        frame[FLAGS] = flags;
        put(&mut frame, CHECKSUM, &[0, 0]);
        let checksum = !book_sum(&frame);
        put(&mut frame, CHECKSUM, &checksum.to_be_bytes());
        frame
    }

    /// The sum as RFC 1071 words it: sixteen bits at a time, the carry brought round at once; a last byte that has no
    /// second is followed by a zero.
    fn book_sum(frame: &[u8]) -> u16 {
        let length = u32::try_from(frame.len() - KIND).unwrap();
        let mut covered = frame[SOURCE..KIND].to_vec();
        covered.extend(length.to_be_bytes());
        covered.extend([0, 0, 0, 58]);
        covered.extend(&frame[KIND..]);
        covered.chunks(2).fold(0_u16, |sum, pair| {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]);
            let (sum, carry) = sum.overflowing_add(word);
            sum + u16::from(carry)
        })
    }

    #[test]
    fn an_advertisement_may_lack_options_and_flags_and_have_an_odd_length() {
        for (flags, rest, router, overrides) in [
            (OVERRIDE, &[][..], false, true),
            (0, &[], false, false),
            (ROUTER, &[2, 1, 2, 0, 0, 0, 0, 9], true, false),
            (0, &[0xab], false, false),
        ] {
            let expected = Advertisement { source: VIP, target: VIP, from: MAC, router, overrides };
            assert_eq!(parse(&altered(flags, rest)), Some(expected), "{flags:#x}, {rest:?}");
        }
    }

    #[test]
    fn what_ends_before_its_target_does_is_not_read() {
        let whole = altered(OVERRIDE, &[]);
        for length in 0..whole.len() - KIND {
            let mut cut = whole[..KIND + length].to_vec();
            put(&mut cut, PAYLOAD_LENGTH, &u16::try_from(length).unwrap().to_be_bytes());
            if length >= 4 {
                put(&mut cut, CHECKSUM, &[0, 0]);
                let checksum = !book_sum(&cut);
                put(&mut cut, CHECKSUM, &checksum.to_be_bytes());
            }
            assert_eq!(parse(&cut), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_was_made_is_read_back(vip: [u8; 16], mac: [u8; 6], router: bool) {
            let (vip, mac) = (Ipv6Addr::from(vip), Mac(mac));
            let read = parse(&advertisement(vip, mac, router));
            prop_assert_eq!(read, Some(Advertisement { source: vip, target: vip, from: mac, router, overrides: true }));
        }

        #[test]
        fn the_checksum_is_the_one_of_the_book(vip: [u8; 16], mac: [u8; 6], router: bool) {
            prop_assert_eq!(book_sum(&advertisement(Ipv6Addr::from(vip), Mac(mac), router)), u16::MAX);
        }

        #[test]
        fn no_bytes_make_the_reader_fall(bytes: Vec<u8>) {
            prop_assert!(parse(&bytes).is_none_or(|_| bytes.len() >= OPTION));
        }
    }
}
