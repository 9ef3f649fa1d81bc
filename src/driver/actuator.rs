//! What the driver asks of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::time::Moment;
use crate::vip::{InterfaceName, Mac, Vip};
use crate::wire::netlink::{Address, Notice};

/// The host. Each call is over when it returns.
pub trait Actuator {
    /// Adds the address, or renews it, with a kernel lifetime of so many seconds.
    fn put(&mut self, link: u32, vip: &Vip, seconds: NonZeroU32) -> Result<(), Failure>;

    /// Removes the address with exactly this prefix length.
    fn remove(&mut self, link: u32, address: IpAddr, prefix: u8) -> Result<Removed, Failure>;

    /// Removes the IPv4 address whatever its prefix length and far end, one form of it at a time.
    fn remove_any(&mut self, link: u32, address: IpAddr) -> Result<Removed, Failure>;

    /// Sends one round of announcements.
    fn announce(&mut self, interface: &InterfaceName, address: IpAddr) -> Result<Announced, Failure>;

    /// Resets the connections of these addresses and returns how many there were.
    fn reset(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<usize, Failure>;

    /// Lists all links and addresses.
    fn dump(&mut self) -> Result<Vec<Notice>, Failure>;

    /// Who has added the address, by the notes that are made before each is added.
    fn owner(&self, address: &Address) -> Owner;

    /// Listens for other hosts' claims of these addresses and no others. Returns what failed.
    fn listen(&mut self, listen: &Listen) -> Vec<Failure>;

    /// Refuses new TCP connections to these addresses and to no others, each until then at the latest. Returns what
    /// failed.
    fn refuse(&mut self, refuse: &Refuse) -> Vec<Failure>;

    /// How many connections to an address were refused since its refusal began; 0 once it has ended.
    fn refused(&self, link: u32, address: IpAddr) -> u64;
}

/// Who has added an address, by the notes of this program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// This process, or one that has ended.
    Us,
    /// Another daemon of this program, which is running.
    Another,
    /// There is no note.
    Nobody,
}

/// Which addresses to listen for on which interface.
pub type Listen = BTreeMap<u32, BTreeSet<IpAddr>>;

/// Which addresses to refuse connections to on which interface, and until when.
pub type Refuse = BTreeMap<u32, BTreeMap<IpAddr, Moment>>;

/// What became of a removal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    Gone,
    /// There was nothing to remove.
    WasAbsent,
}

/// What became of one round of announcements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Announced {
    /// Sent to everybody on the segment, from this hardware address.
    From(Mac),
    /// Nothing was sent: the interface is not Ethernet.
    NoHardwareAddress,
}

/// Why the host could not do something.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// The text for people.
    pub why: Arc<str>,
    /// It is part of normal operation and not worth a warning.
    pub routine: bool,
}

impl Failure {
    pub fn new(why: impl Into<Arc<str>>) -> Self {
        Self { why: why.into(), routine: false }
    }
}
