//! Random faults of daemons, hosts and members, for the chaos test and the soak.

use std::time::Duration;

use nix::sys::signal::Signal;
use vip_manager::time::Moment;

use super::setup::Setup;
use super::support::cut::{Cut, Way};
use super::support::patroni::Patroni;

/// A random number generator. Two runs with the same seed draw the same faults.
#[derive(Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn draw(&mut self, sides: u64) -> u64 {
        // A linear congruential generator; its upper bits are good enough to choose a fault.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.draw(count as u64)).unwrap_or_default()
    }

    pub(crate) fn span(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.draw(to - from))
    }
}

/// A fault.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The daemon of this host is stopped.
    Stopped(usize),
    /// Patroni of this host is dead.
    Dead(usize),
    /// Packets between this host and all members are dropped, until the cut is dropped.
    CutOff(usize, Way, #[expect(dead_code, reason = "the cut ends when it is dropped")] Cut),
    /// This member hangs.
    Hung(usize),
    /// This member is off the network.
    Off(usize, #[expect(dead_code, reason = "the cut ends when it is dropped")] Cut),
}

impl Fault {
    /// A fault that is not active yet. At most one member is affected at a time, so that etcd keeps its quorum.
    pub(crate) fn draw(rng: &mut Rng, setup: &Setup, patronis: &[Patroni], active: &[(Moment, Self)]) -> Option<Self> {
        let is_active = |like: &dyn Fn(&Self) -> bool| active.iter().any(|(_, other)| like(other));
        let (host, member) = (rng.place(setup.hosts.len()), rng.place(setup.cluster.members.len()));
        let way = [Way::Both, Way::In, Way::Out][rng.place(3)];
        let member_free = !is_active(&|other| matches!(other, Self::Hung(_) | Self::Off(..)));
        match rng.draw(6) {
            0 | 1 if !is_active(&|other| matches!(other, Self::Stopped(of) if *of == host)) => {
                setup.daemons[host].process.signal(Signal::SIGSTOP);
                Some(Self::Stopped(host))
            }
            2 if !is_active(&|other| matches!(other, Self::Dead(of) if *of == host)) => {
                patronis[host].die();
                Some(Self::Dead(host))
            }
            3 if !is_active(&|other| matches!(other, Self::CutOff(of, ..) if *of == host)) => {
                Some(Self::CutOff(host, way, setup.cut_members(host, way)))
            }
            4 if member_free => {
                setup.cluster.members[member].freeze();
                Some(Self::Hung(member))
            }
            5 if member_free => Some(Self::Off(member, Cut::off(&setup.lab, setup.members()[member]))),
            _ => None,
        }
    }

    pub(crate) fn end(self, setup: &Setup, patronis: &[Patroni]) {
        match self {
            Self::Stopped(host) => setup.daemons[host].process.signal(Signal::SIGCONT),
            Self::Dead(host) => patronis[host].revive(true),
            Self::Hung(member) => setup.cluster.members[member].thaw(),
            Self::CutOff(..) | Self::Off(..) => {}
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stopped(host) => format!("the daemon of db{} is stopped", host + 1),
            Self::Dead(host) => format!("Patroni of db{} is dead", host + 1),
            Self::CutOff(host, way, _) => format!("db{} is cut off from etcd ({way:?})", host + 1),
            Self::Hung(member) => format!("etcd{} hangs", member + 1),
            Self::Off(member, _) => format!("etcd{} has lost its power", member + 1),
        }
    }
}
