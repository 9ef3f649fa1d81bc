//! A host that claims an address of another host.

use std::net::IpAddr;

use vip_manager::host::Announcer;
use vip_manager::vip::InterfaceName;

use super::fail::OrFail;
use super::host::{Host, INTERFACE};

/// Sends claims with its host's hardware address.
#[derive(Debug)]
pub(crate) struct Rival {
    announcer: Announcer,
    interface: InterfaceName,
}

impl Rival {
    pub(crate) fn on(host: &Host) -> Self {
        let announcer = host.enter(Announcer::open).or_fail("opening a packet socket");
        Self { announcer, interface: InterfaceName::new(INTERFACE).or_fail("an interface's name") }
    }

    /// Claims the address once: a gratuitous request and reply, or an unsolicited advertisement.
    pub(crate) fn claim(&mut self, address: IpAddr) {
        self.announcer.announce(&self.interface, address).or_fail("claiming an address");
    }
}
