//! The daemon on real Consul servers.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod answers;
mod changes;
mod claims;
mod locks;
mod login;

use std::time::Duration;

use support::clock::wait_for;
use support::consul::Consul;
use support::daemon::{ConfigFile, Daemon};
use support::holding::{Notice, What};
use support::host::{Host, VIP};
use support::lab::Lab;
use support::observer::AddressObserver;

/// The leader key without the slash of the configuration, as Patroni writes it.
pub(crate) const KEY: &str = "service/pg_cluster/leader";
/// Patroni's settings beside it.
pub(crate) const SETTINGS: &str = "service/pg_cluster/config";
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Hosts with a daemon each, beside the servers. Dropped in this order.
pub(crate) struct Setup {
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) observer: AddressObserver,
    pub(crate) consul: Consul,
    pub(crate) lab: Lab,
}

impl Setup {
    /// Servers, and hosts `db1`, `db2` and so on without daemons yet.
    pub(crate) fn bare(name: &str, servers: usize, hosts: usize) -> Self {
        let lab = Lab::new(name);
        let consul = Consul::start(&lab, servers);
        let hosts: Vec<Host> = (1..=hosts).map(|number| lab.host(&format!("db{number}"))).collect();
        Self::of(lab, consul, hosts)
    }

    pub(crate) fn of(lab: Lab, consul: Consul, hosts: Vec<Host>) -> Self {
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        Self { daemons: Vec::new(), hosts, observer, consul, lab }
    }

    /// The same with a daemon on each host.
    pub(crate) fn new(name: &str, servers: usize, hosts: usize) -> Self {
        let mut setup = Self::bare(name, servers, hosts);
        setup.start(|config| config);
        setup
    }

    /// Starts a daemon on each host.
    pub(crate) fn start(&mut self, prepare: impl Fn(ConfigFile) -> ConfigFile) {
        for host in &self.hosts {
            self.daemons.push(Daemon::start(host, &prepare(self.config(host))));
        }
        for daemon in &self.daemons {
            wait_for(&format!("{} to be ready", daemon.host.name()), SOON, || daemon.ready());
        }
    }

    pub(crate) fn config(&self, host: &Host) -> ConfigFile {
        ConfigFile::of_store(host, "consul", &self.consul.endpoints())
    }

    /// Makes a host the leader by a key without a session, and waits until it holds the VIP.
    pub(crate) fn lead(&self, host: usize) {
        self.consul.put(KEY, self.hosts[host].name());
        self.observer.wait_held(&self.hosts[host], VIP, SOON);
    }

    pub(crate) fn holds(&self, host: usize) -> bool {
        self.observer.holds(&self.hosts[host], VIP)
    }

    pub(crate) fn times_held(&self, host: usize) -> usize {
        self.observer.intervals(&self.hosts[host], VIP).len()
    }

    /// Waits until the daemon knows what the session of the lock hangs on: before that, it holds for two and a half seconds
    /// only.
    pub(crate) fn wait_held_for_long(&self, host: usize) {
        wait_for("a longer hold", SOON, || {
            let notices = self.observer.notices();
            let of_host = |notice: &&Notice| notice.host == self.hosts[host].name() && notice.address == VIP;
            let last = notices.iter().rev().find(of_host).map(|notice| notice.what);
            matches!(last, Some(What::Shown { lifetime: Some(lifetime) }) if lifetime > Duration::from_secs(4))
        });
    }

    /// For how long two hosts had the address at the same time.
    pub(crate) fn overlap(&self) -> Duration {
        let pairs = (0..self.hosts.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        pairs.map(|(one, other)| self.observer.overlap(&self.hosts[one], &self.hosts[other], VIP)).sum()
    }
}
