//! What the kernel says of links, addresses and neighbours: no datagram makes the reader fall, and none makes it say what does not
//! stand there.

#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vip_manager::time::{Lifetime, Moment};
use vip_manager::vip::InterfaceName;
use vip_manager::wire::netlink::notice::{parse, parse_neighbour};
use vip_manager::wire::netlink::{Notice, messages};

fuzz_target!(|datagram: &[u8]| {
    let mut read = 0;
    for message in messages(datagram) {
        read += message.length() as usize;
        judge(message.message_type(), message.payload());
        judge_neighbour(message.message_type(), message.payload());
    }
    assert!(read <= datagram.len(), "read more than there is");
});

fn judge(kind: u16, payload: &[u8]) {
    let now = Moment::from_boot(Duration::from_secs(5_000));
    match parse(kind, payload, now) {
        Some(Notice::Link(link)) => {
            assert_eq!(Ok(&link.name), InterfaceName::new(link.name.as_str()).as_ref());
            assert_eq!(link.index.to_ne_bytes(), payload[4..8]);
            assert!(link.mac.is_none_or(|mac| holds(payload, &mac.0)));
        }
        Some(Notice::LinkGone { index }) => assert_eq!(index.to_ne_bytes(), payload[4..8]),
        Some(Notice::Address(address)) => {
            assert_eq!((address.index.to_ne_bytes().as_slice(), address.prefix), (&payload[4..8], payload[1]));
            if let Lifetime::Until(until) = address.valid {
                assert!(until >= now && until.since(now) < Duration::from_secs(u64::from(u32::MAX)));
            }
        }
        Some(Notice::AddressGone { index, prefix, .. }) => {
            assert_eq!((index.to_ne_bytes().as_slice(), prefix), (&payload[4..8], payload[1]));
        }
        None => {}
    }
}

fn judge_neighbour(kind: u16, payload: &[u8]) {
    let Some(neighbour) = parse_neighbour(kind, payload) else { return };
    assert_eq!(neighbour.index.to_ne_bytes(), payload[4..8]);
    assert!(match neighbour.address {
        IpAddr::V4(address) => holds(payload, &address.octets()),
        IpAddr::V6(address) => holds(payload, &address.octets()),
    });
}

fn holds(payload: &[u8], part: &[u8]) -> bool {
    payload.windows(part.len()).any(|window| window == part)
}
