//! Records the announcements that reach a host: ARP packets and neighbour advertisements, with the kernel's timestamps.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeSpec;
use vip_manager::time::Moment;
use vip_manager::vip::Mac;

use super::clock::{from_wall, now};
use super::fail::{OrFail, locked};
use super::host::Host;

const BUFFER: usize = 16 << 20;
const CHECK: Duration = Duration::from_millis(100);

/// A packet that claims an address for a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Announcement {
    pub(crate) at: Moment,
    pub(crate) form: Form,
    /// The address that it announces.
    pub(crate) address: IpAddr,
    /// The hardware address that it announces.
    pub(crate) mac: Mac,
    /// The sender of the frame.
    pub(crate) source: Mac,
    /// The whole frame.
    pub(crate) frame: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    ArpRequest,
    ArpReply,
    NeighbourAdvertisement,
}

/// Listens on a host's link until it is dropped.
#[derive(Debug)]
pub(crate) struct Capture {
    seen: Arc<Mutex<Vec<Announcement>>>,
}

impl Capture {
    /// Listens from now on.
    pub(crate) fn on(host: &Host) -> Self {
        let socket = host.enter(open);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::downgrade(&seen);
        std::thread::spawn(move || {
            while let Some(seen) = kept.upgrade() {
                listen(&socket, &seen);
            }
        });
        Self { seen }
    }

    /// Every announcement so far, of whatever address.
    pub(crate) fn all(&self) -> Vec<Announcement> {
        locked(&self.seen).clone()
    }

    /// The announcements of one address since a moment.
    pub(crate) fn since(&self, moment: Moment, address: IpAddr) -> Vec<Announcement> {
        let seen = locked(&self.seen);
        seen.iter().filter(|packet| packet.at >= moment && packet.address == address).cloned().collect()
    }

    /// The first announcement since a moment that points to this hardware address.
    pub(crate) fn first(&self, moment: Moment, address: IpAddr, mac: &str) -> Option<Announcement> {
        let seen = locked(&self.seen);
        let fits =
            |packet: &&Announcement| packet.at >= moment && packet.address == address && packet.mac.to_string() == mac;
        seen.iter().find(fits).cloned()
    }

    /// Discards what it recorded so far.
    pub(crate) fn clear(&self) {
        locked(&self.seen).clear();
    }
}

fn open() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    // Not bound to an interface: a host has only one.
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll);
    let socket = socket.or_fail("opening a packet socket");
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).or_fail("enlarging a packet socket");
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).or_fail("asking for timestamps");
    socket
}

fn listen(socket: &OwnedFd, seen: &Mutex<Vec<Announcement>>) {
    let timeout = PollTimeout::try_from(CHECK).or_fail("a time limit that poll takes");
    let mut polled = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    if !matches!(poll(&mut polled, timeout), Ok(ready) if ready > 0) {
        return;
    }
    let mut bytes = [0; 2048];
    while let Some((at, length)) = receive(socket, &mut bytes) {
        locked(seen).extend(announcement(at, &bytes[..length]));
    }
}

fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> Option<(Moment, usize)> {
    let mut parts = [IoSliceMut::new(bytes)];
    let mut control = nix::cmsg_space!(TimeSpec);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty()).ok()?;
    let stamp = message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
        _ => None,
    });
    Some((stamp.map_or_else(now, from_wall), message.bytes))
}

/// Reads an announcement: an ARP packet about the sender's own address, or a neighbour advertisement with the
/// target's hardware address.
fn announcement(at: Moment, frame: &[u8]) -> Option<Announcement> {
    let (form, address, mac) = match frame.get(12..14)? {
        [0x08, 0x06] => {
            let form = match frame.get(20..22)? {
                [0, 1] => Form::ArpRequest,
                [0, 2] => Form::ArpReply,
                _ => return None,
            };
            let sender = ipv4(frame, 28)?;
            if ipv4(frame, 38)? != sender {
                return None;
            }
            (form, IpAddr::V4(sender), mac(frame, 22)?)
        }
        [0x86, 0xdd] => {
            let advertises = *frame.get(20)? == 58 && *frame.get(54)? == 136;
            let target_option = advertises && *frame.get(78)? == 2;
            if !target_option {
                return None;
            }
            let target: [u8; 16] = frame.get(62..78)?.try_into().ok()?;
            (Form::NeighbourAdvertisement, IpAddr::V6(Ipv6Addr::from(target)), mac(frame, 80)?)
        }
        _ => return None,
    };
    Some(Announcement { at, form, address, mac, source: mac_of_sender(frame)?, frame: frame.to_owned() })
}

fn mac_of_sender(frame: &[u8]) -> Option<Mac> {
    mac(frame, 6)
}

fn mac(frame: &[u8], offset: usize) -> Option<Mac> {
    Some(Mac(frame.get(offset..offset + 6)?.try_into().ok()?))
}

fn ipv4(frame: &[u8], offset: usize) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = frame.get(offset..offset + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes))
}
