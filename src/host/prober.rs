//! Asks the segment who has an address, in nobody's name.
//!
//! The question bears no sender's address, so that no neighbour learns anything from it; a host that has the address answers it
//! all the same, as the rules for duplicate addresses demand. This host's own kernel does not hear it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::ARPHRD_ETHER;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socket};

use super::sys::{hardware, listen_on, send_frame};
use crate::keeper::Moment;
use crate::vip::{InterfaceName, Mac};
use crate::wire::{arp, ndp};

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

/// Asks several times and gathers who answers. It waits, for as long as `patience`.
pub fn probe(
    interface: &InterfaceName,
    vip: IpAddr,
    patience: Duration,
    clock: fn() -> Moment,
) -> Result<BTreeSet<Mac>, ProbeError> {
    ask(interface, vip, patience, clock).map_err(|errno| match errno {
        Errno::EPERM | Errno::EACCES => ProbeError::NoPermission,
        Errno::EAFNOSUPPORT => ProbeError::NoEthernet(interface.clone()),
        errno => ProbeError::Refused { interface: interface.clone(), errno },
    })
}

fn ask(
    interface: &InterfaceName,
    vip: IpAddr,
    patience: Duration,
    clock: fn() -> Moment,
) -> Result<BTreeSet<Mac>, Errno> {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    let device = hardware(socket.as_fd(), interface)?;
    if device.kind != ARPHRD_ETHER {
        return Err(Errno::EAFNOSUPPORT);
    }
    let own = Mac(device.address);
    let (ethertype, frame) = match vip {
        IpAddr::V4(vip) => (arp::ETHERTYPE, arp::probe(vip, own).to_vec()),
        IpAddr::V6(vip) => (ndp::ETHERTYPE, ndp::probe(vip, own).to_vec()),
    };
    listen_on(socket.as_fd(), device.index, ethertype)?;
    let mut answers = BTreeSet::new();
    for _ in 0..QUESTIONS {
        send_frame(socket.as_fd(), device.index, ethertype, &frame)?;
        hear(&socket, vip, clock() + patience / QUESTIONS, clock, &mut answers)?;
    }
    answers.remove(&own);
    Ok(answers)
}

fn hear(
    socket: &OwnedFd,
    vip: IpAddr,
    until: Moment,
    clock: fn() -> Moment,
    answers: &mut BTreeSet<Mac>,
) -> Result<(), Errno> {
    let mut frame = [0; LONGEST_FRAME];
    loop {
        let left = until.since(clock());
        if left.is_zero() || answers.len() >= MOST_ANSWERS {
            return Ok(());
        }
        let mut asked = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let wait = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
        if poll(&mut asked, PollTimeout::from(wait))? == 0 {
            return Ok(());
        }
        match recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => answers.extend(claimant(&frame[..length], vip)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Who says in this frame that the address is theirs.
fn claimant(frame: &[u8], vip: IpAddr) -> Option<Mac> {
    match vip {
        IpAddr::V4(vip) => arp::parse(frame).filter(|said| said.sender.1 == vip).map(|said| said.sender.0),
        IpAddr::V6(vip) => ndp::parse(frame).filter(|said| said.target == vip).map(|said| said.from),
    }
}

const QUESTIONS: u32 = 3;
const LONGEST_FRAME: usize = 2048;
/// Enough to be told that there are several.
const MOST_ANSWERS: usize = 8;
