//! Refusing a TCP connection: the SYN that asks for it, and the RST that answers "refused".
//!
//! Only a bare SYN is read: no ACK, RST or FIN, not a fragment, sent to this very interface. Everything else may belong
//! to a connection that another host serves, and must stay unanswered. The checksum of the segment is not judged: a
//! sender on the same machine leaves it to a network card that never computes it.
//!
//! The answer returns to the hardware and IP address that the SYN came from, within the same VLAN tags. Its sequence
//! number is zero, as RFC 9293 (3.10.7.1) wants it, so that it fits no connection that has been established since.
//!
//! [`filter_v4`] and [`filter_v6`] let the same pass in the kernel, and never less. They are for a socket that receives
//! untagged frames of one family: the kernel takes a tag off before, and calls the frame of a VLAN that the interface
//! is not in one for another host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::{fold, words};
use super::filter::{
    Instruction, TO_THIS_HOST, accept, load_byte, load_byte_behind, load_half, load_packet_type, load_word, mask,
    reject, remember_header_length, skip, unless_equal_skip, unless_v6_skip,
};
use super::{field, put};
use crate::vip::Mac;

/// The longest part of a frame that is read.
pub const LONGEST: u32 = 256;

/// The Ethernet type of IPv4.
pub const ETHERTYPE_V4: u16 = 0x0800;

/// The Ethernet type of IPv6.
pub const ETHERTYPE_V6: u16 = 0x86dd;

/// A request to open a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Syn {
    /// Who asks: the hardware address on this link, which may be a router's, and the TCP port.
    pub from: (Mac, u16),
    /// Who is asked.
    pub to: (Mac, u16),
    /// The IP addresses of both.
    pub addresses: Addresses,
    /// The sequence number.
    pub sequence: u32,
    /// The VLAN tags, as they are in the frame.
    pub tags: Vec<u8>,
}

/// Where a packet comes from and where it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "source and destination")]
pub enum Addresses {
    V4 { from: Ipv4Addr, to: Ipv4Addr },
    V6 { from: Ipv6Addr, to: Ipv6Addr },
}

impl Syn {
    /// The address that is asked for a connection.
    pub const fn wanted(&self) -> IpAddr {
        match self.addresses {
            Addresses::V4 { to, .. } => IpAddr::V4(to),
            Addresses::V6 { to, .. } => IpAddr::V6(to),
        }
    }

    /// The frame that refuses the connection.
    pub fn refusal(&self) -> Vec<u8> {
        let (ethertype, header, pseudo) = match self.addresses {
            Addresses::V4 { from, to } => {
                (ETHERTYPE_V4, header_v4(to, from).to_vec(), [from.octets(), to.octets()].concat())
            }
            Addresses::V6 { from, to } => {
                (ETHERTYPE_V6, header_v6(to, from).to_vec(), [from.octets(), to.octets()].concat())
            }
        };
        let segment = reset(self.to.1, self.from.1, self.sequence.wrapping_add(1), words(&pseudo));
        [&self.from.0.0, &self.to.0.0, &*self.tags, &ethertype.to_be_bytes(), &header, &segment].concat()
    }
}

/// Reads a frame that an interface with the hardware address `own` received, from its Ethernet header on. It may be cut
/// after the TCP header. Nothing where no answer may be given.
pub fn parse(frame: &[u8], own: Mac) -> Option<Syn> {
    let (to, from) = (Mac(field(frame, 0)?), Mac(field(frame, 6)?));
    if to != own || from == own || is_group(own) || is_group(from) || from == Mac([0; 6]) {
        return None;
    }
    let tags = tags(frame)?;
    let packet = frame.get(12 + tags.len() + 2..)?;
    let (addresses, segment, length) = match u16::from_be_bytes(field(frame, 12 + tags.len())?) {
        ETHERTYPE_V4 => read_v4(packet)?,
        ETHERTYPE_V6 => read_v6(packet)?,
        _ => return None,
    };
    let ((from_port, to_port), sequence) = bare_syn(segment, length)?;
    Some(Syn { from: (from, from_port), to: (to, to_port), addresses, sequence, tags: tags.to_vec() })
}

const fn is_group(mac: Mac) -> bool {
    mac.0[0] & 1 != 0
}

/// At most two tags: a customer's within a provider's.
fn tags(frame: &[u8]) -> Option<&[u8]> {
    let is_tag = |offset| Some(matches!(u16::from_be_bytes(field(frame, offset)?), 0x8100 | 0x88a8));
    let mut length = 0;
    while length < 8 && is_tag(12 + length)? {
        length += 4;
    }
    frame.get(12..12 + length)
}

/// The addresses, the segment as far as it was received, and how long it was when it was sent.
type Packet<'a> = (Addresses, &'a [u8], usize);

fn read_v4(packet: &[u8]) -> Option<Packet<'_>> {
    let header_length = usize::from(packet.first()? & 0xf) * 4;
    let header = packet.get(..header_length)?;
    let total = usize::from(u16::from_be_bytes(field(header, 2)?));
    let fragment = u16::from_be_bytes(field(header, 6)?) & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0;
    let (from, to) = (Ipv4Addr::from(field::<4>(header, 12)?), Ipv4Addr::from(field::<4>(header, 16)?));
    let sound = packet[0] >> 4 == 4
        && header_length >= V4_HEADER
        && header[9] == TCP
        && !fragment
        && fold(words(header)) == u16::MAX;
    let answerable =
        from != to && !(from.is_unspecified() || from.is_multicast() || from.is_broadcast() || from.is_loopback());
    (sound && answerable).then_some((
        Addresses::V4 { from, to },
        &packet[header_length..],
        total.checked_sub(header_length)?,
    ))
}

