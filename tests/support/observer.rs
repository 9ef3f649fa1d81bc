//! Records the address notifications of the kernels of several hosts.
//!
//! One thread reads one socket per host, so the times of two hosts can be compared. It records only what happens after
//! it was started: start it before the daemons.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket, sockopt,
};
use vip_manager::time::Moment;

use super::clock::{now, wait_until};
use super::fail::{OrFail, locked};
use super::holding::{Interval, Notice, What, intervals, overlap};
use super::host::Host;

/// RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;
/// Enough for a thousand addresses on several hosts at once.
const BUFFER: usize = 16 << 20;
const CHECK: Duration = Duration::from_millis(100);

/// Records every notification.
#[derive(Debug)]
pub(crate) struct AddressObserver {
    notices: Arc<Mutex<Vec<Notice>>>,
    /// Set if notifications were lost. No test may pass then.
    failure: Arc<OnceLock<String>>,
}

impl AddressObserver {
    /// Observes these hosts from now on.
    pub(crate) fn over(hosts: &[&Host]) -> Self {
        let sockets: Vec<(String, OwnedFd)> =
            hosts.iter().map(|host| (host.name().to_owned(), host.enter(open))).collect();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let failure = Arc::new(OnceLock::new());
        let (kept, failed) = (Arc::downgrade(&notices), Arc::clone(&failure));
        std::thread::spawn(move || {
            while let Some(notices) = kept.upgrade() {
                if let Err(error) = watch(&sockets, &notices) {
                    let _ = failed.set(error);
                    return;
                }
            }
        });
        Self { notices, failure }
    }

    /// Every notification so far.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.read().clone()
    }

    /// Panics if the observer has lost notifications.
    fn read(&self) -> MutexGuard<'_, Vec<Notice>> {
        assert!(self.failure.get().is_none(), "lab: the address observer failed: {:?}", self.failure.get());
        locked(&self.notices)
    }

    /// The times during which the host had the address.
    pub(crate) fn intervals(&self, host: &Host, address: IpAddr) -> Vec<Interval> {
        intervals(&self.read(), host.name(), address)
    }

    /// Whether the host has the address now.
    pub(crate) fn holds(&self, host: &Host, address: IpAddr) -> bool {
        self.intervals(host, address).last().is_some_and(|interval| interval.until.is_none())
    }

    /// Whether the host had the address at that moment.
    pub(crate) fn held_at(&self, host: &Host, address: IpAddr, moment: Moment) -> bool {
        let carried = |interval: &Interval| interval.from <= moment && interval.until.is_none_or(|end| moment < end);
        self.intervals(host, address).iter().any(carried)
    }

    /// For how long two hosts had the address at the same time, in total.
    pub(crate) fn overlap(&self, one: &Host, other: &Host, address: IpAddr) -> Duration {
        overlap(&self.intervals(one, address), &self.intervals(other, address), now())
    }

    /// Waits until the host has the address, and returns since when.
    #[track_caller]
    pub(crate) fn wait_held(&self, host: &Host, address: IpAddr, limit: Duration) -> Moment {
        wait_until(&format!("{address} on {}", host.name()), limit, || {
            self.intervals(host, address)
                .last()
                .filter(|interval| interval.until.is_none())
                .map(|interval| interval.from)
        })
    }

    /// Waits until the host has lost the address, and returns since when. Returns None at once if it never had it.
    #[track_caller]
    pub(crate) fn wait_gone(&self, host: &Host, address: IpAddr, limit: Duration) -> Option<Moment> {
        wait_until(&format!("{address} gone from {}", host.name()), limit, || {
            match self.intervals(host, address).last() {
                None => Some(None),
                Some(last) => last.until.map(Some),
            }
        })
    }
}

fn open() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute);
    let socket = socket.or_fail("opening a netlink socket");
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).or_fail("enlarging a netlink socket");
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, ADDRESS_GROUPS)).or_fail("binding a netlink socket");
    socket
}

fn watch(sockets: &[(String, OwnedFd)], notices: &Mutex<Vec<Notice>>) -> Result<(), String> {
    let mut polled: Vec<PollFd> =
        sockets.iter().map(|(_, socket)| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    let timeout = PollTimeout::try_from(CHECK).or_fail("a time limit that poll takes");
    if !matches!(poll(&mut polled, timeout), Ok(ready) if ready > 0) {
        return Ok(());
    }
    let mut bytes = vec![0; 64 << 10];
    for ((host, socket), polled) in sockets.iter().zip(polled) {
        if polled.any() != Some(true) {
            continue;
        }
        loop {
            match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
                Ok(length) => record(host, now(), &bytes[..length], notices),
                Err(Errno::EAGAIN) => break,
                // ENOBUFS among others: notifications were lost.
                Err(error) => return Err(format!("on {host}: {error}")),
            }
        }
    }
    Ok(())
}

fn record(host: &str, at: Moment, mut bytes: &[u8], notices: &Mutex<Vec<Notice>>) {
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
        let length = (message.header.length as usize).next_multiple_of(4).min(bytes.len());
        bytes = &bytes[length..];
        let notice = match message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) => {
                notice(host, at, &address, What::Shown { lifetime: lifetime(&address) })
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(address)) => {
                notice(host, at, &address, What::Removed)
            }
            _ => None,
        };
        locked(notices).extend(notice);
        if length == 0 || bytes.is_empty() {
            break;
        }
    }
}

fn notice(host: &str, at: Moment, message: &AddressMessage, what: What) -> Option<Notice> {
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let plain = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    let address = local.or(plain)?;
    Some(Notice { at, host: host.to_owned(), address, prefix: message.header.prefix_len, what })
}

fn lifetime(message: &AddressMessage) -> Option<Duration> {
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::CacheInfo(info) if info.ifa_valid != u32::MAX => {
            Some(Duration::from_secs(u64::from(info.ifa_valid)))
        }
        _ => None,
    })
}
