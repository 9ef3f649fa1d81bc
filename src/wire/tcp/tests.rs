use proptest::prelude::*;

use super::*;
use crate::wire::filter::interpreter::{passes, run};

const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
const CLIENT: Mac = Mac([2, 0, 0, 0, 0, 9]);
const VIP_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const VIP_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 5);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9);

// Made by another program than this one, with options and as Linux sends them.

#[rustfmt::skip]
const SYN_V4: [u8; 62] = [
    2, 0, 0, 0, 0, 1,   2, 0, 0, 0, 0, 9,   0x08, 0x00,
    0x45, 0, 0, 0x30,   0x12, 0x34, 0x40, 0,   0x40, 6, 0x14, 0x87,   10, 0, 0, 9,   10, 0, 0, 5,
    0x9c, 0x40,   0x15, 0x38,   1, 2, 3, 4,   0, 0, 0, 0,   0x70, 0x02, 0xfa, 0xf0,   0xbe, 0xa2,   0, 0,
    2, 4, 5, 0xb4, 1, 1, 4, 2,
];

#[rustfmt::skip]
const SYN_V6: [u8; 82] = [
    2, 0, 0, 0, 0, 1,   2, 0, 0, 0, 0, 9,   0x86, 0xdd,
    0x60, 0, 0, 0,   0, 0x1c,   6,   0x40,
    0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
    0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,
    0x9c, 0x40,   0x15, 0x38,   0xff, 0xff, 0xff, 0xff,   0, 0, 0, 0,   0x70, 0x02, 0xfa, 0xf0,   0xdc, 0xa6,   0, 0,
    2, 4, 5, 0xb4, 1, 1, 4, 2,
];

fn refusal(frame: &[u8]) -> Option<Vec<u8>> {
    parse(frame, OWN).map(|syn| syn.refusal())
}

#[test]
#[rustfmt::skip]
fn a_syn_over_ipv4_is_refused() {
    assert_eq!(refusal(&SYN_V4).unwrap(), [
        2, 0, 0, 0, 0, 9,   2, 0, 0, 0, 0, 1,   0x08, 0x00,
        0x45, 0, 0, 0x28,   0, 0, 0x40, 0,   0x40, 6, 0x26, 0xc3,   10, 0, 0, 5,   10, 0, 0, 9,
        0x15, 0x38,   0x9c, 0x40,   0, 0, 0, 0,   1, 2, 3, 5,   0x50, 0x14, 0, 0,   0xe6, 0x43,   0, 0,
    ]);
    assert_eq!(parse(&SYN_V4, OWN).unwrap().wanted(), IpAddr::V4(VIP_V4));
}

#[test]
#[rustfmt::skip]
fn a_syn_over_ipv6_is_refused_and_the_acknowledgement_wraps() {
    assert_eq!(refusal(&SYN_V6).unwrap(), [
        2, 0, 0, 0, 0, 9,   2, 0, 0, 0, 0, 1,   0x86, 0xdd,
        0x60, 0, 0, 0,   0, 0x14,   6,   0x40,
        0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,
        0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
        0x15, 0x38,   0x9c, 0x40,   0, 0, 0, 0,   0, 0, 0, 0,   0x50, 0x14, 0, 0,   0x04, 0x49,   0, 0,
    ]);
    assert_eq!(parse(&SYN_V6, OWN).unwrap().wanted(), IpAddr::V6(VIP_V6));
}

#[test]
fn the_answer_bears_the_same_vlan_tags() {
    for tags in [&[0x81, 0, 0x20, 100][..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 100]] {
        for syn in [&SYN_V4[..], &SYN_V6] {
            let tagged = [&syn[..12], tags, &syn[12..]].concat();
            let plain = refusal(syn).unwrap();
            assert_eq!(refusal(&tagged).unwrap(), [&plain[..12], tags, &plain[12..]].concat());
        }
    }
    let three = [0x81, 0, 0, 1].repeat(3);
    assert_eq!(refusal(&[&SYN_V4[..12], &three, &SYN_V4[12..]].concat()), None);
}

/// The frame with other bytes at an offset, and the checksum of an IPv4 header set right.
fn altered(frame: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    put(&mut frame, offset, bytes);
    if frame[12..14] == [8, 0] {
        put(&mut frame, 24, &[0, 0]);
        let checksum = !fold(words(&frame[14..34]));
        put(&mut frame, 24, &checksum.to_be_bytes());
    }
    frame
}

