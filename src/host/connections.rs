//! Resets the TCP connections of addresses that are about to go.
//!
//! A client that waits for an answer learns of a vanished address only when its own timers end, minutes later. A
//! reset tells it at once, but must leave while the address still stands: afterwards there is no way to send it.
//!
//! The sockets are listed once a family, for however many addresses, and picked here: asking the kernel once for
//! each address would walk all its sockets each time. IPv6 is always listed, too, because the connections of a
//! listener on `::` are IPv6 sockets whose addresses are IPv4 in disguise.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::Parseable;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, SOCK_DESTROY, SOCK_DIAG_BY_FAMILY};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::netlink::{Failure, Requests};
use crate::keeper::Moment;

/// The socket that connections are listed and destroyed through.
#[derive(Debug)]
pub struct Connections {
    requests: Requests,
    clock: fn() -> Moment,
}

/// Why connections were not, or not all, reset. The address can go all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ResetError {
    #[error(
        "this kernel cannot reset connections; it lacks CONFIG_INET_DIAG_DESTROY or the modules inet_diag and tcp_diag"
    )]
    Unsupported,
    #[error("the kernel lets nobody without CAP_NET_ADMIN reset connections; grant it, or run as root")]
    NoPermission,
    #[error("{reset} connections were reset, then {} ms were over, and {left} were left alone", LIMIT.as_millis())]
    TimeUp { reset: usize, left: usize },
    #[error("the connections of this host cannot be listed")]
    List(#[source] Failure),
    #[error("{reset} connections were reset, {left} were not")]
    Partly { reset: usize, left: usize, source: Failure },
}

impl Connections {
    /// Opens the socket. Listing needs no privilege, resetting takes CAP_NET_ADMIN.
    pub fn open(clock: fn() -> Moment) -> Result<Self, Errno> {
        Ok(Self { requests: Requests::open(SockProtocol::NetlinkSockDiag)?, clock })
    }

    /// Resets every connection that has one of these as its own address, and says how many there were.
    ///
    /// A client that is reset may be back before the address has gone, to a connection that then nobody could reset
    /// any more. So it looks again, until there is none. Remove the addresses right after.
    pub fn reset(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<usize, ResetError> {
        let until = (self.clock)() + LIMIT;
        let mut reset = 0;
        for _ in 0..PASSES {
            let doomed = self.find(addresses)?;
            if doomed.is_empty() {
                break;
            }
            reset += self.destroy_all(&doomed, until)?;
        }
        Ok(reset)
    }

    fn find(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<Vec<Connection>, ResetError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.list(AF_INET, addresses)?;
        found.extend(self.list(AF_INET6, addresses)?);
        Ok(found)
    }

    fn destroy_all(&mut self, doomed: &[Connection], until: Moment) -> Result<usize, ResetError> {
        let (mut reset, mut failed) = (0, None);
        for (place, connection) in doomed.iter().enumerate() {
            if (self.clock)() >= until {
                return Err(ResetError::TimeUp { reset, left: doomed.len() - place });
            }
            match self.destroy(connection) {
                Ok(()) => reset += 1,
                // It ended by itself.
                Err(Failure::Refused(Errno::ENOENT)) => (),
                Err(Failure::Refused(Errno::EOPNOTSUPP)) => return Err(ResetError::Unsupported),
                Err(Failure::Refused(Errno::EPERM)) => return Err(ResetError::NoPermission),
                // One that resists must not save the others.
                Err(other) => failed = Some(other),
            }
        }
        failed.map_or(Ok(reset), |source| Err(ResetError::Partly { reset, left: doomed.len() - reset, source }))
    }

    fn list(&mut self, family: u8, addresses: &BTreeSet<IpAddr>) -> Result<Vec<Connection>, ResetError> {
        let any = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
        let listed = self.requests.list(SOCK_DIAG_BY_FAMILY, &request(family, any), Vec::new, |found, _, payload| {
            found.extend(
                connection(payload).filter(|it| addresses.contains(&it.socket_id.source_address.to_canonical())),
            );
        });
        match listed {
            Err(Failure::Refused(Errno::ENOENT)) if family == AF_INET => Err(ResetError::Unsupported),
            // A kernel without IPv6 has no such connections.
            Err(Failure::Refused(Errno::ENOENT | Errno::EAFNOSUPPORT)) => Ok(Vec::new()),
            other => other.map_err(ResetError::List),
        }
    }

    fn destroy(&mut self, connection: &Connection) -> Result<(), Failure> {
        self.requests.act(SOCK_DESTROY, 0, &request(connection.family, connection.socket_id.clone()))
    }
}

type Connection = InetResponseHeader;

/// Reads the fixed part alone: what the kernel appends to it grows with every release.
fn connection(payload: &[u8]) -> Option<Connection> {
    InetResponseHeader::parse(payload).ok()
}

fn request(family: u8, socket_id: SocketId) -> InetRequest {
    InetRequest { family, protocol: IPPROTO_TCP, extensions: ExtensionFlags::empty(), states: connected(), socket_id }
}

/// Every state in which somebody at the other end may be waiting.
fn connected() -> StateFlags {
    StateFlags::all() - (StateFlags::LISTEN | StateFlags::TIME_WAIT | StateFlags::CLOSE)
}

/// The release waits for this, so it must not be long.
const LIMIT: Duration = Duration::from_millis(500);
const PASSES: u32 = 3;
