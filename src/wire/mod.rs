//! The bytes that go out: announcements, made and read without a packet crate.
//!
//! A neighbour that still sends to the old host has to be told. Each frame here is complete, from the Ethernet
//! header on, because it leaves through a packet socket: that one works for an address that the IP layer would not
//! yet send from. What goes into which field was measured against the neighbour tables of Linux; the reasons stand
//! beside the fields.
//!
//! And the bytes that come in: what others claim on the wire, what the kernel says by netlink.

pub mod arp;
pub mod claim;
pub mod ndp;
pub mod netlink;

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
