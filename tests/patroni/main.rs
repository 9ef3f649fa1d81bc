//! `dcs-type: patroni`, with the real daemon and a stand-in for Patroni's REST API on each host. Real Patroni is in
//! `tests/cluster`.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod endpoints;
mod following;
mod silence;
mod tls;
mod traps;

use std::time::Duration;

use support::daemon::{ConfigFile, Daemon};
use support::host::{Host, INTERFACE, VIP};
use support::lab::Lab;
use support::observer::AddressObserver;
use support::rest::RestApi;
use vip_manager::time::Moment;

/// The limit for what takes a moment on an idle machine.
const SOON: Duration = Duration::from_secs(10);

/// Database hosts with a Patroni and a daemon each. The fields are dropped in this order, the lab last.
struct Cluster {
    daemons: Vec<Daemon>,
    apis: Vec<RestApi>,
    hosts: Vec<Host>,
    observer: AddressObserver,
    _lab: Lab,
}

impl Cluster {
    fn new(name: &str, hosts: usize) -> Self {
        let lab = Lab::new(name);
        let hosts: Vec<Host> = (1..=hosts).map(|number| lab.host(&format!("db{number}"))).collect();
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        let apis = hosts.iter().map(RestApi::start).collect();
        Self { daemons: Vec::new(), apis, hosts, observer, _lab: lab }
    }

    /// One host, whose Patroni leads and whose daemon holds the address.
    fn leading(name: &str) -> Self {
        let mut cluster = Self::new(name, 1);
        cluster.apis[0].lead(true);
        cluster.start_daemons(&config());
        cluster.wait_held(0);
        cluster
    }

    fn start_daemons(&mut self, config: &ConfigFile) {
        self.daemons = self.hosts.iter().map(|host| Daemon::start(host, config)).collect();
    }

    #[track_caller]
    fn wait_held(&self, host: usize) -> Moment {
        self.observer.wait_held(&self.hosts[host], VIP, SOON)
    }

    #[track_caller]
    fn wait_gone(&self, host: usize) -> Moment {
        self.observer.wait_gone(&self.hosts[host], VIP, SOON * 2).unwrap()
    }

    fn holds(&self, host: usize) -> bool {
        self.observer.holds(&self.hosts[host], VIP)
    }

    /// How many times the host has acquired the address.
    fn times_held(&self, host: usize) -> usize {
        self.observer.intervals(&self.hosts[host], VIP).len()
    }
}

/// As short as it can be.
fn config() -> ConfigFile {
    ConfigFile::bare().with("ip", VIP).with("interface", INTERFACE).with("dcs-type", "patroni")
}
