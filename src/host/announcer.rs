//! Tells the neighbours where a VIP is.
//!
//! One packet socket, opened once and kept (closing one takes the kernel milliseconds), with protocol 0, so that it
//! receives nothing. A frame leaves inside the call or not at all: nothing is ever queued here, so nothing has to be
//! taken back when the VIP is released. The interface's number and hardware address are asked for each time, since
//! either may have changed since the last.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::ARPHRD_ETHER;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::sys::{hardware, send_frame};
use crate::driver::Announced;
use crate::vip::{InterfaceName, Mac};
use crate::wire::{arp, ndp};

/// The sender of announcements.
#[derive(Debug)]
pub struct Announcer {
    /// Nothing after an error that a new socket may cure.
    socket: Option<OwnedFd>,
}

/// Why a round could not be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnnounceError {
    #[error("{vip} cannot be announced: there is no interface {interface}")]
    NoInterface { vip: IpAddr, interface: InterfaceName },
    #[error("{vip} cannot be announced: {interface} is down")]
    Down { vip: IpAddr, interface: InterfaceName },
    #[error("{vip} was not announced: the send queue of {interface} is full")]
    Full { vip: IpAddr, interface: InterfaceName },
    #[error("{vip} cannot be announced on {interface} without CAP_NET_RAW; grant it, or run as root")]
    NoPermission { vip: IpAddr, interface: InterfaceName },
    #[error("{vip} cannot be announced on {interface}: {errno}")]
    Refused { vip: IpAddr, interface: InterfaceName, errno: Errno },
}

impl Announcer {
    /// Opens the socket, which takes CAP_NET_RAW.
    pub fn open() -> Result<Self, Errno> {
        Ok(Self { socket: Some(packet_socket()?) })
    }

    /// Sends one round: an ARP request and a reply, or one neighbour advertisement. It does not look whether the
    /// address stands here; that is for the caller to know.
    pub fn announce(&mut self, interface: &InterfaceName, vip: IpAddr) -> Result<Announced, AnnounceError> {
        let outcome = self.round(interface, vip);
        if matches!(outcome, Err(errno) if !is_passing(errno)) {
            self.socket = None;
        }
        outcome.map_err(|errno| classify(errno, interface.clone(), vip))
    }

    fn round(&mut self, interface: &InterfaceName, vip: IpAddr) -> Result<Announced, Errno> {
        let socket = match self.socket.take() {
            Some(socket) => self.socket.insert(socket),
            None => self.socket.insert(packet_socket()?),
        };
        let device = hardware(socket.as_fd(), interface)?;
        if device.kind != ARPHRD_ETHER {
            return Ok(Announced::NoHardwareAddress);
        }
        let mac = Mac(device.address);
        match vip {
            IpAddr::V4(vip) => announce_v4(socket.as_fd(), device.index, vip, mac)?,
            IpAddr::V6(vip) => announce_v6(socket.as_fd(), device.index, vip, mac, is_router(interface))?,
        }
        Ok(Announced::From(mac))
    }
}

fn announce_v4(socket: BorrowedFd<'_>, index: i32, vip: Ipv4Addr, mac: Mac) -> Result<(), Errno> {
    send_frame(socket, index, arp::ETHERTYPE, &arp::request(vip, mac))?;
    send_frame(socket, index, arp::ETHERTYPE, &arp::reply(vip, mac))
}

fn announce_v6(socket: BorrowedFd<'_>, index: i32, vip: Ipv6Addr, mac: Mac, router: bool) -> Result<(), Errno> {
    send_frame(socket, index, ndp::ETHERTYPE, &ndp::advertisement(vip, mac, router))
}

/// Whether the kernel would call this host a router in its own advertisements. Neighbours that hear otherwise drop
/// their routes through it.
fn is_router(interface: &InterfaceName) -> bool {
    let switch = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read(switch).is_ok_and(|value| value.trim_ascii() != b"0")
}

fn packet_socket() -> Result<OwnedFd, Errno> {
    socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
}

/// Errors that speak of the interface, not of the socket.
fn is_passing(errno: Errno) -> bool {
    matches!(errno, Errno::ENOBUFS | Errno::EAGAIN | Errno::ENETDOWN | Errno::ENODEV | Errno::ENXIO)
}

fn classify(errno: Errno, interface: InterfaceName, vip: IpAddr) -> AnnounceError {
    match errno {
        Errno::ENODEV | Errno::ENXIO => AnnounceError::NoInterface { vip, interface },
        Errno::ENETDOWN => AnnounceError::Down { vip, interface },
        Errno::ENOBUFS | Errno::EAGAIN => AnnounceError::Full { vip, interface },
        Errno::EPERM | Errno::EACCES => AnnounceError::NoPermission { vip, interface },
        errno => AnnounceError::Refused { vip, interface, errno },
    }
}
