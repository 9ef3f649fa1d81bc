//! Hears other hosts claim an address.
//!
//! One packet socket an interface and family, which sees only ARP, or only IPv6, and of that only what the kernel's
//! filter takes for a claim of one of our addresses. The filter is attached before the socket is bound, so that
//! nothing else is ever queued. Without a rival nothing here runs.
//!
//! A flood costs a bounded part of a processor: after each look into the queue the listener rests, the queue is
//! small, and the kernel drops and counts what does not fit. All claims of a look are told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, setsockopt, socket, sockopt};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::sys::{attach_filter, bind_to, dropped, watch};
use crate::driver::Listen;
use crate::wire::claim::{Claim, LONGEST, filter_v4, filter_v6, parse};
use crate::wire::{arp, ndp};

/// Who claimed what on an interface, how many times each; the last is only a lower bound in a flood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimsHeard {
    pub link: u32,
    pub claims: BTreeMap<Claim, u32>,
    /// What the kernel had no room for, whoever sent it.
    pub dropped: u32,
}

/// Every listener. They live in the runtime that [`follow`](Self::follow) is called in.
#[derive(Debug)]
pub struct ClaimListeners {
    listeners: BTreeMap<(u32, u16), Listener>,
    heard: mpsc::Receiver<ClaimsHeard>,
    tell: mpsc::Sender<ClaimsHeard>,
}

#[derive(Debug)]
struct Listener {
    addresses: BTreeSet<IpAddr>,
    task: JoinHandle<()>,
}

/// Why an interface cannot be listened to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("other hosts that claim an address on interface {link} will not be noticed")]
pub struct ListenError {
    link: u32,
    #[source]
    errno: Errno,
}

impl Default for ClaimListeners {
    fn default() -> Self {
        let (tell, heard) = mpsc::channel(UNTOLD);
        Self { listeners: BTreeMap::new(), heard, tell }
    }
}

impl ClaimListeners {
    /// Listens to these addresses and no others. What was listened to before and stays is not touched.
    pub fn follow(&mut self, listen: &Listen) -> Vec<ListenError> {
        let wanted = by_kind(listen);
        self.listeners.retain(|place, listener| {
            let stays = wanted.get(place) == Some(&listener.addresses) && !listener.task.is_finished();
            if !stays {
                listener.task.abort();
            }
            stays
        });
        let mut errors = Vec::new();
        for ((link, kind), addresses) in wanted {
            if self.listeners.contains_key(&(link, kind)) {
                continue;
            }
            match open(link, kind, &addresses) {
                Ok(socket) => {
                    let task =
                        tokio::spawn(listen_on(ListenSocket(Some(socket)), link, addresses.clone(), self.tell.clone()));
                    self.listeners.insert((link, kind), Listener { addresses, task });
                }
                // It is gone; the notice of it is on its way.
                Err(Errno::ENODEV | Errno::ENXIO) => {}
                Err(errno) => errors.push(ListenError { link, errno }),
            }
        }
        errors
    }

    /// Waits for the next claims. Dropping the wait loses nothing.
    pub async fn next(&mut self) -> ClaimsHeard {
        match self.heard.recv().await {
            Some(heard) => heard,
            // Never, since we hold a sender ourselves.
            None => std::future::pending().await,
        }
    }
}

fn by_kind(listen: &Listen) -> BTreeMap<(u32, u16), BTreeSet<IpAddr>> {
    let mut kinds: BTreeMap<(u32, u16), BTreeSet<IpAddr>> = BTreeMap::new();
    for (link, addresses) in listen {
        for address in addresses {
            let kind = if address.is_ipv4() { arp::ETHERTYPE } else { ndp::ETHERTYPE };
            kinds.entry((*link, kind)).or_default().insert(*address);
        }
    }
    kinds
}

fn open(link: u32, kind: u16, addresses: &BTreeSet<IpAddr>) -> Result<AsyncFd<OwnedFd>, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => four.push(*address),
            IpAddr::V6(address) => six.push(*address),
        }
    }
    let program = if kind == arp::ETHERTYPE { filter_v4(&four) } else { filter_v6(&six) };
    attach_filter(socket.as_fd(), &program)?;
    setsockopt(&socket, sockopt::RcvBuf, &QUEUE_BYTES)?;
    bind_to(socket.as_fd(), i32::try_from(link).map_err(|_| Errno::ENODEV)?, kind)?;
    watch(socket).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// A socket that is closed elsewhere: that takes the kernel milliseconds, in which the driver has better to do.
#[derive(Debug)]
pub(super) struct ListenSocket(pub(super) Option<AsyncFd<OwnedFd>>);

impl Drop for ListenSocket {
    fn drop(&mut self) {
        if let (Some(socket), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            let socket = socket.into_inner();
            runtime.spawn_blocking(move || drop(socket));
        }
    }
}

async fn listen_on(socket: ListenSocket, link: u32, addresses: BTreeSet<IpAddr>, tell: mpsc::Sender<ClaimsHeard>) {
    let Some(socket) = &socket.0 else { return };
    loop {
        let Ok(mut ready) = socket.readable().await else { return };
        let (claims, emptied) = gather(socket.get_ref(), &addresses);
        if emptied {
            ready.clear_ready();
        }
        drop(ready);
        let heard = ClaimsHeard { link, claims, dropped: dropped(socket.get_ref().as_fd()) };
        if !heard.claims.is_empty() && tell.send(heard).await.is_err() {
            return;
        }
        tokio::time::sleep(REST).await;
    }
}

/// What is in the queue, up to a limit, and whether that was all.
fn gather(socket: &OwnedFd, addresses: &BTreeSet<IpAddr>) -> (BTreeMap<Claim, u32>, bool) {
    let mut claims = BTreeMap::new();
    let mut frame = [0; LONGEST as usize];
    for _ in 0..FRAMES_A_LOOK {
        match recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => {
                let claim = parse(&frame[..length]).filter(|claim| addresses.contains(&claim.address));
                if let Some(claim) = claim {
                    *claims.entry(claim).or_insert(0) += 1;
                }
            }
            Err(Errno::EAGAIN) => return (claims, true),
            // The interface went down, or away: said once, and the socket goes on when it is up again.
            Err(_) => {}
        }
    }
    (claims, false)
}

/// A burst of a few rivals; what a flood brings beyond it would tell nothing new.
const QUEUE_BYTES: usize = 64 * 1024;
const FRAMES_A_LOOK: usize = 128;
/// The pause after each look: at most twenty a second.
const REST: Duration = Duration::from_millis(50);
/// Looks that the driver has not taken yet; then the listeners wait.
const UNTOLD: usize = 8;
