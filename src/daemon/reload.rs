//! SIGHUP: the configuration is read again, and only what changed in it changes.
//!
//! It is all or nothing: with one mistake in it the new configuration is reported and dropped, and the daemon goes on
//! with the old one. A VIP whose entry is the same is not touched. One whose entry changed gets a new keeper, which
//! takes over the standing address as a start of the daemon does, so that clients notice nothing.

use std::collections::BTreeSet;

use super::driver::Driver;
use super::vips::VipId;
use super::vips::place;
use crate::clock;
use crate::config::{self, Config, VipConfig};
use crate::error;
use crate::keeper::{Event, StopMode};

impl Driver {
    pub(super) fn reload(&mut self) {
        self.systemd.reloading(clock::now());
        match config::load(&self.sources) {
            Ok(loaded) => {
                for notice in &loaded.notices {
                    tracing::info!("{notice}");
                }
                self.change_to(loaded.config);
            }
            Err(problems) => {
                for problem in problems.iter() {
                    tracing::error!("{problem}");
                }
                tracing::error!("the new configuration has mistakes; going on with the old one");
            }
        }
        self.systemd.ready();
    }

    fn change_to(&mut self, new: Config) {
        let (leaving, coming) = self.differences(&new);
        if let Err(error) = self.refuse_own_address(&coming) {
            tracing::error!("{}; going on with the old configuration", error::chain(&error));
            return;
        }
        let paced_anew = self.config.interval != new.interval;
        let before = std::mem::replace(&mut self.config, new);
        self.logging.set_level(self.config.log_level);
        let mut concerned = self.let_leave(&leaving);
        let (gone, came) = (leaving.len(), coming.len());
        concerned.extend(coming.into_iter().map(|vip| self.take_in(vip)).collect::<BTreeSet<_>>());
        if paced_anew {
            concerned = self.vips.ids();
            for (_, vip) in self.vips.some_mut(&concerned) {
                vip.keeper.set_interval(self.config.interval);
            }
        }
        self.drain(&concerned);
        self.listen_to_rivals();
        self.watch_anew(&before);
        self.server.change_to(&self.config.status);
        self.recorder.reloaded(&self.config);
        tracing::info!("the configuration was read again: {came} VIPs taken in, {gone} let go, the others untouched");
    }

    /// The vips whose entry is gone or another, and the entries that no vip has.
    fn differences(&self, new: &Config) -> (BTreeSet<VipId>, Vec<VipConfig>) {
        let present: Vec<_> = self.vips.all().filter(|(_, vip)| !vip.leaving).collect();
        let leaving = present.iter().filter(|(_, vip)| !new.vips.contains(&vip.config)).map(|(id, _)| *id).collect();
        let known = |entry: &&VipConfig| present.iter().any(|(_, vip)| vip.config == **entry);
        let coming = new.vips.iter().filter(|vip| !known(vip)).cloned().collect();
        (leaving, coming)
    }

    /// Releases the VIPs that are no longer configured. One that only changed is dropped as it stands: its successor
    /// takes the address over.
    fn let_leave(&mut self, leaving: &BTreeSet<VipId>) -> BTreeSet<VipId> {
        let staying: BTreeSet<_> =
            self.config.vips.iter().map(|vip| (vip.interface.clone(), vip.vip.address())).collect();
        let now = clock::now();
        let mut released = BTreeSet::new();
        for id in leaving {
            let Some(vip) = self.vips.one_mut(*id) else { continue };
            let (interface, address) = place(&vip.config);
            if staying.contains(&(interface.clone(), address)) {
                self.vips.remove(*id);
            } else {
                vip.leaving = true;
                vip.keeper.handle_event(Event::Stop(StopMode::Release), now);
                released.insert(*id);
            }
        }
        released
    }
}
