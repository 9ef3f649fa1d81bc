//! The driver's eyes: what the kernel says of links and addresses, and what the keepers are told of it.
//!
//! The kernel's news is applied to a mirror, and all of it before any keeper is told: our own changes are in the
//! queue behind older news, and a half-read queue would show the past. Where the mirror may be wrong, everything is
//! listed anew. A list may fail: on a host that changes addresses without a pause, the kernel never gets to the end
//! of one. That is no reason to let go of anything. What was known stays, each read of the key renews the address
//! whatever the mirror says, and the list is tried again a little later.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::driver::{Driver, Fatal};
use super::execute;
use super::vips::ManagedVip;
use super::vips::VipId;
use crate::clock;
use crate::error;
use crate::host::{Change, Notice, Notices};
use crate::keeper::{Event as Told, State};
use crate::time::Moment;

impl Driver {
    /// Takes in all news that is there, and tells the keepers that it concerns.
    pub(super) fn notice(&mut self, notices: Notices) -> Result<(), Fatal> {
        let mut news = News::default();
        self.mirror(notices, &mut news);
        for _ in 0..BATCHES_A_TURN {
            let Some(more) = self.host.monitor.pending()? else { break };
            self.mirror(more, &mut news);
        }
        if self.may_be_untold(&news.concerned) {
            self.look_anew();
        }
        if news.links {
            self.remove_misplaced();
        }
        self.show(&news.concerned);
        if news.links {
            self.listen_to_rivals();
        }
        Ok(())
    }

    /// Lists everything anew where an earlier try has failed and it is time for the next.
    pub(super) fn look_again(&mut self, now: Moment) {
        if self.look_again_at.is_some_and(|at| at <= now) {
            self.look_anew();
            self.remove_misplaced();
            self.show(&self.vips.ids());
            self.listen_to_rivals();
        }
    }

    /// Tells these keepers what the mirror shows.
    fn show(&mut self, ids: &BTreeSet<VipId>) {
        let now = clock::now();
        for id in ids {
            if let Some(vip) = self.vips.one_mut(*id) {
                let link_view = vip.link_view(&self.kernel);
                vip.keeper.handle_event(Told::Observed(link_view), now);
            }
        }
        self.drain(ids);
    }

    fn mirror(&mut self, notices: Notices, news: &mut News) {
        match notices {
            Notices::Overrun => {
                tracing::debug!("the kernel dropped notices; listing everything anew");
                self.look_anew();
                news.concerned = self.vips.ids();
                news.links = true;
            }
            Notices::Seen(seen) => {
                for notice in &seen {
                    self.mirror_one(notice, news);
                }
            }
        }
    }

    fn mirror_one(&mut self, notice: &Notice, news: &mut News) {
        match self.kernel.apply(notice) {
            Change::Nothing => {}
            Change::Link(_) => {
                news.links = true;
                news.concerned = self.vips.ids();
            }
            Change::Address(_, address) => news.concerned.extend(self.vips.of_address(address)),
        }
    }

    fn look_anew(&mut self) {
        match self.host.addresses.dump() {
            Ok(snapshot) => {
                self.kernel.replace(&snapshot);
                self.look_again_at = None;
            }
            Err(error) => {
                if self.look_again_at.is_none() {
                    tracing::warn!("{}; trying again until it succeeds", error::chain(&error));
                }
                self.look_again_at = Some(clock::now() + LOOK_AGAIN);
            }
        }
    }

    /// Whether an address that seems to be gone may be one that was not told of yet: the kernel tells of a new IPv6
    /// address from a work queue, after the call that added it has returned.
    fn may_be_untold(&self, ids: &BTreeSet<VipId>) -> bool {
        let missing = |vip: &ManagedVip| {
            vip.config.vip.address().is_ipv6()
                && matches!(vip.keeper.state(), State::Held { .. } | State::Doubtful { .. })
                && vip.link_view(&self.kernel).standing.is_empty()
        };
        ids.iter().filter_map(|id| self.vips.one(*id)).any(missing)
    }

    /// Removes our addresses from where nobody looks after them: an interface that is renamed takes them along, and
    /// the host would go on answering for them.
    fn remove_misplaced(&mut self) {
        let other_prefixes: Vec<(u32, IpAddr, u8)> = self
            .kernel
            .ours()
            .filter(|address| self.is_misplaced(address.index, address.address))
            .map(|address| (address.index, address.address, address.prefix))
            .collect();
        for (link, address, prefix) in other_prefixes {
            execute::clear(&mut self.host, link, address, prefix);
        }
    }

    fn is_misplaced(&self, link: u32, address: IpAddr) -> bool {
        let name = self.kernel.link(link).map(|link| &link.name);
        let vips: Vec<&ManagedVip> = self.vips.of_address(address).iter().filter_map(|id| self.vips.one(*id)).collect();
        !vips.is_empty() && !vips.iter().any(|vip| Some(&vip.config.interface) == name)
    }
}

/// What a turn's news came to.
#[derive(Debug, Default)]
struct News {
    concerned: BTreeSet<VipId>,
    /// A name may lead to another interface than before.
    links: bool,
}

/// More than the queue can hold, unless somebody fills it as fast as it is read.
const BATCHES_A_TURN: usize = 256;
/// Soon enough for what only a list can show, late enough not to be busy with lists that fail.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
