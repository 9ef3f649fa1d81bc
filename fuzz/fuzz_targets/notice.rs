//! What the kernel says of links and addresses: no message makes the reader fall, and none makes it say what cannot be.
//!
//! The reader belongs to the daemon and is taken in here as a file, so that no fuzzer has to build the daemon's
//! hundred crates.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use vip_manager::{keeper, vip};

#[path = "../../src/host/notice.rs"]
#[allow(unreachable_pub, dead_code, reason = "what only the daemon asks for")]
mod notice;

/// What the reader takes from its neighbour.
mod address {
    pub const PROTOCOL: u8 = 0x76;
}

use notice::{Lifetime, Notice};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, payload)) = bytes.split_first_chunk::<2>() else { return };
    let now = keeper::Moment::from_boot(Duration::from_secs(5_000));
    match notice::parse(u16::from_ne_bytes(*kind), payload, now) {
        Some(Notice::Link(link)) => {
            assert_eq!(Ok(&link.name), vip::InterfaceName::new(link.name.as_str()).as_ref());
            assert_eq!(link.index.to_ne_bytes(), payload[4..8]);
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
});
