//! Neighbour advertisements: no frame makes the reader fall, none with a wrong checksum is read, and what is made is
//! read back.

#![no_main]

#[path = "support/ndp.rs"]
mod support;

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use support::{KIND, packet, sum, summed};
use vip_manager::vip::Mac;
use vip_manager::wire::ndp::{Advertisement, advertisement, parse};

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Some(summed) = summed(bytes) {
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
