//! One VIP under the driver: what was configured, the keeper that decides, and what the kernel shows of it.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::VipConfig;
use crate::host::{Kernel, Lifetime};
use crate::keeper::{Expiry, Keeper, Link, Observation, Rules, Schedule, Standing, State};
use crate::status::Tally;
use crate::vip::InterfaceName;

/// A VIP that the driver looks after.
#[derive(Debug)]
pub(super) struct Ward {
    pub(super) config: VipConfig,
    pub(super) keeper: Keeper,
    /// It is no longer configured, and is dropped once it is released.
    pub(super) leaving: bool,
    /// That its interface has nobody to announce to was said.
    pub(super) told_unannounced: bool,
    /// What was counted since the ledger last took it.
    pub(super) tally: Tally,
}

impl Ward {
    pub(super) fn new(config: VipConfig, interval: Duration, seed: u64) -> Self {
        let announce = config.announce;
        let keeper = Keeper::new(Rules {
            prefix: config.vip.prefix(),
            value: config.value.as_str().into(),
            interval,
            hold_timeout: config.hold_timeout,
            lease_margin: config.lease_margin,
            schedule: Schedule::new(announce.count, announce.interval, announce.refresh),
            seed,
        });
        Self { config, keeper, leaving: false, told_unannounced: false, tally: Tally::default() }
    }

    pub(super) const fn stopped(&self) -> bool {
        matches!(self.keeper.state(), State::Stopped { .. })
    }

    /// What the kernel shows of this VIP.
    pub(super) fn observation(&self, kernel: &Kernel) -> Observation {
        let Some(link) = kernel.link_by_name(&self.config.interface) else { return Observation::default() };
        let standing = kernel.addresses(link.index, self.config.vip.address()).map(|address| Standing {
            prefix: address.prefix,
            expires: match address.valid {
                Lifetime::Forever => Expiry::Never,
                Lifetime::Until(moment) => Expiry::At(moment),
            },
        });
        Observation { standing: standing.collect(), link: Some(Link { index: link.index, up: link.up, mac: link.mac }) }
    }
}

/// Interface and address: no two VIPs of a configuration share both.
pub(super) fn place(config: &VipConfig) -> (&InterfaceName, IpAddr) {
    (&config.interface, config.vip.address())
}
