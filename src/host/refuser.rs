//! Refuses new TCP connections to addresses that this host has released.
//!
//! One packet socket per interface and family, which sees only what the kernel's filter takes for a bare SYN to one of
//! these addresses. The filter is attached before the socket is bound, so that nothing else is ever queued. Without an
//! address to refuse there is no socket and no task.
//!
//! The clock is compared before each answer: a process that was stopped finds old SYNs in its queue, and another host
//! may serve the address by then. Of more than [`MOST_PER_SECOND`] the rest is neither read nor answered, so a flood costs
//! a bounded part of a processor.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, setsockopt, socket, sockopt};
use tokio::task::JoinHandle;

use super::claims_heard::ListenSocket;
use super::sys::{attach_filter, bind_to, bound_mac, send_frame, watch};
use crate::driver::Refuse;
use crate::time::Moment;
use crate::wire::tcp::{ETHERTYPE_V4, ETHERTYPE_V6, LONGEST, filter_v4, filter_v6, parse};

/// All refusals. The tasks live in the runtime that [`follow`](Self::follow) is called in.
#[derive(Debug)]
pub struct Refuser {
    clock: fn() -> Moment,
    sockets: BTreeMap<(u32, u16), Listener>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Listener {
    socket: Arc<ListenSocket>,
    task: JoinHandle<()>,
}

/// What the driver and the tasks both know.
#[derive(Debug, Default)]
struct Shared {
    addresses: BTreeMap<(u32, IpAddr), Refused>,
    limit: Limit,
}

#[derive(Debug)]
struct Refused {
    until: Moment,
    count: u64,
}

/// Why new connections cannot be refused on an interface.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "cannot refuse new connections to released addresses on interface {link}; clients wait for their own time limit"
)]
pub struct RefuseError {
    link: u32,
    #[source]
    errno: Errno,
}

impl Refuser {
    /// Refuses nothing yet.
    pub fn new(clock: fn() -> Moment) -> Self {
        Self { clock, sockets: BTreeMap::new(), shared: Arc::default() }
    }

    /// Refuses new connections to these addresses and no others. Once it returns, no further answer leaves for an
    /// address that is not among them.
    pub fn follow(&mut self, refuse: &Refuse) -> Vec<RefuseError> {
        lock(&self.shared).follow(refuse);
        let wanted = by_kind(refuse);
        self.sockets.retain(|place, listener| {
            let stays = wanted.contains_key(place) && !listener.task.is_finished();
            if !stays {
                listener.task.abort();
            }
            stays
        });
        let mut errors = Vec::new();
        for ((link, kind), addresses) in wanted {
            match self.listen(link, kind, &addresses) {
                // It is gone, or has no hardware address.
                Ok(()) | Err(Errno::ENODEV | Errno::ENXIO) => {}
                Err(errno) => errors.push(RefuseError { link, errno }),
            }
        }
        errors
    }

    /// How many connections were refused since the refusal of this address began.
    pub fn refused(&self, link: u32, address: IpAddr) -> u64 {
        lock(&self.shared).addresses.get(&(link, address)).map_or(0, |refused| refused.count)
    }

    fn listen(&mut self, link: u32, kind: u16, addresses: &[IpAddr]) -> Result<(), Errno> {
        if let Some(listener) = self.sockets.get(&(link, kind)) {
            return listener.socket.0.as_ref().map_or(Ok(()), |socket| set_filter(socket.get_ref().as_fd(), addresses));
        }
        let socket = Arc::new(open(link, kind, addresses)?);
        let task = tokio::spawn(answer(Arc::clone(&socket), (link, kind), Arc::clone(&self.shared), self.clock));
        self.sockets.insert((link, kind), Listener { socket, task });
        Ok(())
    }
}

impl Shared {
    fn follow(&mut self, refuse: &Refuse) {
        let wanted = |(link, address): &(u32, IpAddr)| refuse.get(link).and_then(|addresses| addresses.get(address));
        self.addresses.retain(|place, refused| wanted(place) == Some(&refused.until));
        for (link, addresses) in refuse {
            for (address, until) in addresses {
                self.addresses.entry((*link, *address)).or_insert(Refused { until: *until, count: 0 });
            }
        }
    }

    fn refuses(&self, place: (u32, IpAddr), now: Moment) -> bool {
        self.addresses.get(&place).is_some_and(|refused| now < refused.until)
    }
}

/// A limit on the frames of all sockets together.
#[derive(Debug, Default)]
struct Limit {
    /// When the current second began.
    since: Moment,
    frames: u32,
}

