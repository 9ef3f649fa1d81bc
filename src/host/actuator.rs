//! This host as the driver's actuator.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::{AnnounceError, Host, ResetError};
use crate::driver::{Actuator, Announced, Failure, Listen, Owner, Refuse, Removed};
use crate::error;
use crate::vip::{InterfaceName, Vip};
use crate::wire::netlink::{Address, Notice};

impl Actuator for Host {
    fn put(&mut self, link: u32, vip: &Vip, seconds: NonZeroU32) -> Result<(), Failure> {
        self.records.add((link, vip.address(), vip.prefix()));
        self.addresses.put(link, vip, seconds).map_err(|error| failure(&error))
    }

    fn remove(&mut self, link: u32, address: IpAddr, prefix: u8) -> Result<Removed, Failure> {
        let removed = self.addresses.remove(link, address, prefix).map_err(|error| failure(&error))?;
        self.records.remove((link, address, prefix));
        Ok(removed)
    }

    fn remove_any(&mut self, link: u32, address: IpAddr) -> Result<Removed, Failure> {
        self.addresses.remove_any(link, address).map_err(|error| failure(&error))
    }

    fn announce(&mut self, interface: &InterfaceName, address: IpAddr) -> Result<Announced, Failure> {
        self.announcer.announce(interface, address).map_err(|error| Failure {
            routine: matches!(error, AnnounceError::Down { .. } | AnnounceError::NoInterface { .. }),
            ..failure(&error)
        })
    }

    fn reset(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<usize, Failure> {
        let routine = |error: &ResetError| matches!(error, ResetError::Unsupported);
        self.connections.reset(addresses).map_err(|error| Failure { routine: routine(&error), ..failure(&error) })
    }

    fn dump(&mut self) -> Result<Vec<Notice>, Failure> {
        self.addresses.dump().map_err(|error| failure(&error))
    }

    fn owner(&self, address: &Address) -> Owner {
        self.records.owner((address.index, address.address, address.prefix))
    }

    fn listen(&mut self, listen: &Listen) -> Vec<Failure> {
        self.claims.follow(listen).iter().map(|error| failure(error)).collect()
    }

    fn refuse(&mut self, refuse: &Refuse) -> Vec<Failure> {
        self.refuser.follow(refuse).iter().map(|error| failure(error)).collect()
    }

    fn refused(&self, link: u32, address: IpAddr) -> u64 {
        self.refuser.refused(link, address)
    }
}

fn failure(error: &(dyn Error + 'static)) -> Failure {
    Failure::new(error::chain(error))
}
