//! How the holder fails.

use super::batch::Pair;
use crate::support::cut::Cut;
use crate::support::dcs::DcsKind;
use crate::support::lab::Lab;

use nix::sys::signal::Signal;

/// A failure of the holder's host, its daemon or its Patroni.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Scenario {
    /// Nothing reaches the host or leaves it, for good. Everything on it goes on.
    Cut,
    /// The daemon and Patroni are killed at once.
    Killed,
    /// The daemon and Patroni are stopped at once, and continue when the other host has the address.
    Stopped,
    /// Patroni is killed, the daemon goes on.
    PatroniDead,
    /// Patroni is stopped, with its REST API.
    PatroniStopped,
    /// Patroni's loop hangs between a read of the store and a renewal. The REST API goes on.
    LoopHangs,
    /// A renewal is lost; then the loop hangs, and the REST API as well just before the lock ends.
    LoopAndApiHang,
}

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::Cut,
        Self::Killed,
        Self::Stopped,
        Self::PatroniDead,
        Self::PatroniStopped,
        Self::LoopHangs,
        Self::LoopAndApiHang,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::PatroniDead => "patroni-dead",
            Self::PatroniStopped => "patroni-stopped",
            Self::LoopHangs => "loop-hangs",
            Self::LoopAndApiHang => "loop-and-api-hang",
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Cut => "its host is cut off",
            Self::Killed => "daemon and Patroni are killed",
            Self::Stopped => "daemon and Patroni are stopped",
            Self::PatroniDead => "its Patroni is killed",
            Self::PatroniStopped => "its Patroni is stopped",
            Self::LoopHangs => "Patroni's loop hangs before a renewal",
            Self::LoopAndApiHang => "a renewal is lost, loop and REST API hang",
        }
    }

    /// Only who asks Patroni itself depends on which part of it hangs.
    pub(crate) fn applies_to(self, kind: DcsKind) -> bool {
        match self {
            Self::Cut | Self::Killed | Self::Stopped | Self::PatroniDead => true,
            Self::PatroniStopped | Self::LoopHangs | Self::LoopAndApiHang => kind == DcsKind::Rest,
        }
    }

    /// Whether two hosts may have the address for a time.
    pub(crate) const fn is_double(self) -> bool {
        matches!(self, Self::LoopAndApiHang)
    }

    /// Whether the old host releases the address before the lock can end. Consul and ZooKeeper do not tell how much of a
    /// lock is left: while the daemon can read that it is there, the address stays, and the claim keeps the next host from
    /// adding it.
    pub(super) const fn is_foreseen(self, kind: DcsKind) -> bool {
        match self {
            Self::Cut | Self::Killed | Self::Stopped | Self::PatroniStopped | Self::LoopHangs => true,
            Self::PatroniDead => !matches!(kind, DcsKind::Consul | DcsKind::Zookeeper),
            Self::LoopAndApiHang => false,
        }
    }

    /// Lets it happen.
    pub(super) fn begin(self, lab: &Lab, pair: &mut Pair) {
        match self {
            Self::Cut => pair.cut = Some(Cut::off(lab, &pair.hosts[0])),
            Self::Killed => {
                pair.daemons[0].process.signal(Signal::SIGKILL);
                pair.end_patroni();
            }
            Self::Stopped => {
                pair.daemons[0].process.signal(Signal::SIGSTOP);
                pair.freeze_patroni();
            }
            Self::PatroniDead => pair.end_patroni(),
            Self::PatroniStopped => pair.freeze_patroni(),
            Self::LoopHangs => pair.patronis[0].hang_before_a_renewal(0),
            Self::LoopAndApiHang => pair.patronis[0].hang_before_a_renewal(1),
        }
    }

    /// Ends what can end, once the other host has the address.
    pub(super) fn end(self, pair: &mut Pair) {
        match self {
            Self::Cut => drop(pair.cut.take()),
            Self::Killed | Self::PatroniDead => {}
            Self::Stopped => {
                pair.daemons[0].process.signal(Signal::SIGCONT);
                pair.thaw_patroni();
            }
            Self::PatroniStopped | Self::LoopHangs | Self::LoopAndApiHang => pair.thaw_patroni(),
        }
    }
}