impl Limit {
    /// Takes one frame, or says how long to be silent.
    fn take(&mut self, now: Moment) -> Result<(), Duration> {
        let elapsed = now.since(self.since);
        if elapsed >= SECOND {
            *self = Self { since: now, frames: 0 };
        } else if self.frames >= MOST_PER_SECOND {
            return Err(SECOND.saturating_sub(elapsed));
        }
        self.frames += 1;
        Ok(())
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn by_kind(refuse: &Refuse) -> BTreeMap<(u32, u16), Vec<IpAddr>> {
    let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (link, addresses) in refuse {
        for address in addresses.keys() {
            let kind = if address.is_ipv4() { ETHERTYPE_V4 } else { ETHERTYPE_V6 };
            kinds.entry((*link, kind)).or_default().push(*address);
        }
    }
    kinds
}

fn open(link: u32, kind: u16, addresses: &[IpAddr]) -> Result<ListenSocket, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
    set_filter(socket.as_fd(), addresses)?;
    setsockopt(&socket, sockopt::RcvBuf, &QUEUE_BYTES)?;
    bind_to(socket.as_fd(), i32::try_from(link).map_err(|_| Errno::ENODEV)?, kind)?;
    bound_mac(socket.as_fd()).ok_or(Errno::ENODEV)?;
    watch(socket)
        .map(|socket| ListenSocket(Some(socket)))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// Sets the filter, or replaces it. All addresses are of the family that the socket sees.
fn set_filter(socket: BorrowedFd<'_>, addresses: &[IpAddr]) -> Result<(), Errno> {
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => four.push(*address),
            IpAddr::V6(address) => six.push(*address),
        }
    }
    let program = if six.is_empty() { filter_v4(&four) } else { filter_v6(&six) };
    attach_filter(socket, &program)
}

async fn answer(socket: Arc<ListenSocket>, place: (u32, u16), shared: Arc<Mutex<Shared>>, clock: fn() -> Moment) {
    let Some(socket) = &socket.0 else { return };
    loop {
        let Ok(mut ready) = socket.readable().await else { return };
        match answer_some(socket.get_ref(), place, &shared, clock) {
            Look::Emptied => ready.clear_ready(),
            Look::More => tokio::task::yield_now().await,
            Look::Limited(pause) => tokio::time::sleep(pause).await,
        }
    }
}

/// What a look into the queue found.
enum Look {
    Emptied,
    More,
    Limited(Duration),
}

fn answer_some(socket: &OwnedFd, (link, kind): (u32, u16), shared: &Mutex<Shared>, clock: fn() -> Moment) -> Look {
    let own = bound_mac(socket.as_fd());
    let mut frame = [0; LONGEST as usize];
    for _ in 0..FRAMES_PER_LOOK {
        let length = match recv(socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => length,
            Err(Errno::EAGAIN) => return Look::Emptied,
            // The interface went down or away: reported once, and the socket goes on when it is up again.
            Err(_) => continue,
        };
        let now = clock();
        let mut shared = lock(shared);
        if let Err(pause) = shared.limit.take(now) {
            return Look::Limited(pause);
        }
        let Some(syn) = own.and_then(|own| parse(&frame[..length], own)) else { continue };
        let place = (link, syn.wanted());
        if !shared.refuses(place, now) {
            continue;
        }
        let sent = i32::try_from(link).is_ok_and(|link| send_frame(socket.as_fd(), link, kind, &syn.refusal()).is_ok());
        if let (true, Some(refused)) = (sent, shared.addresses.get_mut(&place)) {
            refused.count += 1;
        }
    }
    Look::More
}

/// More than the clients of one address ask for at once, and little enough to be no amplifier.
const MOST_PER_SECOND: u32 = 10_000;
const SECOND: Duration = Duration::from_secs(1);
/// What may wait for one turn of the driver.
const QUEUE_BYTES: usize = 256 * 1024;
/// Then others have their turn.
const FRAMES_PER_LOOK: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(millis))
    }

    #[test]
    fn after_so_many_frames_there_is_silence_for_the_rest_of_the_second() {
        let mut limit = Limit::default();
        for _ in 0..MOST_PER_SECOND {
            assert_eq!(limit.take(at(5_000)), Ok(()));
        }
        assert_eq!(limit.take(at(5_300)), Err(Duration::from_millis(700)));
        assert_eq!(limit.take(at(5_999)), Err(Duration::from_millis(1)));
        assert_eq!(limit.take(at(6_000)), Ok(()));
    }

    #[test]
    fn an_address_is_refused_on_its_interface_until_its_time_is_over() {
        let address: IpAddr = "10.0.0.5".parse().unwrap();
        let mut shared = Shared::default();
        shared.follow(&Refuse::from([(2, BTreeMap::from([(address, at(10_000))]))]));
        assert!(shared.refuses((2, address), at(9_999)));
        assert!(!shared.refuses((2, address), at(10_000)));
        assert!(!shared.refuses((3, address), at(9_999)));
        shared.follow(&Refuse::new());
        assert!(!shared.refuses((2, address), at(9_999)));
    }

    #[test]
    fn a_count_stays_while_a_refusal_goes_on_and_begins_anew_with_the_next() {
        let address: IpAddr = "fd00::5".parse().unwrap();
        let until = |millis| Refuse::from([(2, BTreeMap::from([(address, at(millis))]))]);
        let mut shared = Shared::default();
        shared.follow(&until(10_000));
        shared.addresses.get_mut(&(2, address)).unwrap().count = 3;
        shared.follow(&until(10_000));
        assert_eq!(shared.addresses[&(2, address)].count, 3);
        shared.follow(&until(12_000));
        assert_eq!(shared.addresses[&(2, address)].count, 0);
    }
}
