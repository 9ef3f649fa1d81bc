//! ARP: no frame makes the reader fall, and what it reads is what stands in the frame.

#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use vip_manager::vip::Mac;
use vip_manager::wire::arp::{Arp, LENGTH, Operation, parse, reply, request};

fuzz_target!(|bytes: &[u8]| {
    if let Some(arp) = parse(bytes) {
        assert!(bytes.len() >= LENGTH, "read from {} bytes", bytes.len());
        assert_eq!((arp.sender.0.0.as_slice(), arp.sender.1.octets().as_slice()), (&bytes[22..28], &bytes[28..32]));
        assert_eq!((arp.target.0.0.as_slice(), arp.target.1.octets().as_slice()), (&bytes[32..38], &bytes[38..42]));
        assert_eq!(parse(&bytes[..LENGTH]), Some(arp), "what lies behind a frame is no part of it");
    }
    if let Some((mac, rest)) = bytes.split_first_chunk::<6>()
        && let Some((vip, _)) = rest.split_first_chunk::<4>()
    {
        round(Ipv4Addr::from(*vip), Mac(*mac));
    }
});

/// What is made is read back.
fn round(vip: Ipv4Addr, mac: Mac) {
    let sender = (mac, vip);
    let asked = Arp { operation: Operation::Request, sender, target: (Mac([0; 6]), vip) };
    assert_eq!(parse(&request(vip, mac)), Some(asked));
    assert_eq!(parse(&reply(vip, mac)), Some(Arp { operation: Operation::Reply, sender, target: sender }));
}
