//! The system calls that no safe wrapper offers.
//!
//! Three facts stand behind them: a packet socket is addressed by a structure that `nix` can read but not make; the
//! two questions about an interface are `ioctl`s; tokio wants a promise before it watches a foreign descriptor. The
//! questions could be asked by rtnetlink without any of this, but that takes the lock that every change of the
//! network's set-up on this host takes, and an announcement would wait behind a container runtime that is busy.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, MsgFlags, SockaddrLike, bind, sendto};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::vip::{InterfaceName, Mac};
use crate::wire::filter::Instruction;

/// An interface as a sender of frames sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Hardware {
    pub(super) index: i32,
    /// One of the `ARPHRD_` numbers.
    pub(super) kind: u16,
    pub(super) address: [u8; 6],
}

/// What the kernel says of the interface now. Any socket of the same network namespace serves for the question.
pub(super) fn hardware(socket: BorrowedFd<'_>, interface: &InterfaceName) -> Result<Hardware, Errno> {
    let mut request = named(interface);
    ask(socket, libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: SIOCGIFINDEX has just written this member of the union; an integer has no invalid bits.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };

    ask(socket, libc::SIOCGIFHWADDR, &mut request)?;
    // SAFETY: SIOCGIFHWADDR has just written this member of the union; it is made of integers.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr };

    let mut octets = [0; 6];
    for (octet, byte) in octets.iter_mut().zip(address.sa_data) {
        *octet = byte.to_ne_bytes()[0];
    }
    Ok(Hardware { index, kind: address.sa_family, address: octets })
}

/// Lets the current tokio runtime watch a descriptor for something to read.
pub(crate) fn watch(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so it is open, stays the same one, and is closed by nobody but the `AsyncFd`.
    // What is returned is never exchanged through `get_mut`: its one holder keeps it behind `&self` methods.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}

/// Has the kernel drop what the filter does not let pass, before it is queued.
pub(super) fn attach_filter(socket: BorrowedFd<'_>, program: &[Instruction]) -> Result<(), Errno> {
    let mut steps: Vec<libc::sock_filter> = program
        .iter()
        .map(|step| libc::sock_filter { code: step.code, jt: step.jump_true, jf: step.jump_false, k: step.value })
        .collect();
    let length = u16::try_from(steps.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog { len: length, filter: steps.as_mut_ptr() };
    let size = libc::socklen_t::try_from(size_of_val(&program)).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the option takes one `sock_fprog`, whose pointer is to `len` instructions that outlive the call; the
    // kernel copies and checks them.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size,
        )
    };
    Errno::result(answer).map(drop)
}

/// Gives up the right to hand capabilities on to other programs; this process keeps its own. It is for the calling thread
/// and those that it starts.
pub(crate) fn keep_capabilities_to_ourselves() -> Result<(), Errno> {
    // SAFETY: the call takes integers only and changes nothing but the ambient set of this thread.
    let answer = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    Errno::result(answer).map(drop)
}

/// Binds a packet socket to the frames of one kind on one interface.
pub(super) fn bind_to(socket: BorrowedFd<'_>, index: i32, ethertype: u16) -> Result<(), Errno> {
    let address = frame_address(index, ethertype, &[0; 6]).ok_or(Errno::EINVAL)?;
    bind(socket.as_raw_fd(), &address)
}

/// The hardware address that the interface has now to which a packet socket is bound, if it is an Ethernet interface.
pub(super) fn bound_mac(socket: BorrowedFd<'_>) -> Option<Mac> {
    // SAFETY: `sockaddr_ll` is made of integers; all zero bits are valid for each.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut size = libc::socklen_t::try_from(size_of_val(&address)).ok()?;
    // SAFETY: the call fills at most `size` bytes of the structure, to which the pointer is exclusive. `nix` cannot be
    // asked, since it refuses the kernel's answer, which is as long as the hardware address is.
    let answer = unsafe { libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut size) };
    let ethernet = answer == 0 && address.sll_hatype == libc::ARPHRD_ETHER && address.sll_halen == 6;
    ethernet.then(|| address.sll_addr.first_chunk().copied().map(Mac)).flatten()
}

/// How many frames the kernel had no room for since the last time it was asked.
pub(super) fn dropped(socket: BorrowedFd<'_>) -> u32 {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let Ok(mut size) = libc::socklen_t::try_from(size_of_val(&statistics)) else { return 0 };
    // SAFETY: the option fills one `tpacket_stats`, to which the pointer is exclusive, and `size` says how long it is.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut size,
        )
    };
    if answer == 0 { statistics.tp_drops } else { 0 }
}

/// Sends one complete Ethernet frame, now or not at all.
pub(super) fn send_frame(socket: BorrowedFd<'_>, index: i32, ethertype: u16, frame: &[u8]) -> Result<(), Errno> {
    let to = frame_address(index, ethertype, frame).ok_or(Errno::EINVAL)?;
    sendto(socket.as_raw_fd(), frame, &to, MsgFlags::MSG_DONTWAIT).map(drop)
}

/// From now on the packet socket receives what comes in on that interface with this Ethernet type.
pub(super) fn listen_on(socket: BorrowedFd<'_>, index: i32, ethertype: u16) -> Result<(), Errno> {
    let nowhere = [0; 6];
    let on = frame_address(index, ethertype, &nowhere).ok_or(Errno::EINVAL)?;
    bind(socket.as_raw_fd(), &on)
}

fn frame_address(index: i32, ethertype: u16, frame: &[u8]) -> Option<LinkAddr> {
    let mut destination = [0; 8];
    destination[..6].copy_from_slice(frame.get(..6)?);
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).ok()?,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: index,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: destination,
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).ok()?;
    // SAFETY: the pointer is to a whole, initialised `sockaddr_ll` of this length, whose family says what it is, and
    // it is copied before this function returns.
    unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) }
}

/// A request that names the interface and is zero otherwise.
fn named(interface: &InterfaceName) -> libc::ifreq {
    // SAFETY: `ifreq` is an array of characters and a union of plain data; all zero bits are valid for each.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero: an `InterfaceName` has at most 15.
    let room = request.ifr_name.len() - 1;
    for (place, byte) in request.ifr_name[..room].iter_mut().zip(interface.as_str().bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    request
}

fn ask(socket: BorrowedFd<'_>, question: libc::Ioctl, request: &mut libc::ifreq) -> Result<(), Errno> {
    // SAFETY: the descriptor is borrowed and so open; both questions read and write one `ifreq`, to which `request`
    // is an exclusive reference.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), question, std::ptr::from_mut(request)) };
    Errno::result(answer).map(drop)
}