#[test]
fn only_a_bare_syn_is_answered() {
    for flags in 0..=u8::MAX {
        let bare = flags & 0x17 == 0x02;
        for (frame, offset) in [(&SYN_V4[..], 47), (&SYN_V6, 67)] {
            let frame = altered(frame, offset, &[flags]);
            assert_eq!(refusal(&frame).is_some(), bare, "flags {flags:#x}");
            let filter = if offset == 47 { filter_v4(&[VIP_V4]) } else { filter_v6(&[VIP_V6]) };
            assert_eq!(passes(&filter, &frame), bare, "flags {flags:#x}");
        }
    }
}

#[test]
fn what_no_single_host_asks_is_not_answered() {
    let silent = [
        ("to another host", altered(&SYN_V4, 0, &[2, 0, 0, 0, 0, 2])),
        ("to all hosts", altered(&SYN_V4, 0, &[0xff; 6])),
        ("from our own interface", altered(&SYN_V4, 6, &OWN.0)),
        ("from all hosts", altered(&SYN_V4, 6, &[0xff; 6])),
        ("from a group", altered(&SYN_V4, 6, &[1, 0, 0x5e, 0, 0, 9])),
        ("from no hardware address", altered(&SYN_V4, 6, &[0; 6])),
        ("from a group address", altered(&SYN_V4, 26, &[224, 0, 0, 9])),
        ("from the broadcast address", altered(&SYN_V4, 26, &[255; 4])),
        ("from no address", altered(&SYN_V4, 26, &[0; 4])),
        ("from loopback", altered(&SYN_V4, 26, &[127, 0, 0, 1])),
        ("from the VIP itself", altered(&SYN_V4, 26, &VIP_V4.octets())),
        ("from an IPv6 group", altered(&SYN_V6, 22, &[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        ("from no IPv6 address", altered(&SYN_V6, 22, &[0; 16])),
        ("from the VIP itself", altered(&SYN_V6, 22, &VIP_V6.octets())),
    ];
    for (what, frame) in silent {
        assert_eq!(refusal(&frame), None, "{what}");
    }
}

#[test]
fn fragments_other_protocols_and_damaged_headers_are_not_answered() {
    let silent = [
        ("a first fragment", altered(&SYN_V4, 20, &[0x20, 0])),
        ("a later fragment", altered(&SYN_V4, 20, &[0, 1])),
        ("UDP", altered(&SYN_V4, 23, &[17])),
        ("another version", altered(&SYN_V4, 14, &[0x65])),
        ("a header too short", altered(&SYN_V4, 14, &[0x44])),
        ("a packet shorter than its header", altered(&SYN_V4, 16, &[0, 19])),
        ("a packet that ends in the segment's header", altered(&SYN_V4, 16, &[0, 39])),
        ("a TCP header too short", altered(&SYN_V4, 46, &[0x40])),
        ("a TCP header longer than the packet", altered(&SYN_V4, 46, &[0x80])),
        ("an IPv6 fragment", altered(&SYN_V6, 20, &[44])),
        ("an IPv6 extension header", altered(&SYN_V6, 20, &[0])),
        ("an IPv6 packet that ends in the segment's header", altered(&SYN_V6, 18, &[0, 19])),
        ("another version", altered(&SYN_V6, 14, &[0x40])),
    ];
    for (what, frame) in silent {
        assert_eq!(refusal(&frame), None, "{what}");
    }
    let mut damaged = SYN_V4;
    damaged[24] ^= 1;
    assert_eq!(refusal(&damaged), None);
    for (frame, header_end) in [(&SYN_V4[..], 62), (&SYN_V6, 82)] {
        for length in 0..header_end {
            assert_eq!(refusal(&frame[..length]), None, "{length} bytes");
        }
    }
}

#[test]
fn options_data_and_padding_change_nothing() {
    // Four bytes of IP options, and data behind the header.
    let mut frame = altered(&SYN_V4, 16, &[0, 0x30 + 4 + 3]);
    frame.splice(34..34, [1, 1, 1, 0]);
    frame[14] = 0x46;
    put(&mut frame, 24, &[0, 0]);
    let checksum = !fold(words(&frame[14..38]));
    put(&mut frame, 24, &checksum.to_be_bytes());
    frame.extend([7, 7, 7, 0, 0, 0, 0]);
    assert_eq!(refusal(&frame), refusal(&SYN_V4));
    assert!(passes(&filter_v4(&[VIP_V4]), &frame));
}

#[test]
fn the_kernel_lets_only_frames_to_this_host_and_these_addresses_pass() {
    let (other_v4, other_v6) = (CLIENT_V4, CLIENT_V6);
    for packet_type in 0..=4 {
        assert_eq!(run(&filter_v4(&[other_v4, VIP_V4]), &SYN_V4, packet_type), Some(packet_type == 0));
        assert_eq!(run(&filter_v6(&[other_v6, VIP_V6]), &SYN_V6, packet_type), Some(packet_type == 0));
    }
    assert!(!passes(&filter_v4(&[other_v4]), &SYN_V4));
    assert!(!passes(&filter_v6(&[other_v6]), &SYN_V6));
    for offset in [20, 21, 23] {
        assert!(!passes(&filter_v4(&[VIP_V4]), &altered(&SYN_V4, offset, &[0x21])), "byte {offset}");
    }
    for next_header in [0, 17, 43, 44, 60] {
        assert!(!passes(&filter_v6(&[VIP_V6]), &altered(&SYN_V6, 20, &[next_header])));
    }
}

#[test]
fn a_filter_fits_into_the_kernel_however_many_addresses_there_are() {
    for count in [0, 1, 400, 401, 2_000, 2_001, 10_000] {
        let four: Vec<_> = (0..count).map(|last| Ipv4Addr::from(u32::from(VIP_V4) + last)).collect();
        let six: Vec<_> = (0..count).map(|last| Ipv6Addr::from(u128::from(VIP_V6) + u128::from(last))).collect();
        let (filter_four, filter_six) = (filter_v4(&four), filter_v6(&six));
        assert!(filter_four.len() <= 4_096 && filter_six.len() <= 4_096);
        assert_eq!(passes(&filter_four, &SYN_V4), count > 0);
        assert_eq!(passes(&filter_six, &SYN_V6), count > 0);
    }
}

/// The sum as RFC 1071 words it, one word at a time.
fn book_sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0_u16, |sum, pair| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]));
        sum + u16::from(carry)
    })
}

