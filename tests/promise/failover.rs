//! A leader that loses its lease, and a successor that waits for it.

use std::time::Duration;

use vip_manager::time::Moment;

use super::measure::{report, seconds};
use super::setup::{SOON, Setup};
use super::support::clock::wait_until;
use super::support::patroni::{Patroni, Role, Timing};
use super::support::watcher::Watcher;

/// Long enough to be refreshed a few times, short enough to wait until it expires.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// A leader on the first host, and a follower on the second that takes the key when it is free.
#[derive(Debug)]
pub(crate) struct Failover {
    pub(crate) setup: Setup,
    pub(crate) patronis: Vec<Patroni>,
    watcher: Watcher,
}

impl Failover {
    pub(crate) fn begin(name: &str) -> Self {
        let setup = Setup::new(name, 2);
        let patronis = setup.patronis(&Timing { ttl: LEASE.as_secs().cast_signed(), ..Timing::default() });
        let watcher = setup.key_watcher();
        patronis[0].take_over();
        setup.wait_held(0);
        patronis[1].may_lead(true);
        setup.wait_renewed(0);
        Self { setup, patronis, watcher }
    }

    /// The earliest moment at which the lease can end if the leader does not refresh it again.
    #[track_caller]
    pub(crate) fn earliest_end(&self) -> Moment {
        let Role::Leader { refreshed } = self.patronis[0].role() else { panic!("the leader does not lead") };
        refreshed + LEASE
    }

    /// Waits until the second host leads. Returns when etcd reported the end of the lease and the new leader.
    pub(crate) fn succession(&self) -> (Moment, Moment) {
        wait_until("a new leader", LEASE + SOON, || {
            let changes = self.watcher.changes();
            let ended = changes.iter().find(|change| change.value.is_none())?.at;
            let named = changes.iter().find(|change| change.value.as_deref() == Some("db2"))?.at;
            Some((ended, named))
        })
    }

    /// Asserts that the old host released the VIP before its lease could end and that the new one acquired it soon.
    #[track_caller]
    pub(crate) fn check(&self, end: Moment) {
        let (ended, named) = self.succession();
        let gone = self.setup.wait_gone(0, SOON);
        let held = self.setup.wait_held(1);
        report(&format!(
            "released {:.2} s before the lease could end, {:.2} s before etcd ended it; acquired {:.1} ms after the new leader",
            seconds(gone, end),
            seconds(gone, ended),
            seconds(named, held) * 1_000.0,
        ));
        assert!(gone < end, "released {:.3} s after the lease could end", seconds(end, gone));
        assert!(held.since(named) < Duration::from_secs(1), "acquired {:.3} s late", seconds(named, held));
        assert_eq!(self.setup.overlap(), Duration::ZERO);
    }
}
