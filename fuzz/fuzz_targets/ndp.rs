//! Neighbour advertisements: no frame makes the reader fall, none with a wrong checksum is read, and what is made is
//! read back.

#![no_main]

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use vip_manager::vip::Mac;
use vip_manager::wire::ndp::{Advertisement, advertisement, parse};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // Bytes alone hardly ever sum up: the same frame again, with the checksum that it should have.
    let mut summed = bytes.to_vec();
    if let Some(packet) = packet(bytes).filter(|packet| packet.len() >= 4) {
        summed[CHECKSUM..CHECKSUM + 2].fill(0);
        let sum = !sum(&summed[..KIND + packet.len()]);
        summed[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum.to_be_bytes());
        read(&summed);
    }
    if let Some((mac, rest)) = bytes.split_first_chunk::<6>()
        && let Some((vip, rest)) = rest.split_first_chunk::<16>()
    {
        let (vip, from, router) = (Ipv6Addr::from(*vip), Mac(*mac), !rest.is_empty());
        let made = advertisement(vip, from, router);
        assert_eq!(sum(&made), u16::MAX);
        assert_eq!(parse(&made), Some(Advertisement { source: vip, target: vip, from, router, overrides: true }));
    }
});

fn read(bytes: &[u8]) {
    let Some(read) = parse(bytes) else { return };
    let length = packet(bytes).map(<[u8]>::len).expect("read what is cut short");
    assert!(length >= 24, "read what has no target");
    assert_eq!(sum(&bytes[..KIND + length]), u16::MAX, "read in spite of its checksum");
    assert_eq!(read.source.octets(), bytes[22..38]);
    assert_eq!(read.target.octets(), bytes[62..78]);
    assert_eq!(read.from.0, bytes[6..12]);
}

/// The ICMPv6 packet, as long as the header says.
fn packet(bytes: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(18)?, *bytes.get(19)?]));
    bytes.get(KIND..KIND + length)
}

/// The sum as RFC 1071 words it, over pseudo header and packet: sixteen bits at a time, the carry brought round at
/// once.
fn sum(frame: &[u8]) -> u16 {
    let mut covered = frame[22..KIND].to_vec();
    covered.extend(u32::try_from(frame.len() - KIND).unwrap().to_be_bytes());
    covered.extend([0, 0, 0, 58]);
    covered.extend(&frame[KIND..]);
    let word = |pair: &[u8]| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    covered.chunks(2).map(word).fold(0, |sum: u16, word| {
        let (added, carry) = sum.overflowing_add(word);
        added + u16::from(carry)
    })
}

const KIND: usize = 54;
const CHECKSUM: usize = 56;
