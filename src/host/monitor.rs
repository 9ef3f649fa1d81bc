//! Hears of every change to links and addresses, whoever made it.
//!
//! The kernel queues news for a listener up to a limit and says when it had to drop some. From then on what is
//! queued is worse than nothing: applied to a fresh list it would put an older state over a newer one. So after an
//! overrun the queue is emptied first, unread, and only then the driver is told to list everything anew.
//!
//! One thread both changes addresses and reads the news of it, so the queue has to hold a whole round of renewals.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket, sockopt,
};
use tokio::io::unix::AsyncFd;

use super::netlink::{LARGEST_DATAGRAM, retry};
use super::sys::watch;
use crate::time::Moment;
use crate::wire::netlink::{Notice, messages, notice};

/// The socket that news arrives at.
#[derive(Debug)]
pub struct Monitor {
    socket: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
    clock: fn() -> Moment,
}

/// What has arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notices {
    /// News in the order of events. Possibly none that matters here.
    Seen(Vec<Notice>),
    /// Some was lost: list everything anew.
    Overrun,
}

/// Why no news can be heard.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    #[error("the kernel's notices of links and addresses cannot be received")]
    Receive(#[source] std::io::Error),
}

impl Monitor {
    /// Subscribes. From now on nothing is missed, so a list made after this call is complete with what comes here.
    pub fn open(clock: fn() -> Moment) -> Result<Self, std::io::Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        enlarge(&fd)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Self { socket: watch(fd)?, buffer: vec![0; LARGEST_DATAGRAM], clock })
    }

    /// Waits for news. It may be dropped while it waits: nothing is taken from the queue before it is returned.
    pub async fn next(&mut self) -> Result<Notices, MonitorError> {
        loop {
            let mut ready = self.socket.readable().await.map_err(MonitorError::Receive)?;
            let gathered = Batch::new(self.clock, &mut self.buffer).gather(ready.get_inner())?;
            if matches!(gathered, Gathered::All(_)) {
                ready.clear_ready();
            }
            if let Some(notices) = gathered.notices() {
                return Ok(notices);
            }
        }
    }

    /// What is in the queue right now; nothing where it is empty. It does not wait.
    pub fn pending(&mut self) -> Result<Option<Notices>, MonitorError> {
        Batch::new(self.clock, &mut self.buffer).gather(self.socket.get_ref()).map(Gathered::notices)
    }
}

/// What one look into the queue finds.
enum Gathered {
    /// The queue is empty now.
    All(Vec<Notice>),
    /// There may be more in it.
    Some(Vec<Notice>),
    /// Something was lost, and the rest thrown away.
    Lost,
}

impl Gathered {
    fn notices(self) -> Option<Notices> {
        match self {
            Self::All(notices) if notices.is_empty() => None,
            Self::All(notices) | Self::Some(notices) => Some(Notices::Seen(notices)),
            Self::Lost => Some(Notices::Overrun),
        }
    }
}

/// One look into the queue.
struct Batch<'a> {
    clock: fn() -> Moment,
    buffer: &'a mut [u8],
    notices: Vec<Notice>,
}

impl<'a> Batch<'a> {
    fn new(clock: fn() -> Moment, buffer: &'a mut [u8]) -> Self {
        Self { clock, buffer, notices: Vec::new() }
    }

    fn gather(mut self, socket: &OwnedFd) -> Result<Gathered, MonitorError> {
        for _ in 0..DATAGRAMS_A_BATCH {
            match retry(|| recv(socket.as_raw_fd(), self.buffer, MsgFlags::MSG_TRUNC)) {
                Ok(length) if length > self.buffer.len() => return self.discard(socket),
                Ok(length) => self.read(length),
                Err(Errno::EAGAIN) => return Ok(Gathered::All(self.notices)),
                Err(Errno::ENOBUFS) => return self.discard(socket),
                Err(other) => return Err(MonitorError::Receive(other.into())),
            }
        }
        Ok(Gathered::Some(self.notices))
    }

    fn read(&mut self, length: usize) {
        let now = (self.clock)();
        let news = messages(&self.buffer[..length])
            .filter_map(|message| notice::parse(message.message_type(), message.payload(), now));
        self.notices.extend(news);
    }

    /// Empties the queue unread. Bounded, for the case that somebody fills it as fast; then there is another overrun.
    fn discard(self, socket: &OwnedFd) -> Result<Gathered, MonitorError> {
        for _ in 0..DATAGRAMS_IN_THE_QUEUE {
            match retry(|| recv(socket.as_raw_fd(), self.buffer, MsgFlags::empty())) {
                Ok(_) | Err(Errno::ENOBUFS) => (),
                Err(Errno::EAGAIN) => break,
                Err(other) => return Err(MonitorError::Receive(other.into())),
            }
        }
        Ok(Gathered::Lost)
    }
}

/// The kernel's default holds some 270 notices. Memory is used only for what is queued.
fn enlarge(socket: &impl AsFd) -> Result<(), Errno> {
    match setsockopt(socket, sockopt::RcvBufForce, &QUEUE_BYTES) {
        // Without CAP_NET_ADMIN: as much as everybody may have.
        Err(Errno::EPERM) => setsockopt(socket, sockopt::RcvBuf, &QUEUE_BYTES),
        done => done,
    }
}

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
const QUEUE_BYTES: usize = 4 * 1024 * 1024;
const DATAGRAMS_IN_THE_QUEUE: usize = 2 * QUEUE_BYTES / 256;
const DATAGRAMS_A_BATCH: usize = 1_024;
