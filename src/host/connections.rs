//! Resets the TCP connections of addresses that are about to go.
//!
//! A client that waits for an answer learns of a vanished address only when its own timers end, minutes later. A
//! reset tells it at once, but must leave while the address still stands: afterwards there is no way to send it.
//!
//! The sockets are listed once, for however many addresses, and picked here: asking the kernel once for each address
//! or family would walk its whole table each time. IPv6 is always among them, because the connections of a listener
//! on `::` are IPv6 sockets whose addresses are IPv4 in disguise.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_sock_diag::constants::{IPPROTO_TCP, SOCK_DESTROY};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::netlink::{Failure, Requests};
use crate::time::Moment;

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
    /// any more. So it looks again, until there is none or the time is up. A reset cannot be sent after the address has
    /// gone, so the removal waits for the resets, but not longer than the limit. Remove the addresses right after.
    pub fn reset(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<usize, ResetError> {
        let until = (self.clock)() + LIMIT;
        let mut reset = 0;
        for pass in 0..PASSES {
            if pass > 0 && (self.clock)() >= until {
                break;
            }
            let doomed = self.find(addresses)?;
            if doomed.is_empty() {
                break;
            }
            reset += self.destroy_all(&doomed, until)?;
        }
        Ok(reset)
    }

    /// Lists the connections of both families in one walk. The kernel goes through its whole table of sockets for each
    /// list, empty places and all, and the release waits meanwhile.
    fn find(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<Vec<Connection>, ResetError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self.requests.list(TCPDIAG_GETSOCK, &EveryFamily, Vec::new, |found, _, payload| {
            found.extend(
                connection(payload).filter(|it| addresses.contains(&it.socket_id.source_address.to_canonical())),
            );
        });
        match listed {
            Err(Failure::Refused(Errno::ENOENT | Errno::EOPNOTSUPP)) => Err(ResetError::Unsupported),
            other => other.map_err(ResetError::List),
        }
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

/// `struct inet_diag_req`, the older form of the question: unlike the newer one it can ask for every family at once.
struct EveryFamily;

impl EveryFamily {
    const STATES: Range<usize> = 52..56;
    const LENGTH: usize = 60;
}

impl Emitable for EveryFamily {
    fn buffer_len(&self) -> usize {
        Self::LENGTH
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.fill(0);
        buffer[Self::STATES].copy_from_slice(&connected().bits().to_ne_bytes());
    }
}

/// Every state in which somebody at the other end may be waiting.
fn connected() -> StateFlags {
    StateFlags::all() - (StateFlags::LISTEN | StateFlags::TIME_WAIT | StateFlags::CLOSE)
}

/// The message that the older question has.
const TCPDIAG_GETSOCK: u16 = 18;
/// The release waits for this, so it must not be long.
const LIMIT: Duration = Duration::from_millis(100);
const PASSES: u32 = 3;
