//! What this host does: addresses, announcements, connections.
//!
//! Everything but waiting for news is a plain function call that is over when it returns. The kernel carries netlink
//! requests out inside `sendmsg`, and a packet socket sends or refuses at once; there is nothing to wait for, so
//! there is no task, no channel and no queue in which an order could grow stale. The driver compares the clock,
//! calls, and compares the clock again.
//!
//! [`address`] changes and lists, [`monitor`] hears what changed, [`announcer`] tells the
//! neighbours, [`connections`] tells the clients, [`claims_heard`] hears who else claims an address,
//! [`refuser`] refuses connections to a released one. None of them decides anything.

mod actuator;
pub mod address;
pub mod announcer;
pub mod claims_heard;
pub mod connections;
pub mod monitor;
mod netlink;
pub mod prober;
mod records;
pub mod refuser;
mod routes;
mod sys;

use std::io;

use nix::errno::Errno;

pub use address::{AddressError, AddressSocket, DumpError};
pub use announcer::{AnnounceError, Announcer};
pub use claims_heard::{ClaimListeners, ClaimsHeard};
pub use connections::{Connections, ResetError};
pub use monitor::{Monitor, MonitorError, Notices};
pub use netlink::Failure;
pub use records::Records;
pub use refuser::{RefuseError, Refuser};
pub use routes::circumstances;
pub(crate) use sys::{keep_capabilities_to_ourselves, watch};

pub use crate::wire::netlink::notice::PROTOCOL;
pub use crate::wire::netlink::{Address, Link, Notice};

use crate::time::Moment;

/// The kernel's id of this boot; empty if it does not tell.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Every socket to the kernel that the daemon needs, open.
///
/// Its parts are fields, so that waiting for news and changing addresses can be borrowed apart.
#[derive(Debug)]
pub struct Host {
    pub addresses: AddressSocket,
    pub announcer: Announcer,
    pub connections: Connections,
    pub monitor: Monitor,
    pub claims: ClaimListeners,
    pub refuser: Refuser,
    pub records: Records,
}

/// Why the daemon cannot work on this host.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "missing privilege: {capability} is needed to {purpose}; run as root, \
         or grant it with: setcap cap_net_admin,cap_net_raw+ep {program}"
    )]
    Privilege { capability: &'static str, purpose: &'static str, program: String },
    #[error("cannot open the socket to {purpose}")]
    Socket { purpose: &'static str, source: io::Error },
}

impl Host {
    /// Opens everything and makes sure of the privileges, so that what is missing is known before it is needed. It
    /// has to be called within a tokio runtime, and subscribes to news before anything can be listed.
    pub fn open(clock: fn() -> Moment) -> Result<Self, OpenError> {
        let monitor = Monitor::open(clock).map_err(|source| OpenError::Socket { purpose: HEAR, source })?;
        let mut addresses = AddressSocket::open(clock).map_err(|errno| refused(CHANGE, errno))?;
        addresses.probe().map_err(|error| match error {
            AddressError::NoPermission { .. } => missing("CAP_NET_ADMIN", CHANGE),
            other => OpenError::Socket { purpose: CHANGE, source: io::Error::other(other) },
        })?;
        let connections = Connections::open(clock).map_err(|errno| refused(RESET, errno))?;
        let announcer = Announcer::open().map_err(|errno| match errno {
            Errno::EPERM | Errno::EACCES => missing("CAP_NET_RAW", ANNOUNCE),
            other => refused(ANNOUNCE, other),
        })?;
        Ok(Self {
            addresses,
            announcer,
            connections,
            monitor,
            claims: ClaimListeners::default(),
            refuser: Refuser::new(clock),
            records: Records::open(),
        })
    }
}

fn refused(purpose: &'static str, errno: Errno) -> OpenError {
    OpenError::Socket { purpose, source: errno.into() }
}

fn missing(capability: &'static str, purpose: &'static str) -> OpenError {
    let program = std::env::current_exe().map_or_else(|_| "vip-manager".to_owned(), |path| path.display().to_string());
    OpenError::Privilege { capability, purpose, program }
}

const HEAR: &str = "hear of changes to links and addresses";
const CHANGE: &str = "change addresses";
const RESET: &str = "reset connections";
const ANNOUNCE: &str = "announce addresses";
