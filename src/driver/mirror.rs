//! What the kernel was last heard to say, kept for quick questions.
//!
//! It is a mirror, not a plan: it changes by notices and lists alone, never because something was ordered. So it
//! can be a moment behind, and whoever acts on it must be able to bear that; the kernel has the last word.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::vip::{InterfaceName, Mac};
use crate::wire::netlink::{Address, Link, Notice};

/// The links and addresses of this host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mirror {
    links: BTreeMap<u32, Link>,
    names: BTreeMap<InterfaceName, u32>,
    addresses: BTreeMap<Place, Address>,
}

/// Interface, address, prefix length, far end: what the kernel tells addresses apart by.
type Place = (u32, IpAddr, u8, Option<IpAddr>);

const fn place(address: &Address) -> Place {
    (address.index, address.address, address.prefix, address.peer)
}

/// What a notice changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    Nothing,
    /// Something about this interface: it came, went, was renamed or switched, or its hardware address is another.
    /// Every name may now lead elsewhere.
    Link(u32),
    /// Something about this address on this interface, be it only its lifetime.
    Address(u32, IpAddr),
}

impl Mirror {
    /// Takes in what happened.
    pub fn apply(&mut self, notice: &Notice) -> Change {
        match notice {
            Notice::Link(link) => self.update(link),
            Notice::LinkGone { index } => self.forget(*index),
            Notice::Address(address) => {
                let place = place(address);
                let before = self.addresses.insert(place, *address);
                changed(before != Some(*address), address.index, address.address)
            }
            Notice::AddressGone { index, address, prefix, peer } => {
                let before = self.addresses.remove(&(*index, *address, *prefix, *peer));
                changed(before.is_some(), *index, *address)
            }
        }
    }

    /// Forgets everything and takes in a fresh list.
    pub fn replace(&mut self, list: &[Notice]) {
        *self = Self::default();
        for notice in list {
            self.apply(notice);
        }
    }

    /// The interface that bears this name now.
    pub fn link_by_name(&self, name: &InterfaceName) -> Option<&Link> {
        self.names.get(name).and_then(|index| self.links.get(index))
    }

    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.get(&index)
    }

    /// Whether an interface of this host has the hardware address.
    pub fn is_own(&self, mac: Mac) -> bool {
        self.links.values().any(|link| link.mac == Some(mac))
    }

    /// The address on that interface, once for each prefix length that it stands with.
    pub fn addresses(&self, index: u32, address: IpAddr) -> impl Iterator<Item = &Address> {
        let all = self.addresses.range((index, address, 0, None)..).map(|(_, address)| address);
        all.take_while(move |it| it.index == index && it.address == address)
    }

    /// Every interface of this host.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// Every address of this host.
    pub fn all(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values()
    }

    /// Every address on that interface.
    pub fn on(&self, index: u32) -> impl Iterator<Item = &Address> {
        let first = (index, IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0, None);
        self.addresses.range(first..).map(|(_, address)| address).take_while(move |address| address.index == index)
    }

    /// Every address of this host that bears our mark.
    pub fn ours(&self) -> impl Iterator<Item = &Address> {
        self.addresses.values().filter(|address| address.ours)
    }

    /// Whether the address stands on that interface, and no other of its family beside it. Link-local IPv6
    /// addresses do not count: every interface makes itself one, and nobody reaches the host by it.
    pub fn only_address_of_family(&self, index: u32, address: IpAddr) -> bool {
        let family = self.on(index).map(|it| it.address).filter(|ip| ip.is_ipv4() == address.is_ipv4());
        let others = family.filter(|ip| *ip != address && !is_link_local(*ip)).count();
        others == 0 && self.addresses(index, address).next().is_some()
    }

    fn update(&mut self, link: &Link) -> Change {
        let before = self.links.insert(link.index, link.clone());
        if before.as_ref() == Some(link) {
            return Change::Nothing;
        }
        if let Some(before) = before {
            self.unname(&before);
        }
        self.names.insert(link.name.clone(), link.index);
        Change::Link(link.index)
    }

    fn forget(&mut self, index: u32) -> Change {
        // The kernel says so of each address too, before; but it need not for us to believe it.
        let gone: Vec<Place> = self.on(index).map(place).collect();
        for place in &gone {
            self.addresses.remove(place);
        }
        let Some(link) = self.links.remove(&index) else {
            return if gone.is_empty() { Change::Nothing } else { Change::Link(index) };
        };
        self.unname(&link);
        Change::Link(index)
    }

    /// Takes the link's name away, unless another link has taken it over already.
    fn unname(&mut self, link: &Link) {
        if self.names.get(&link.name) == Some(&link.index) {
            self.names.remove(&link.name);
        }
    }
}

fn changed(really: bool, index: u32, address: IpAddr) -> Change {
    if really { Change::Address(index, address) } else { Change::Nothing }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests;
