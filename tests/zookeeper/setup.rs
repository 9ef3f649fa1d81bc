//! The setup of these tests: an ensemble, database hosts, a client, and the observers.

use std::time::Duration;

use crate::support::clock::{wait_for, wait_until};
use crate::support::daemon::{ConfigFile, Daemon, KEY};
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::support::ping::Pinger;
use crate::support::process::recent_output;
use crate::support::zookeeper::{Ensemble, EnsembleOptions, Session};

/// The limit for what happens soon, even on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// What Patroni asks for by default.
pub(crate) const TTL: Duration = Duration::from_secs(30);

/// The fields are dropped in this order: the daemons before ZooKeeper, and the lab last.
pub(crate) struct Setup {
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) client: Host,
    pub(crate) observer: AddressObserver,
    pub(crate) ensemble: Ensemble,
    pub(crate) lab: Lab,
}

impl Setup {
    /// An ensemble and hosts without daemons.
    pub(crate) fn new(name: &str, servers: usize, hosts: usize) -> Self {
        Self::with(name, hosts, |_| EnsembleOptions { servers, ..EnsembleOptions::default() })
    }

    /// The same with options.
    pub(crate) fn with(name: &str, hosts: usize, options: impl Fn(&Lab) -> EnsembleOptions) -> Self {
        let lab = Lab::new(name);
        let ensemble = Ensemble::start_with(&lab, &options(&lab));
        let hosts: Vec<Host> = (1..=hosts).map(|number| lab.host(&format!("db{number}"))).collect();
        let client = lab.host("client");
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        Self { daemons: Vec::new(), hosts, client, observer, ensemble, lab }
    }

    /// The minimal configuration of a daemon.
    pub(crate) fn config(&self, host: usize) -> ConfigFile {
        ConfigFile::of_store(&self.hosts[host], "zookeeper", &self.ensemble.endpoints())
    }

    /// Starts a daemon on every host.
    pub(crate) fn start(&mut self, adjust: impl Fn(ConfigFile) -> ConfigFile) {
        self.daemons =
            (0..self.hosts.len()).map(|host| Daemon::start(&self.hosts[host], &adjust(self.config(host)))).collect();
        for daemon in &self.daemons {
            wait_for(&format!("{} to be ready", daemon.host.name()), SOON, || daemon.ready());
        }
    }

    /// A Patroni of this host that takes the leader key and keeps its session alive, through a server that is not lost.
    pub(crate) fn patroni(&self, host: usize, ttl: Duration) -> Session {
        let session = self.ensemble.session(0, ttl);
        session.lead(KEY, self.hosts[host].name());
        session
    }

    pub(crate) fn wait_held(&self, host: usize) {
        self.observer.wait_held(&self.hosts[host], VIP, SOON);
    }

    #[track_caller]
    pub(crate) fn wait_gone(&self, host: usize, limit: Duration) -> vip_manager::time::Moment {
        self.observer.wait_gone(&self.hosts[host], VIP, limit).unwrap()
    }

    pub(crate) fn holds(&self, host: usize) -> bool {
        self.observer.holds(&self.hosts[host], VIP)
    }

    /// For how long the first two hosts had the address at the same time.
    pub(crate) fn overlap(&self) -> Duration {
        self.observer.overlap(&self.hosts[0], &self.hosts[1], VIP)
    }

    /// Pings the VIP until [`assert_undisturbed`](Self::assert_undisturbed).
    pub(crate) fn ping(&self) -> Pinger {
        let pinger = Pinger::start(&self.client, VIP, Duration::from_millis(20));
        wait_for("the first answers", SOON, || pinger.pings().answers.len() > 5);
        pinger
    }

    /// Asserts that no ping was lost and that the host held the address all the time.
    #[track_caller]
    pub(crate) fn assert_undisturbed(&self, host: usize, pinger: Pinger) -> u32 {
        let pings = pinger.stop();
        let intervals = self.observer.intervals(&self.hosts[host], VIP);
        assert_eq!(
            (intervals.len(), intervals.last().and_then(|last| last.until)),
            (1, None),
            "{intervals:?}\n{}",
            recent_output()
        );
        assert_eq!(pings.lost(), 0, "of {} pings; outages: {:?}", pings.sent, pings.outages());
        pings.sent
    }
}

/// Waits until a daemon has logged words, and returns the line.
#[track_caller]
pub(crate) fn wait_logged(daemon: &Daemon, words: &str) -> String {
    wait_until(&format!("{words:?} in the log"), SOON, || {
        daemon.process.lines().into_iter().map(|line| line.text).find(|line| line.contains(words))
    })
}
