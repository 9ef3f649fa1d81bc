//! The setup of these tests: three etcd members, some database hosts with a daemon each, a client, and the observers.

use std::time::Duration;

use vip_manager::time::Moment;

use super::support::capture::Capture;
use super::support::clock::{now, pause, wait_for, wait_until};
use super::support::cut::{Cut, Way};
use super::support::daemon::{ConfigFile, Daemon, KEY};
use super::support::etcd::{Cluster, ClusterOptions, PORT};
use super::support::holding::{Interval, Notice, What};
use super::support::host::{Host, VIP};
use super::support::lab::Lab;
use super::support::observer::AddressObserver;
use super::support::patroni::{Patroni, Timing};
use super::support::ping::{Pinger, Pings};
use super::support::process::recent_output;
use super::support::store::Entry;
use super::support::watcher::Watcher;

/// The limit for what happens soon, even on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// How often the client pings.
pub(crate) const PING: Duration = Duration::from_millis(20);
/// Less than a read extends a lifetime, more than a notification may be late.
const MOVED: Duration = Duration::from_millis(500);
/// The daemon's default hold-timeout.
pub(crate) const HOLD: Duration = Duration::from_secs(10);

/// The fields are dropped in this order: the daemons before etcd, and the lab last.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) client: Host,
    pub(crate) observer: AddressObserver,
    pub(crate) capture: Capture,
    pub(crate) cluster: Cluster,
    pub(crate) lab: Lab,
}

impl Setup {
    /// Hosts `db1`, `db2` and so on, each with a daemon with the minimal configuration.
    pub(crate) fn new(name: &str, hosts: usize) -> Self {
        Self::with(name, hosts, &ClusterOptions::default(), |_, config| config)
    }

    /// The same with options of the cluster. `prepare` completes the configurations once the cluster runs.
    pub(crate) fn with(
        name: &str,
        hosts: usize,
        options: &ClusterOptions,
        prepare: impl Fn(&Cluster, ConfigFile) -> ConfigFile,
    ) -> Self {
        let lab = Lab::new(name);
        let cluster = Cluster::start_with(&lab, options);
        let hosts: Vec<Host> = (1..=hosts).map(|number| lab.host(&format!("db{number}"))).collect();
        let client = lab.host("client");
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        let capture = Capture::on(&client);
        let start = |host| Daemon::start(host, &prepare(&cluster, ConfigFile::basic(host, &cluster)));
        let daemons = hosts.iter().map(start).collect();
        let setup = Self { daemons, hosts, client, observer, capture, cluster, lab };
        for daemon in &setup.daemons {
            wait_for(&format!("{} to be ready", daemon.host.name()), SOON, || daemon.ready());
        }
        setup
    }

    // The cluster

    /// Starts a Patroni on each host, as followers.
    pub(crate) fn patronis(&self, timing: &Timing) -> Vec<Patroni> {
        self.hosts.iter().map(|host| Patroni::start(host, &self.cluster, timing)).collect()
    }

    /// Writes a host's name to the leader key without a lease and returns when it was written.
    ///
    /// It is retried, because a member may be failing.
    pub(crate) fn set_leader(&self, host: usize) -> Moment {
        self.write(KEY, self.hosts[host].name(), 0)
    }

    /// Writes a key and returns when it was written.
    pub(crate) fn write(&self, key: &str, value: &str, lease: i64) -> Moment {
        wait_until(&format!("{key} to be written"), SOON, || {
            let (key, value) = (key.to_owned(), value.to_owned());
            self.cluster.store().with(move |client| client.put(&key, &value, lease)).ok().map(|_| now())
        })
    }

    /// Makes a host the leader and waits until it holds the VIP.
    pub(crate) fn lead(&self, host: usize) {
        self.set_leader(host);
        self.wait_held(host);
    }

    /// The current leader key.
    pub(crate) fn entry(&self) -> Entry {
        wait_until("the leader key", SOON, || self.cluster.store().with(|client| client.get(KEY)).ok().flatten())
    }

    /// A watch of the leader key that is known to work.
    pub(crate) fn key_watcher(&self) -> Watcher {
        let watcher = Watcher::on(&self.client, &self.cluster, KEY);
        let probe = format!("{KEY}-probe");
        wait_for("the watch to begin", SOON, || {
            self.write(&probe, "?", 0);
            !watcher.changes().is_empty()
        });
        watcher.clear();
        watcher
    }

    // The network

