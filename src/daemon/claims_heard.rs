//! The driver's ears: who else claims an address of ours, and which keepers are told.

use std::collections::BTreeSet;

use super::driver::Driver;
use crate::error;
use crate::host::{ClaimsHeard, Listen};
use crate::keeper::Event as Told;
use crate::time::Moment;

impl Driver {
    /// Listens for claims of every VIP on the interface that bears its name now, whoever holds it: the first claim
    /// after an acquisition would be missed otherwise. What is heard of others' addresses the keepers drop.
    pub(super) fn listen_to_rivals(&mut self) {
        let mut listen = Listen::new();
        for (_, vip) in self.vips.all().filter(|(_, vip)| !vip.leaving) {
            if let Some(link) = self.kernel.link_by_name(&vip.config.interface) {
                listen.entry(link.index).or_default().insert(vip.config.vip.address());
            }
        }
        for error in self.host.claims.follow(&listen) {
            tracing::warn!("{}", error::chain(&error));
        }
    }

    /// Tells the keepers of claims that none of our own interfaces made.
    pub(super) fn hear(&mut self, heard: &ClaimsHeard, now: Moment) {
        let Some(name) = self.kernel.link(heard.link).map(|link| link.name.clone()) else { return };
        if heard.dropped > 0 {
            tracing::debug!("{} claims on {name} were more than the kernel had room for", heard.dropped);
        }
        let mut concerned = BTreeSet::new();
        for (claim, count) in heard.claims.iter().filter(|(claim, _)| !self.kernel.is_own(claim.mac)) {
            for id in self.vips.of_address(claim.address) {
                if let Some(vip) = self.vips.one_mut(id).filter(|vip| vip.config.interface == name) {
                    vip.keeper.handle_event(Told::Rival { mac: claim.mac, claims: *count }, now);
                    concerned.insert(id);
                }
            }
        }
        self.drain(&concerned);
    }
}
