//! What the kernel says by netlink, read without a socket.
//!
//! Behind the feature `netlink`: it stands on two crates that know the layout of the messages, and on nothing that does
//! I/O.

pub mod neighbour;
pub mod notice;

use netlink_packet_core::NetlinkBuffer;

/// The messages in a datagram; one that claims to be longer than what is there ends it.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(rest).ok()?;
        let length = usize::try_from(message.length()).ok()?;
        let padded = length.next_multiple_of(ALIGNMENT).min(rest.len());
        rest = &rest[padded..];
        Some(message)
    })
}

const ALIGNMENT: usize = 4;
