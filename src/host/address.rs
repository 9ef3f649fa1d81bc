//! Puts addresses on interfaces and takes them away, each with an end that the kernel keeps by itself.
//!
//! Every call is carried out before it returns, and compares the clock on both sides of the request. There is no
//! order that could wait in a queue until it is no longer true: a process that was stopped and goes on finds at once
//! that the time is over. `NLM_F_REPLACE` makes this necessary, since on an absent address it creates one.
//!
//! A renewal is a complete order. Without the lifetimes in it the address would silently turn permanent, without the
//! mark it would no longer be ours.

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
use crate::keeper::renewal::{Renewal, Step};
use crate::time::Moment;
use crate::vip::Vip;
use crate::wire::netlink::notice::{self, Notice, PROTOCOL, RTM_DELADDR, RTM_NEWADDR};

/// The socket that addresses are changed and listed through.
#[derive(Debug)]
pub struct AddressSocket {
    requests: Requests,
    clock: fn() -> Moment,
}

/// What became of an order to hold an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// It stands, and the kernel removes it after so many seconds if nobody renews it.
    For(NonZeroU32),
    /// There was not enough time left, before or after the request. It does not stand: where it did, it was removed.
    Late,
}

/// What became of an order to remove an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    Gone,
    /// There was nothing to remove.
    WasAbsent,
}

/// All links and addresses of this host, as the kernel listed them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dump {
    pub(super) notices: Vec<Notice>,
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

    /// Puts the address up, or renews it, to stand until `until` at most. `stands` says whether it is known to stand
    /// already, which decides what may be done in the last second.
    pub fn hold(&mut self, index: u32, vip: &Vip, until: Moment, stands: bool) -> Result<Held, AddressError> {
        let mut renewal = Renewal::new(until, stands);
        loop {
            match renewal.next((self.clock)()) {
                Step::Put(seconds) => self
                    .requests
                    .act(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &order(index, vip, seconds))
                    .map_err(|failure| classify(failure, index, vip.address()))?,
                Step::Stands(seconds) => return Ok(Held::For(seconds)),
                Step::TooLate => return self.undo(index, vip),
            }
        }
    }

    /// The same, and the prefix lengths in `other_prefixes`, which the address stands with besides, go.
    ///
    /// IPv4 keeps one address several times over, so the other_prefixes go last and the address is there throughout. IPv6
    /// keeps it once, and a renewal under another prefix length is acknowledged but leaves the old length in place:
    /// so there they go first.
    pub fn hold_alone(
        &mut self,
        index: u32,
        vip: &Vip,
        until: Moment,
        stands: bool,
        other_prefixes: &[u8],
    ) -> Result<Held, AddressError> {
        let first = vip.address().is_ipv6() && !other_prefixes.is_empty();
        if first {
            self.remove_each(index, vip.address(), other_prefixes)?;
        }
        let held = self.hold(index, vip, until, stands && !first)?;
        if !first {
            self.remove_each(index, vip.address(), other_prefixes)?;
        }
        Ok(held)
    }

    /// Removes the address with exactly this prefix length. The same IPv4 address may stand with several.
    pub fn remove(&mut self, index: u32, address: IpAddr, prefix: u8) -> Result<Removed, AddressError> {
        match self.requests.act(RTM_DELADDR, 0, &identity(index, address, prefix)) {
            Ok(()) => Ok(Removed::Gone),
            // Without the interface there is no address either.
            Err(Failure::Refused(Errno::EADDRNOTAVAIL | Errno::ENODEV)) => Ok(Removed::WasAbsent),
            Err(failure) => Err(classify(failure, index, address)),
        }
    }

    /// Lists every link and every address.
    pub fn dump(&mut self) -> Result<Dump, DumpError> {
        let mut links = LinkMessage::default();
        links.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let mut notices = self.list(RTM_GETLINK, &links).map_err(DumpError)?;
        notices.extend(self.list(RTM_GETADDR, &AddressMessage::default()).map_err(DumpError)?);
        Ok(Dump { notices })
    }

    /// Whether addresses may be changed at all, asked in a way that changes nothing: the kernel looks at the
    /// privilege first, and only then for the interface that nobody has.
    pub(super) fn probe(&mut self) -> Result<(), AddressError> {
        self.remove(0, IpAddr::V4(Ipv4Addr::LOCALHOST), 32).map(drop)
    }

    /// What comes too late leaves nothing behind, whatever the caller believed to stand.
    fn undo(&mut self, index: u32, vip: &Vip) -> Result<Held, AddressError> {
        self.remove(index, vip.address(), vip.prefix()).map(|_| Held::Late)
    }

    fn remove_each(&mut self, index: u32, address: IpAddr, prefixes: &[u8]) -> Result<(), AddressError> {
        prefixes.iter().try_for_each(|prefix| self.remove(index, address, *prefix).map(drop))
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
