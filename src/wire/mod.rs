//! Bytes on the wire: announcements, probes and refusals to send, claims of other hosts, requests for connections,
//! netlink messages and the answers of name servers to read.
//!
//! When a VIP moves, neighbours that still send to the old host must learn its new hardware address. Each frame is
//! complete from the Ethernet header on, because it leaves through a packet socket: that works even for an address
//! from which the IP layer would not send yet. The value of each field was tested against the neighbour tables of
//! Linux; comments beside the fields give the reasons.
//!
//! ```
//! use std::net::Ipv4Addr;
//!
//! use vip_manager::vip::Mac;
//! use vip_manager::wire::{BROADCAST, arp};
//!
//! let (vip, mac) = (Ipv4Addr::new(10, 0, 0, 5), Mac([2, 0, 0, 0, 0, 1]));
//! let gratuitous = arp::request(vip, mac);
//! assert_eq!(gratuitous[..6], BROADCAST);
//! let read = arp::parse(&gratuitous).unwrap();
//! assert_eq!((read.sender, read.target.1), ((mac, vip), vip));
//! ```

pub mod arp;
mod checksum;
pub mod claim;
pub mod dns;
pub mod filter;
pub mod jute;
pub mod ndp;
pub mod netlink;
pub mod tcp;

/// To every host on the segment.
pub const BROADCAST: [u8; 6] = [0xff; 6];

/// Copies `bytes` to the place that starts at `offset`.
fn put(frame: &mut [u8], offset: usize, bytes: &[u8]) {
    frame[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// The bytes of the field that starts at `offset`.
fn field<const N: usize>(frame: &[u8], offset: usize) -> Option<[u8; N]> {
    frame.get(offset..offset + N)?.try_into().ok()
}
