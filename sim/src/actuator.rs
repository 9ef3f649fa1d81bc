//! What a step of the shipped turn asks of its host.
//!
//! A step asks for one thing at most. The host's model answers at once, and the world applies the request after the
//! step.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use vip_manager::driver::{Actuator, Announced, Failure, Listen, Owner, Refuse, Removed};
use vip_manager::keeper::Link;
use vip_manager::vip::{InterfaceName, Vip};
use vip_manager::wire::netlink::{Address, Notice};

use crate::kernel::Kernel;

/// The host as one step of its daemon finds it.
#[derive(Debug)]
pub struct OneStep<'a> {
    link: Option<Link>,
    refusing: bool,
    host: &'a Arc<str>,
    /// What the step asked for and the kernel did not refuse.
    pub request: Option<Request>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    Put { prefix: u8, seconds: u64 },
    Remove { prefix: u8 },
    Announce,
}

impl<'a> OneStep<'a> {
    pub const fn new(kernel: &Kernel, host: &'a Arc<str>) -> Self {
        Self { link: kernel.link, refusing: kernel.refusing > 0, host, request: None }
    }

    fn has_link(&self, index: u32) -> bool {
        self.link.is_some_and(|link| link.index == index)
    }

    fn refusal(&self) -> Failure {
        Failure::new(Arc::clone(self.host))
    }
}

impl Actuator for OneStep<'_> {
    fn put(&mut self, link: u32, vip: &Vip, seconds: NonZeroU32) -> Result<(), Failure> {
        if self.refusing || !self.has_link(link) {
            return Err(self.refusal());
        }
        self.request = Some(Request::Put { prefix: vip.prefix(), seconds: seconds.get().into() });
        Ok(())
    }

    fn remove(&mut self, link: u32, _address: IpAddr, prefix: u8) -> Result<Removed, Failure> {
        if self.refusing {
            return Err(self.refusal());
        }
        if !self.has_link(link) {
            return Ok(Removed::WasAbsent);
        }
        self.request = Some(Request::Remove { prefix });
        Ok(Removed::Gone)
    }

    /// The simulator's kernel knows no other forms of the address than its prefix lengths.
    fn remove_any(&mut self, _link: u32, _address: IpAddr) -> Result<Removed, Failure> {
        Ok(Removed::WasAbsent)
    }

    fn announce(&mut self, _interface: &InterfaceName, _address: IpAddr) -> Result<Announced, Failure> {
        self.request = Some(Request::Announce);
        Ok(self.link.and_then(|link| link.mac).map_or(Announced::NoHardwareAddress, Announced::From))
    }

    fn reset(&mut self, _addresses: &BTreeSet<IpAddr>) -> Result<usize, Failure> {
        Ok(0)
    }

    /// Only `Driver` lists, and the simulator has its own [`Mirror`](crate::kernel::Mirror).
    fn dump(&mut self) -> Result<Vec<Notice>, Failure> {
        Ok(Vec::new())
    }

    fn owner(&self, _address: &Address) -> Owner {
        Owner::Nobody
    }

    fn listen(&mut self, _listen: &Listen) -> Vec<Failure> {
        Vec::new()
    }

    fn refuse(&mut self, _refuse: &Refuse) -> Vec<Failure> {
        Vec::new()
    }

    fn refused(&self, _link: u32, _address: IpAddr) -> u64 {
        0
    }
}
