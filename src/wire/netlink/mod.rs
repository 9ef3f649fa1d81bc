//! What the kernel says by netlink, read without a socket.
//!
//! The types are plain values. The readers are behind the feature `netlink`: they use two crates that know the layout of
//! the messages and do no I/O.

#[cfg(feature = "netlink")]
mod datagram;
#[cfg(feature = "netlink")]
pub mod notice;

use std::net::IpAddr;

#[cfg(feature = "netlink")]
pub use datagram::messages;

use crate::time::Lifetime;
use crate::vip::{InterfaceName, Mac};

/// One thing that the kernel says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// An interface is there, or changed.
    Link(Link),
    /// An interface was removed.
    LinkGone {
        /// The index of the interface.
        index: u32,
    },
    /// An address is there, or changed.
    Address(Address),
    /// An address was removed.
    AddressGone {
        /// The index of the interface.
        index: u32,
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
        /// The far end, as in [`Address::peer`].
        peer: Option<IpAddr>,
    },
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The index of the interface.
    pub index: u32,
    /// Its current name.
    pub name: InterfaceName,
    /// Switched on, and frames pass (`IFF_UP` and `IFF_RUNNING`). The carrier alone would not do: a port that still
    /// negotiates has one and swallows what it is given.
    pub up: bool,
    /// Nothing on loopbacks and tunnels.
    pub mac: Option<Mac>,
}

/// An address that an interface has.
#[expect(clippy::struct_excessive_bools, reason = "the kernel's own flags, each independent of the others")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// IPv4 only: the far end, if the address was added in the form for point-to-point links.
    pub peer: Option<IpAddr>,
    /// Its remaining lifetime.
    pub valid: Lifetime,
    /// It bears our mark. Kernels before 5.18 have no such mark, and nothing is ours there.
    pub ours: bool,
    /// IPv4 only: the kernel removes it together with the first address of its subnet, unless it promotes it.
    pub secondary: bool,
    /// IPv6 only: the kernel still asks whether somebody else has it, and does not use it meanwhile.
    pub tentative: bool,
    /// IPv6 only: somebody else has it, and the kernel does not use it.
    pub duplicate: bool,
}

impl Address {
    /// Whether the kernel does not use the address, because another host has it or may have it. Ours is tentative for a
    /// moment at most: it is added without the question.
    pub const fn unused(&self) -> bool {
        self.duplicate || (self.tentative && !self.ours)
    }
}
