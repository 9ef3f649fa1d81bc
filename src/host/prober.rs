//! Asks the segment of an interface who has an address, and whether it hears what is sent there.
//!
//! The question after the VIP bears no sender's address, so that no neighbour learns anything from it; a host that has the address
//! answers it all the same, as the rules for duplicate addresses demand. This host's own kernel does not hear it.
//!
//! It goes to everybody, as an announcement does. So another interface of this host that it comes in by shows that the network
//! carries it; and neighbours that are known, asked in the same way after their own addresses, show it by answering. They
//! are asked as the kernel asks, in the name of this host's own address: a question in nobody's name would
//! tell a neighbour that has just been restarted that its address is taken.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use netlink_packet_route::AddressFamily as RouteFamily;
use netlink_packet_route::neighbour::NeighbourMessage;
use nix::errno::Errno;
use nix::libc::ARPHRD_ETHER;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};

use super::netlink::{Failure, Requests};
use super::sys::{Hardware, hardware, listen_on, send_frame};
use crate::time::Moment;
use crate::vip::{InterfaceName, Mac};
use crate::wire::netlink::notice;
use crate::wire::{arp, ndp};

/// What to ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    pub interface: InterfaceName,
    pub vip: IpAddr,
    /// An address of this host on the interface, of the VIP's family. Without one no neighbour is asked.
    pub own: Option<IpAddr>,
}

/// What was heard.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Answers {
    /// Other hosts that say that they have the VIP.
    pub claimants: BTreeSet<Mac>,
    /// Other interfaces of this host that the question came in by.
    pub echoes: BTreeSet<u32>,
    /// Neighbours that were asked, and those of them that answered.
    pub asked: BTreeSet<IpAddr>,
    pub answered: BTreeSet<IpAddr>,
}

/// Why nobody could be asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("packets need CAP_NET_RAW")]
    NoPermission,
    #[error("{0} is no Ethernet")]
    NoEthernet(InterfaceName),
    #[error("{interface} takes no packets: {errno}")]
    Refused { interface: InterfaceName, errno: Errno },
}

/// Asks several times and gathers what is heard. It waits, for as long as `patience`.
pub fn probe(question: &Question, patience: Duration, clock: fn() -> Moment) -> Result<Answers, ProbeError> {
    let interface = || question.interface.clone();
    ask(question, patience, clock).map_err(|errno| match errno {
        Errno::EPERM | Errno::EACCES => ProbeError::NoPermission,
        Errno::EAFNOSUPPORT => ProbeError::NoEthernet(interface()),
        errno => ProbeError::Refused { interface: interface(), errno },
    })
}

fn ask(question: &Question, patience: Duration, clock: fn() -> Moment) -> Result<Answers, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    let device = hardware(socket.as_fd(), &question.interface)?;
    if device.kind != ARPHRD_ETHER {
        return Err(Errno::EAFNOSUPPORT);
    }
    let own = Mac(device.address);
    let (ethertype, frame) = match question.vip {
        IpAddr::V4(vip) => (arp::ETHERTYPE, arp::probe(vip, own).to_vec()),
        IpAddr::V6(vip) => (ndp::ETHERTYPE, ndp::probe(vip, own).to_vec()),
    };
    listen_on(socket.as_fd(), EVERY_INTERFACE, ethertype)?;
    let mut probe = ProbeSocket { socket, device, vip: question.vip, frame, heard: Answers::default() };
    for _ in 0..QUESTIONS {
        send_frame(probe.socket.as_fd(), device.index, ethertype, &probe.frame)?;
        for (neighbour, frame) in neighbours(question, &device) {
            send_frame(probe.socket.as_fd(), device.index, ethertype, &frame)?;
            probe.heard.asked.insert(neighbour);
        }
        probe.listen(clock() + patience / QUESTIONS, clock)?;
    }
    probe.heard.claimants.remove(&own);
    Ok(probe.heard)
}