proptest! {
    #[test]
    fn every_checksum_is_the_one_of_the_book(client: [u8; 16], vip: [u8; 16], ports: (u16, u16), sequence: u32) {
        let four = |bytes: [u8; 16]| Ipv4Addr::from(*bytes.first_chunk().unwrap());
        let mut syn = Syn {
            from: (CLIENT, ports.0),
            to: (OWN, ports.1),
            addresses: Addresses::V4 { from: four(client), to: four(vip) },
            sequence,
            tags: Vec::new(),
        };
        let frame = syn.refusal();
        prop_assert_eq!(book_sum(&frame[14..34]), u16::MAX);
        prop_assert_eq!(book_sum(&[&frame[26..34], &[0, 6, 0, 20], &frame[34..]].concat()), u16::MAX);
        prop_assert_eq!(&frame[42..46], &sequence.wrapping_add(1).to_be_bytes());
        syn.addresses = Addresses::V6 { from: client.into(), to: vip.into() };
        let frame = syn.refusal();
        prop_assert_eq!(book_sum(&[&frame[22..54], &[0, 6, 0, 20], &frame[54..]].concat()), u16::MAX);
    }

    #[test]
    fn no_bytes_make_the_reader_fall(bytes: Vec<u8>, own: [u8; 6]) {
        prop_assert!(parse(&bytes, Mac(own)).is_none());
    }

    #[test]
    fn a_changed_byte_never_makes_the_kernel_hold_back_what_is_read(offset in 0..82_usize, value: u8, six: bool) {
        let frame = if six { altered(&SYN_V6, offset, &[value]) } else { altered(&SYN_V4, offset % 62, &[value]) };
        if let Some(syn) = parse(&frame, OWN) {
            let passed = match syn.addresses {
                Addresses::V4 { to, .. } => passes(&filter_v4(&[to]), &frame),
                Addresses::V6 { to, .. } => passes(&filter_v6(&[to]), &frame),
            };
            prop_assert!(passed);
        }
    }

    #[test]
    fn a_refusal_is_never_refused(sequence: [u8; 4]) {
        for (frame, offset) in [(&SYN_V4[..], 38), (&SYN_V6, 58)] {
            let answer = refusal(&altered(frame, offset, &sequence)).unwrap();
            prop_assert_eq!(parse(&answer, CLIENT), None);
        }
    }
}