fn read_v6(packet: &[u8]) -> Option<Packet<'_>> {
    let header = packet.get(..V6_HEADER)?;
    let length = usize::from(u16::from_be_bytes(field(header, 4)?));
    let (from, to) = (Ipv6Addr::from(field::<16>(header, 8)?), Ipv6Addr::from(field::<16>(header, 24)?));
    let sound = header[0] >> 4 == 6 && header[6] == TCP;
    let answerable = from != to && !(from.is_unspecified() || from.is_multicast() || from.is_loopback());
    (sound && answerable).then_some((Addresses::V6 { from, to }, &packet[V6_HEADER..], length))
}

/// Ports and sequence number of a SYN and nothing else.
fn bare_syn(segment: &[u8], length: usize) -> Option<((u16, u16), u32)> {
    let header_length = usize::from(segment.get(12)? >> 4) * 4;
    let fits = (TCP_HEADER..=length).contains(&header_length) && segment.len() >= header_length;
    let bare = segment.get(13)? & (FIN | SYN | RST | ACK) == SYN;
    let ports = (u16::from_be_bytes(field(segment, 0)?), u16::from_be_bytes(field(segment, 2)?));
    (fits && bare).then_some((ports, u32::from_be_bytes(field(segment, 4)?)))
}

/// A RST that acknowledges, with a window of zero. `pseudo` is the sum over the addresses.
fn reset(from: u16, to: u16, acknowledged: u32, pseudo: u64) -> [u8; TCP_HEADER] {
    let mut segment = [0; TCP_HEADER];
    put(&mut segment, 0, &from.to_be_bytes());
    put(&mut segment, 2, &to.to_be_bytes());
    put(&mut segment, 8, &acknowledged.to_be_bytes());
    segment[12] = 5 << 4;
    segment[13] = RST | ACK;
    let checksum = !fold(pseudo + u64::from(TCP) + u64::from(V6_LENGTH) + words(&segment));
    put(&mut segment, 16, &checksum.to_be_bytes());
    segment
}

fn header_v4(from: Ipv4Addr, to: Ipv4Addr) -> [u8; V4_HEADER] {
    let mut header = [0; V4_HEADER];
    header[0] = 0x45;
    put(&mut header, 2, &V4_LENGTH.to_be_bytes());
    put(&mut header, 6, &DO_NOT_FRAGMENT.to_be_bytes());
    header[8] = HOPS;
    header[9] = TCP;
    put(&mut header, 12, &from.octets());
    put(&mut header, 16, &to.octets());
    let checksum = !fold(words(&header));
    put(&mut header, 10, &checksum.to_be_bytes());
    header
}

fn header_v6(from: Ipv6Addr, to: Ipv6Addr) -> [u8; V6_HEADER] {
    let mut header = [0; V6_HEADER];
    header[0] = 0x60;
    put(&mut header, 4, &V6_LENGTH.to_be_bytes());
    header[6] = TCP;
    header[7] = HOPS;
    put(&mut header, 8, &from.octets());
    put(&mut header, 24, &to.octets());
    header
}

/// A filter that lets bare SYNs to these IPv4 addresses pass, on a socket that only sees IPv4.
pub fn filter_v4(addresses: &[Ipv4Addr]) -> Vec<Instruction> {
    let mut program = only(load_packet_type(), TO_THIS_HOST);
    program.extend(only(load_byte(IP + 9), TCP.into()));
    program.extend(only_masked(load_half(IP + 6), (MORE_FRAGMENTS | FRAGMENT_OFFSET).into(), 0));
    program.push(remember_header_length(IP));
    program.extend(only_masked(load_byte_behind(IP + 13), (FIN | SYN | RST | ACK).into(), SYN.into()));
    if addresses.len() <= MOST_V4 {
        program.push(load_word(IP + 16));
        for address in addresses {
            program.extend([unless_equal_skip(u32::from(*address), 1), accept(LONGEST)]);
        }
        program.push(reject());
    } else {
        program.push(accept(LONGEST));
    }
    program
}

/// A filter that lets bare SYNs to these IPv6 addresses pass, on a socket that only sees IPv6.
pub fn filter_v6(addresses: &[Ipv6Addr]) -> Vec<Instruction> {
    let mut program = only(load_packet_type(), TO_THIS_HOST);
    program.extend(only(load_byte(IP + 6), TCP.into()));
    program.extend(only_masked(load_byte(IP + 40 + 13), (FIN | SYN | RST | ACK).into(), SYN.into()));
    if addresses.len() <= MOST_V6 {
        for address in addresses {
            program.extend(unless_v6_skip(IP + 24, *address, 1));
            program.push(accept(LONGEST));
        }
        program.push(reject());
    } else {
        program.push(accept(LONGEST));
    }
    program
}

fn only(load: Instruction, value: u32) -> Vec<Instruction> {
    vec![load, unless_equal_skip(value, 1), skip(1), reject()]
}

fn only_masked(load: Instruction, bits: u32, value: u32) -> Vec<Instruction> {
    vec![load, mask(bits), unless_equal_skip(value, 1), skip(1), reject()]
}

/// Beyond these the daemon sorts itself: the kernel takes 4,096 instructions.
const MOST_V4: usize = 2_000;
const MOST_V6: usize = 400;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const TCP: u8 = 6;
const HOPS: u8 = 64;
const DO_NOT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

const TCP_HEADER: usize = 20;
const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
/// What a header says of the length of a packet with a TCP header alone: IPv4 with its own, IPv6 without.
const V4_LENGTH: u16 = 40;
const V6_LENGTH: u16 = 20;
/// Where the IP header is in an untagged frame.
const IP: u32 = 14;

#[cfg(test)]
mod tests;