    /// Cuts a host off from the daemon's port of every member.
    pub(crate) fn cut_etcd(&self, host: usize, way: Way) -> Cut {
        Cut::of_port(&self.lab, &self.hosts[host], &self.members(), PORT, way)
    }

    /// Cuts a host off from all members on all ports.
    pub(crate) fn cut_members(&self, host: usize, way: Way) -> Cut {
        Cut::between(&self.lab, &self.hosts[host], &self.members(), way)
    }

    pub(crate) fn members(&self) -> Vec<&Host> {
        self.cluster.members.iter().map(|member| &member.host).collect()
    }

    // The observers

    pub(crate) fn wait_held(&self, host: usize) -> Moment {
        self.observer.wait_held(&self.hosts[host], VIP, SOON)
    }

    /// Waits until a host that has the VIP has lost it.
    #[track_caller]
    pub(crate) fn wait_gone(&self, host: usize, limit: Duration) -> Moment {
        let Some(gone) = self.observer.wait_gone(&self.hosts[host], VIP, limit) else {
            panic!("{} never had the address", self.hosts[host].name());
        };
        gone
    }

    pub(crate) fn holds(&self, host: usize) -> bool {
        self.observer.holds(&self.hosts[host], VIP)
    }

    pub(crate) fn intervals(&self, host: usize) -> Vec<Interval> {
        self.observer.intervals(&self.hosts[host], VIP)
    }

    /// The notifications since `since` in which the kernel added or renewed the address.
    pub(crate) fn shown_since(&self, host: usize, since: Moment) -> Vec<Notice> {
        let of_host = |notice: &Notice| {
            notice.host == self.hosts[host].name()
                && notice.address == VIP
                && notice.at >= since
                && matches!(notice.what, What::Shown { .. })
        };
        self.observer.notices().into_iter().filter(of_host).collect()
    }

    /// Waits until a new read has confirmed the address: the lifetime in the kernel ends later than before.
    ///
    /// A renewal alone proves nothing: in doubt the daemon renews without extending the lifetime.
    #[track_caller]
    pub(crate) fn wait_renewed(&self, host: usize) -> Moment {
        let end = |notice: &Notice| match notice.what {
            What::Shown { lifetime } => lifetime.map(|lifetime| notice.at + lifetime),
            What::Removed => None,
        };
        let since = now();
        let known = self.shown_since(host, Moment::default()).iter().filter_map(end).max().unwrap_or_default();
        wait_until(&format!("a renewal on {}", self.hosts[host].name()), SOON, || {
            let renewed = self.shown_since(host, since);
            renewed.iter().find(|notice| end(notice) > Some(known + MOVED)).map(|notice| notice.at)
        })
    }

    /// For how long any two hosts had the address at the same time.
    pub(crate) fn overlap(&self) -> Duration {
        let pairs = (0..self.hosts.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        pairs.map(|(one, other)| self.observer.overlap(&self.hosts[one], &self.hosts[other], VIP)).sum()
    }

    /// Asserts that for this time the host neither has nor announces the address.
    #[track_caller]
    pub(crate) fn assert_stays_released(&self, host: usize, span: Duration) {
        let since = now();
        pause(span);
        assert_eq!(self.shown_since(host, since), [], "the address came back");
        let mac = self.hosts[host].mac();
        let packets = self.capture.since(since, VIP);
        let own: Vec<_> = packets.iter().filter(|packet| packet.mac.to_string() == mac).collect();
        assert!(own.is_empty(), "announced by a host that does not have the address: {own:?}");
        assert!(!self.hosts[host].carries(VIP), "the observer missed the address");
    }

    /// Pings the VIP until [`assert_undisturbed`](Self::assert_undisturbed) checks the result.
    pub(crate) fn ping(&self) -> Pinger {
        let pinger = Pinger::start(&self.client, VIP, PING);
        wait_for("the first answers", SOON, || pinger.pings().answers.len() > 5);
        pinger
    }

    /// Asserts that no ping was lost and that the host held the address all the time.
    #[track_caller]
    pub(crate) fn assert_undisturbed(&self, host: usize, pinger: Pinger) -> Pings {
        let pings = pinger.stop();
        assert!(pings.sent > 20, "only {} pings were sent", pings.sent);
        let intervals = self.intervals(host);
        assert_eq!(
            (intervals.len(), intervals.last().and_then(|last| last.until)),
            (1, None),
            "{intervals:?}\n{}",
            recent_output()
        );
        assert_eq!(pings.lost(), 0, "of {} pings; outages: {:?}", pings.sent, pings.outages());
        pings
    }
}
