//! The setup of most tests: an etcd cluster of one member, some database hosts, a client, and an observer of the hosts.
//!
//! The test writes the leader key itself and without a lease, so that the leader changes only when the test changes it.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use vip_manager::time::Moment;

use super::capture::{Announcement, Capture};
use super::clock::{now, wait_for};
use super::daemon::{ConfigFile, Daemon, KEY};
use super::etcd::Cluster;
use super::host::Host;
use super::lab::Lab;
use super::observer::AddressObserver;

/// The limit for what takes a moment on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A small cluster. The fields are dropped in this order, the lab last.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) cluster: Cluster,
    /// `db1`, `db2` and so on.
    pub(crate) hosts: Vec<Host>,
    pub(crate) client: Host,
    pub(crate) observer: AddressObserver,
    pub(crate) lab: Lab,
}

impl Setup {
    pub(crate) fn new(name: &str, hosts: usize) -> Self {
        let lab = Lab::new(name);
        let cluster = Cluster::start(&lab, 1);
        let hosts: Vec<Host> = (1..=hosts).map(|number| lab.host(&format!("db{number}"))).collect();
        let client = lab.host("client");
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        Self { cluster, hosts, client, observer, lab }
    }

    /// The first host, which is the only one in many tests.
    pub(crate) fn host(&self) -> &Host {
        &self.hosts[0]
    }

    /// The minimal configuration of a daemon on the first host.
    pub(crate) fn config(&self) -> ConfigFile {
        ConfigFile::basic(self.host(), &self.cluster)
    }

    /// Writes this host's name to the leader key.
    pub(crate) fn set_leader(&self, host: &Host) {
        self.cluster.store().put(KEY, host.name());
    }

    /// Writes a name to the leader key that no host has.
    pub(crate) fn set_unknown_leader(&self) {
        self.cluster.store().put(KEY, "nobody");
    }

    /// Makes the first host the leader, starts its daemon, and waits until it holds the address.
    #[track_caller]
    pub(crate) fn lead(&self, config: &ConfigFile, address: IpAddr) -> Daemon {
        self.set_leader(self.host());
        let daemon = Daemon::start(self.host(), config);
        self.observer.wait_held(self.host(), address, SOON);
        daemon
    }

    /// How many times the first host has acquired this address.
    pub(crate) fn times_held(&self, address: IpAddr) -> usize {
        self.observer.intervals(self.host(), address).len()
    }
}

/// Waits until the daemon's status contains these words.
#[track_caller]
pub(crate) fn wait_status(daemon: &Daemon, words: &str) {
    wait_for(&format!("a status with {words:?}"), SOON, || status(daemon).is_some_and(|status| status.contains(words)));
}

/// The status that `systemctl status` would show.
pub(crate) fn status(daemon: &Daemon) -> Option<String> {
    daemon.notify.lines().into_iter().rev().find_map(|line| line.text.strip_prefix("STATUS=").map(str::to_owned))
}

/// Waits for an announcement of the address by this host since `since`.
#[track_caller]
pub(crate) fn wait_announced(capture: &Capture, host: &Host, address: IpAddr, since: Moment) -> Announcement {
    let mac = host.mac();
    super::clock::wait_until(&format!("an announcement of {address} by {}", host.name()), SOON, || {
        capture.first(since, address, &mac)
    })
}

/// Waits until the daemon has logged a line that contains these words.
#[track_caller]
pub(crate) fn wait_logged(daemon: &Daemon, words: &str) -> Moment {
    super::clock::wait_until(&format!("{words:?} in the log"), SOON, || {
        daemon.process.lines().into_iter().find(|line| line.text.contains(words)).map(|line| line.at)
    })
}

/// Prints a measurement to the test's output.
pub(crate) fn report(what: &str, value: impl std::fmt::Debug) {
    let _ = writeln!(std::io::stderr(), "{what}: {value:.1?}");
}

/// The time since `moment`.
pub(crate) fn since(moment: Moment) -> Duration {
    now().since(moment)
}
