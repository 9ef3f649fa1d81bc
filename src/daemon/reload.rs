//! SIGHUP: the configuration is read again, and only what changed in it changes.
//!
//! It is all or nothing: with one mistake in it the new configuration is reported and dropped, and the daemon goes on
//! with the old one. A VIP whose entry is the same is not touched. One whose entry changed gets a new keeper, which
//! takes over the standing address as a start of the daemon does, so that clients notice nothing.

use std::collections::BTreeSet;

use super::driver::Driver;
use super::ward::place;
use super::wards::WardId;
use crate::clock;
use crate::config::{self, Config, VipConfig};
use crate::error::Causes;
use crate::keeper::{Event, Farewell};

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
        if let Err(error) = self.check_own_feet(&coming) {
            tracing::error!("{}; going on with the old configuration", Causes(&error));
            return;
        }
        let paced_anew = self.config.interval != new.interval;
        let before = std::mem::replace(&mut self.config, new);
        self.logging.set_level(self.config.log_level);
        let mut concerned = self.let_leave(&leaving);
        let (gone, came) = (leaving.len(), coming.len());
        concerned.extend(coming.into_iter().map(|vip| self.take_in(vip)).collect::<BTreeSet<_>>());
        if paced_anew {
            concerned = self.wards.ids();
            for (_, ward) in self.wards.some_mut(&concerned) {
                ward.keeper.set_interval(self.config.interval);
            }
        }
        self.turn_over(&concerned);
        self.listen_to_rivals();
        self.watch_anew(&before);
        self.desk.change_to(&self.config.status);
        self.ledger.reloaded(&self.config);
        tracing::info!("the configuration was read again: {came} VIPs taken in, {gone} let go, the others untouched");
    }

    /// The wards whose entry is gone or another, and the entries that no ward has.
    fn differences(&self, new: &Config) -> (BTreeSet<WardId>, Vec<VipConfig>) {
        let present: Vec<_> = self.wards.all().filter(|(_, ward)| !ward.leaving).collect();
        let leaving = present.iter().filter(|(_, ward)| !new.vips.contains(&ward.config)).map(|(id, _)| *id).collect();
        let known = |vip: &&VipConfig| present.iter().any(|(_, ward)| ward.config == **vip);
        let coming = new.vips.iter().filter(|vip| !known(vip)).cloned().collect();
        (leaving, coming)
    }

    /// Releases the VIPs that are no longer configured. One that only changed is dropped as it stands: its successor
    /// takes the address over.
    fn let_leave(&mut self, leaving: &BTreeSet<WardId>) -> BTreeSet<WardId> {
        let staying: BTreeSet<_> =
            self.config.vips.iter().map(|vip| (vip.interface.clone(), vip.vip.address())).collect();
        let now = clock::now();
        let mut released = BTreeSet::new();
        for id in leaving {
            let Some(ward) = self.wards.one_mut(*id) else { continue };
            let (interface, address) = place(&ward.config);
            if staying.contains(&(interface.clone(), address)) {
                self.wards.remove(*id);
            } else {
                ward.leaving = true;
                ward.keeper.handle(Event::Stop(Farewell::Release), now);
                released.insert(*id);
            }
        }
        released
    }
}