/// Who can be asked besides, each with the question. The table is looked at anew each time: it fills as others are talked to.
fn neighbours(question: &Question, device: &Hardware) -> Vec<(IpAddr, Vec<u8>)> {
    let Ok(index) = u32::try_from(device.index) else { return Vec::new() };
    let known = known(index, question.vip.is_ipv4()).unwrap_or_default();
    let others = known.into_iter().filter(|neighbour| *neighbour != question.vip);
    let mac = Mac(device.address);
    let frame = |neighbour: IpAddr| match (neighbour, question.own?) {
        (IpAddr::V4(target), IpAddr::V4(own)) => Some((neighbour, arp::question(target, own, mac).to_vec())),
        (IpAddr::V6(target), IpAddr::V6(own)) => Some((neighbour, ndp::question(target, own, mac).to_vec())),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    };
    others.filter_map(frame).take(MOST_NEIGHBOURS).collect()
}

/// The neighbours of one interface that answered at some time, IPv4 or IPv6, those that answered last before the others.
fn known(index: u32, ipv4: bool) -> Result<Vec<IpAddr>, Failure> {
    let mut message = NeighbourMessage::default();
    message.header.family = if ipv4 { RouteFamily::Inet } else { RouteFamily::Inet6 };
    let mut requests = Requests::open(SockProtocol::NetlinkRoute).map_err(Failure::Refused)?;
    let (mut fresh, stale): (Vec<_>, Vec<_>) = requests
        .list(RTM_GETNEIGH, &message, Vec::new, |list, kind, payload| {
            list.extend(notice::parse_neighbour(kind, payload).filter(|known| known.index == index));
        })?
        .into_iter()
        .partition(|neighbour| neighbour.fresh);
    fresh.extend(stale);
    Ok(fresh.into_iter().map(|neighbour| neighbour.address).collect())
}

/// One socket that hears every interface.
struct ProbeSocket {
    socket: OwnedFd,
    device: Hardware,
    vip: IpAddr,
    frame: Vec<u8>,
    heard: Answers,
}

impl ProbeSocket {
    fn listen(&mut self, until: Moment, clock: fn() -> Moment) -> Result<(), Errno> {
        let mut frame = [0; LONGEST_FRAME];
        loop {
            let left = until.since(clock());
            if left.is_zero() || self.heard.claimants.len() >= MOST_ANSWERS {
                return Ok(());
            }
            let mut asked = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let wait = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
            if poll(&mut asked, PollTimeout::from(wait))? == 0 {
                return Ok(());
            }
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame) {
                Ok((length, from)) => self.take(&frame[..length], from.map_or(0, |from| from.ifindex())),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn take(&mut self, frame: &[u8], index: usize) {
        if usize::try_from(self.device.index) != Ok(index) {
            if frame.starts_with(&self.frame) {
                self.heard.echoes.extend(u32::try_from(index));
            }
            return;
        }
        let Some((address, mac, is_answer)) = said(frame, Mac(self.device.address)) else { return };
        if address == self.vip {
            self.heard.claimants.insert(mac);
        } else if is_answer && self.heard.asked.contains(&address) {
            self.heard.answered.insert(address);
        }
    }
}

/// Whose address this frame says is at which hardware address, and whether it answers a question of ours.
fn said(frame: &[u8], own: Mac) -> Option<(IpAddr, Mac, bool)> {
    if let Some(said) = arp::parse(frame) {
        let is_answer = said.operation == arp::Operation::Reply && said.target.0 == own;
        return Some((said.sender.1.into(), said.sender.0, is_answer));
    }
    let said = ndp::parse(frame)?;
    Some((said.target.into(), said.from, frame.starts_with(&own.0)))
}

const RTM_GETNEIGH: u16 = 30;
const EVERY_INTERFACE: i32 = 0;
const QUESTIONS: u32 = 3;
const MOST_NEIGHBOURS: usize = 8;
const LONGEST_FRAME: usize = 2048;
/// Enough to be told that there are several.
const MOST_ANSWERS: usize = 8;
