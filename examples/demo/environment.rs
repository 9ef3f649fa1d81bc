//! The environment of the demo: hosts, etcd, Patroni and daemons.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::observers::Observers;
use crate::support::clock::{now, pause};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::etcd::Cluster;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::patroni::{Patroni, Timing};
use crate::support::process;
use crate::support::tcp::EchoServer;
use crate::timeline::{self, Timeline};

const TICK: Duration = Duration::from_millis(10);
const LEASE: i64 = 10;
const HOLD: &str = "5s";
const MARGIN: &str = "2s";

/// The fields are dropped in this order: the observers first, the lab last.
pub(crate) struct Environment {
    pub(crate) timeline: Timeline,
    pub(crate) observers: Observers,
    pub(crate) daemons: Vec<Option<Daemon>>,
    pub(crate) patroni: Vec<Patroni>,
    pub(crate) cluster: Cluster,
    pub(crate) hosts: Vec<Host>,
    _databases: Vec<EchoServer>,
    pub(crate) lab: Lab,
}

impl Environment {
    pub(crate) fn build() -> Self {
        let lab = Lab::new("demo");
        let hosts: Vec<Host> = ["db1", "db2", "db3"].map(|name| lab.host(name)).into();
        let client = lab.host("client");
        let cluster = Cluster::start(&lab, 3);
        let names: Vec<String> = hosts.iter().map(|host| host.name().to_owned()).collect();
        timeline::open(
            &names,
            &format!(
                "Three database hosts, three etcd members and a client, as network namespaces on this machine.\n\
                 The virtual IP is {VIP}. To save time, Patroni's lease is {LEASE} s here (30 s by\n\
                 default), hold-timeout {HOLD} (10s) and lease-margin {MARGIN} (3s). ● marks the host that has the address."
            ),
        );
        let observers = Observers::new(&hosts, &client, &cluster);
        let databases = hosts.iter().map(EchoServer::on).collect();
        let timing = Timing { ttl: LEASE, ..Timing::default() };
        let patroni = hosts.iter().map(|host| Patroni::start(host, &cluster, &timing)).collect();
        let mut env = Self {
            timeline: Timeline::new(hosts.len()),
            observers,
            daemons: hosts.iter().map(|_| None).collect(),
            patroni,
            cluster,
            hosts,
            _databases: databases,
            lab,
        };
        for host in 0..env.hosts.len() {
            env.start_daemon(host);
        }
        env
    }

    /// Starts the daemon of a host, replacing an earlier one.
    pub(crate) fn start_daemon(&mut self, host: usize) {
        let config =
            ConfigFile::basic(&self.hosts[host], &self.cluster).with("hold-timeout", HOLD).with("lease-margin", MARGIN);
        self.daemons[host] = Some(Daemon::start(&self.hosts[host], &config));
    }

    pub(crate) fn name(&self, host: usize) -> &str {
        self.hosts[host].name()
    }

    /// Runs until `done`. Panics after `limit` with what was waited for.
    pub(crate) fn run_until(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let start = now();
        loop {
            self.turn();
            if done(self) {
                return;
            }
            let waited = now().since(start);
            if waited > limit {
                self.timeline.flush();
                panic!("timed out after {waited:.1?} waiting for: {what}\n{}", process::recent_output());
            }
        }
    }

    /// Runs for a while.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = now() + span;
        while now() < end {
            self.turn();
        }
    }

    /// Runs until `host` has the address and answers the client. Returns since when it has the address.
    pub(crate) fn run_until_held(&mut self, host: usize, limit: Duration) -> Moment {
        let what = format!("the address on {}", self.name(host));
        self.run_until(&what, limit, |env| env.observers.holds(host));
        let since = self.observers.held_since(host);
        self.run_until("an answer to the client", Duration::from_secs(10), |env| {
            env.observers.answered_since(since) && env.observers.connected_since(since)
        });
        since
    }

    fn turn(&mut self) {
        for (host, daemon) in self.daemons.iter_mut().enumerate() {
            if let Some(process) = daemon
                && let Some(status) = process.process.ended()
            {
                let words = process.process.text();
                panic!("the daemon on {} has ended: {status}\n{words}", self.hosts[host].name());
            }
        }
        let living: Vec<bool> = self.daemons.iter().map(Option::is_some).collect();
        self.observers.report(&living, &mut self.timeline);
        self.timeline.settle();
        pause(TICK);
    }
}
