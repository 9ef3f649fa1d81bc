//! Puts addresses on interfaces with a lifetime that the kernel enforces by itself, and removes them.
//!
//! Every call is over when it returns. An order never waits in a queue, where it could grow stale: the driver compares the
//! clock before and after each call. `NLM_F_REPLACE` makes this necessary, since it creates an address that is absent.
//!
//! Each renewal sets everything. Without the lifetimes the address would silently become permanent, without the mark it
//! would no longer be ours.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::netlink::{ANSWER_LIMIT_SECONDS, Failure, Requests};
use crate::driver::Removed;
use crate::time::Moment;
use crate::vip::Vip;
use crate::wire::netlink::Notice;
use crate::wire::netlink::notice::{self, PROTOCOL, RTM_DELADDR, RTM_NEWADDR};

/// The socket that addresses are changed and listed through.
#[derive(Debug)]
pub struct AddressSocket {
    requests: Requests,
    clock: fn() -> Moment,
}

/// Why an address could not be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    #[error("there is no interface number {index} for {address} any more")]
    NoDevice { address: IpAddr, index: u32 },
    #[error("the kernel lets nobody without CAP_NET_ADMIN change {address}; grant it, or run as root")]
    NoPermission { address: IpAddr },
    #[error(
        "IPv6 is disabled on interface number {index}, so {address} cannot stand there; \
         set net.ipv6.conf.<interface>.disable_ipv6 to 0"
    )]
    Ipv6Disabled { address: IpAddr, index: u32 },
    #[error("{address} stands on interface number {index} in a form that cannot be renewed; remove it by hand")]
    Exists { address: IpAddr, index: u32 },
    #[error("the kernel did not answer within {ANSWER_LIMIT_SECONDS} s whether {address} was changed")]
    Timeout { address: IpAddr },
    #[error("the kernel refused to change {address} on interface number {index}: {errno}")]
    Refused { address: IpAddr, index: u32, errno: Errno },
    #[error("the kernel's answer about {address} makes no sense: {what}")]
    Garbled { address: IpAddr, what: &'static str },
}

/// Why the addresses of this host could not be listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the links and addresses of this host cannot be listed")]
pub struct DumpError(#[source] Failure);

impl AddressSocket {
    /// Opens the socket. It needs no privilege yet, changing an address does.
    pub fn open(clock: fn() -> Moment) -> Result<Self, Errno> {
        Ok(Self { requests: Requests::open(SockProtocol::NetlinkRoute)?, clock })
    }

    /// Adds the address, or renews it, with a kernel lifetime of so many seconds.
    pub fn put(&mut self, index: u32, vip: &Vip, seconds: NonZeroU32) -> Result<(), AddressError> {
        self.requests
            .act(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &order(index, vip, seconds))
            .map_err(|failure| classify(failure, index, vip.address()))
    }

    /// Removes the address with exactly this prefix length. The same IPv4 address may stand with several.
    pub fn remove(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<Removed, AddressError> {
        self.delete(index, address, &identity(index, address, prefix))
    }

    /// Removes the IPv4 address whatever its prefix length and far end, one form of it at a time: the kernel removes the
    /// first one that has this local address.
    pub fn remove_any(&mut self, index: u32, address: IpAddr) -> Result<Removed, AddressError> {
        let mut message = identity(index, address, 0);
        message.attributes = vec![AddressAttribute::Local(address)];
        self.delete(index, address, &message)
    }

    fn delete(&mut self, index: u32, address: IpAddr, message: &AddressMessage) -> Result<Removed, AddressError> {
        match self.requests.act(RTM_DELADDR, 0, message) {
            Ok(()) => Ok(Removed::Gone),
            // Without the interface there is no address either.
            Err(Failure::Refused(Errno::EADDRNOTAVAIL | Errno::ENODEV)) => Ok(Removed::WasAbsent),
            Err(failure) => Err(classify(failure, index, address)),
        }
    }

    /// Lists every link and every address.
    pub fn dump(&mut self) -> Result<Vec<Notice>, DumpError> {
        let mut links = LinkMessage::default();
        links.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let mut notices = self.list(RTM_GETLINK, &links).map_err(DumpError)?;
        notices.extend(self.list(RTM_GETADDR, &AddressMessage::default()).map_err(DumpError)?);
        Ok(notices)
    }

    /// Whether addresses may be changed at all, asked in a way that changes nothing: the kernel looks at the
    /// privilege first, and only then for the interface that nobody has.
    pub(super) fn probe(&mut self) -> Result<(), AddressError> {
        self.remove(0, IpAddr::V4(Ipv4Addr::LOCALHOST), 32).map(drop)
    }

    fn list(&mut self, message: u16, body: &impl Emitable) -> Result<Vec<Notice>, Failure> {
        let clock = self.clock;
        self.requests.list(message, body, Vec::new, |list, kind, payload| {
            list.extend(notice::parse(kind, payload, clock()));
        })
    }
}

/// The address and where it is. Enough to remove it.
fn identity(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.index = index;
    message.header.prefix_len = prefix;
    message.header.scope = AddressScope::Universe;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

/// The address, its lifetime and our mark.
fn order(index: u32, vip: &Vip, seconds: NonZeroU32) -> AddressMessage {
    let mut message = identity(index, vip.address(), vip.prefix());
    let mut times = CacheInfo::default();
    times.ifa_valid = seconds.get();
    match vip.address() {
        IpAddr::V4(_) => times.ifa_preferred = seconds.get(),
        IpAddr::V6(_) => {
            // Never preferred: the host's own connections must not start from an address that may go. And usable at
            // once: whether somebody else has it is not a question that may take two seconds, or stop us.
            times.ifa_preferred = 0;
            message.header.flags = AddressHeaderFlags::Nodad;
        }
    }
    message.attributes.push(AddressAttribute::CacheInfo(times));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(PROTOCOL)));
    message
}

fn classify(failure: Failure, index: u32, address: IpAddr) -> AddressError {
    match failure {
        Failure::Refused(Errno::ENODEV) => AddressError::NoDevice { address, index },
        Failure::Refused(Errno::EPERM) => AddressError::NoPermission { address },
        // The former where it is disabled on the link, the latter two where the kernel is without it.
        Failure::Refused(Errno::EACCES | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) if address.is_ipv6() => {
            AddressError::Ipv6Disabled { address, index }
        }
        Failure::Refused(Errno::EEXIST) => AddressError::Exists { address, index },
        Failure::Refused(errno) => AddressError::Refused { address, index, errno },
        Failure::Timeout => AddressError::Timeout { address },
        Failure::Garbled(what) => AddressError::Garbled { address, what },
        Failure::Restless => AddressError::Garbled { address, what: "it is a list that kept changing" },
    }
}

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
