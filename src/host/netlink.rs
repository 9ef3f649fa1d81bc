//! One netlink conversation at a time: a request, then its answer.
//!
//! The kernel carries a request out inside `sendmsg`; when that call returns, the acknowledgement already stands in
//! the receive queue. So asking is a plain function call, and what it said is true at a known time. The receive
//! limit is for a kernel that breaks this, and so is the check of the sequence number.

use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::wire::netlink::messages;

/// Why a request has no good answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    #[error("the kernel answered: {0}")]
    Refused(Errno),
    #[error("the kernel did not answer within {ANSWER_LIMIT_SECONDS} s")]
    Timeout,
    #[error("the kernel's answer makes no sense: {0}")]
    Garbled(&'static str),
    #[error("what was asked for kept changing while the kernel listed it, {DUMP_TRIES} times over")]
    Restless,
}

/// A socket for requests, with the answer of the last one read to its end.
#[derive(Debug)]
pub(super) struct Requests {
    protocol: SockProtocol,
    /// Nothing after a failed conversation: what is left of it dies with the socket.
    socket: Option<OwnedFd>,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Requests {
    pub(super) fn open(protocol: SockProtocol) -> Result<Self, Errno> {
        let socket = Some(open(protocol)?);
        Ok(Self { protocol, socket, sequence: 0, buffer: vec![0; LARGEST_DATAGRAM] })
    }

    /// Asks for something to be done, and returns when it is done or refused.
    pub(super) fn act(&mut self, message: u16, flags: u16, body: &impl Emitable) -> Result<(), Failure> {
        self.converse(message, flags | NLM_F_ACK, body, &mut |_, _| ())
    }

    /// Asks for a list, and hands each message of it (type and payload) to `each`; `start` is called before the list
    /// begins, and again where it begins anew because the kernel saw it change under way.
    pub(super) fn list<T>(
        &mut self,
        message: u16,
        body: &impl Emitable,
        start: impl Fn() -> T,
        mut each: impl FnMut(&mut T, u16, &[u8]),
    ) -> Result<T, Failure> {
        for _ in 0..DUMP_TRIES {
            let mut list = start();
            match self.converse(message, NLM_F_DUMP, body, &mut |kind, payload| each(&mut list, kind, payload)) {
                Ok(()) => return Ok(list),
                Err(Failure::Restless) => (),
                Err(other) => return Err(other),
            }
        }
        Err(Failure::Restless)
    }

    /// One request and its answer. A failure that is not the answer itself costs the socket.
    fn converse(
        &mut self,
        message: u16,
        flags: u16,
        body: &impl Emitable,
        each: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<(), Failure> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open(self.protocol).map_err(Failure::Refused)?,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let request = encode(message, flags | NLM_F_REQUEST, self.sequence, body);
        retry(|| send(socket.as_raw_fd(), &request, MsgFlags::empty())).map_err(Failure::Refused)?;

        let outcome = answer(&socket, &mut self.buffer, self.sequence, each);
        if !matches!(outcome, Err(Failure::Timeout | Failure::Garbled(_))) {
            self.socket = Some(socket);
        }
        outcome
    }
}

/// Repeats a system call that a signal interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => (),
            done => return done,
        }
    }
}

fn open(protocol: SockProtocol) -> Result<OwnedFd, Errno> {
    let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_LIMIT_SECONDS))?;
    // To the kernel, and to nobody else: the kernel refuses what another process sends to a connected socket.
    connect(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    Ok(fd)
}

fn encode(message: u16, flags: u16, sequence: u32, body: &impl Emitable) -> Vec<u8> {
    let length = HEADER + body.buffer_len();
    let mut bytes = vec![0; length];
    let mut header = NetlinkHeader::default();
    header.length = u32::try_from(length).unwrap_or(u32::MAX);
    header.message_type = message;
    header.flags = flags;
    header.sequence_number = sequence;
    header.emit(&mut bytes[..HEADER]);
    body.emit(&mut bytes[HEADER..]);
    bytes
}

/// Reads up to the end of the answer to `sequence`.
fn answer(socket: &OwnedFd, buffer: &mut [u8], sequence: u32, each: &mut dyn FnMut(u16, &[u8])) -> Result<(), Failure> {
    let mut interrupted = false;
    loop {
        let datagram = receive(socket, buffer)?;
        for message in messages(datagram).filter(|message| message.sequence_number() == sequence) {
            interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
            let payload = message.payload();
            match message.message_type() {
                DONE if interrupted => return Err(Failure::Restless),
                ERROR | DONE => return verdict(payload),
                kind => each(kind, payload),
            }
        }
    }
}

fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> Result<&'a [u8], Failure> {
    let length = retry(|| recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC)).map_err(|errno| match errno {
        Errno::EAGAIN => Failure::Timeout,
        other => Failure::Refused(other),
    })?;
    buffer.get(..length).ok_or(Failure::Garbled("it is longer than any that was agreed on"))
}

/// The number at the start of an acknowledgement or of a list's end: an error's number negated, if it is below zero.
fn verdict(payload: &[u8]) -> Result<(), Failure> {
    match payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(0..) => Ok(()),
        Some(number) => Err(Failure::Refused(Errno::from_raw(number.saturating_neg()))),
        None => Err(Failure::Garbled("it ends before its verdict")),
    }
}

/// The kernel lists in datagrams of at most this size to whoever can take them, and in smaller ones to others.
pub(super) const LARGEST_DATAGRAM: usize = 32 * 1024;
pub(super) const ANSWER_LIMIT_SECONDS: i64 = 1;
const DUMP_TRIES: u32 = 8;

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;

#[cfg(test)]
mod tests;
