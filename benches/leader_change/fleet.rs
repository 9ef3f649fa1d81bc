//! Measures what many daemons cost one etcd cluster while nothing happens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Effort;
use crate::series::to_f64;
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::etcd::{Cluster, Member};
use crate::support::fail::OrFail;
use crate::support::host::{Host, INTERFACE};
use crate::support::lab::Lab;
use crate::support::store::Store;
use crate::usage::{cpu_time, received};

const LIMIT: Duration = Duration::from_secs(120);
/// The daemons share some hosts: what etcd sees of them is the same.
const HOSTS: usize = 10;
/// The daemons of one cluster of PostgreSQL, of which one holds the VIP.
const OF_A_CLUSTER: usize = 3;
/// Patroni's defaults.
const LEASE: i64 = 30;
const REFRESH: Duration = Duration::from_secs(10);
/// Until every daemon has read a few times without a doubt.
const BECOMING_QUIET: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    pub(crate) daemons: usize,
    pub(crate) holders: usize,
    pub(crate) members: usize,
    pub(crate) span: Duration,
    /// Milliseconds of processor time per second: of all members before the daemons, then of all members together.
    pub(crate) etcd_alone: f64,
    pub(crate) etcd: f64,
    /// And while one bare client reads a key as often as all daemons together ask, and nobody else does anything.
    pub(crate) etcd_bare: f64,
    /// Of all daemons together.
    pub(crate) own: f64,
    /// Requests per second of all daemons together, by method.
    pub(crate) requests: Vec<(&'static str, f64)>,
    /// From the move of all keys until every old holder has released and every new one holds.
    pub(crate) moved_within: Duration,
}

impl Fleet {
    pub(crate) fn per_daemon(&self, all: f64) -> f64 {
        all / to_f64(self.daemons)
    }
}

pub(crate) fn measure(effort: &Effort) -> Fleet {
    let lab = Lab::new("fleet");
    let hosts: Vec<Host> = (1..=HOSTS).map(|number| lab.host(&format!("db{number}"))).collect();
    let cluster = Cluster::start(&lab, 3);
    let clusters = effort.fleet / OF_A_CLUSTER;
    let lease = Lease::keep(cluster.store());
    let lead = |place: usize| {
        let pairs = (0..clusters).map(|number| (key(number), host_of(&hosts, number, place).name().to_owned()));
        cluster.store().put_all(pairs.collect(), lease.id);
    };
    lead(0);
    pause(Duration::from_secs(3));
    let (etcd_alone, _) = window(&cluster, &[], effort.rest);

    let mut daemons = Vec::new();
    for number in 0..clusters {
        for place in 0..OF_A_CLUSTER {
            let host = host_of(&hosts, number, place);
            let config = ConfigFile::basic(host, &cluster).with("ip", address(number)).with("trigger-key", key(number));
            daemons.push(Daemon::start_with(host, &config.text(), &[]));
        }
        // Not all at once: the machine has more to do at a start than at any other time.
        wait_for("the daemons", LIMIT, || daemons.iter().rev().take(OF_A_CLUSTER).all(Daemon::ready));
    }
    wait_for("all addresses", LIMIT, || held_by(&hosts, clusters, 0));
    pause(BECOMING_QUIET);
    let before = received(&cluster);
    let ((etcd, own), span) = (window(&cluster, &daemons, effort.rest * 2), effort.rest * 2);
    let rate = |after: f64, before: f64| (after - before) / span.as_secs_f64();
    let requests =
        received(&cluster).into_iter().zip(before).map(|((method, after), (_, before))| (method, rate(after, before)));
    let requests: Vec<(&str, f64)> = requests.collect();

    let begun = now();
    lead(1);
    wait_for("all new holders, and no old one", LIMIT, || held_by(&hosts, clusters, 1));
    let (moved_within, count) = (now().since(begun), daemons.len());
    drop(daemons);
    let etcd_bare = bare(&cluster, &hosts[0], requests.iter().map(|(_, rate)| rate).sum(), effort.rest);
    Fleet {
        daemons: count,
        holders: clusters,
        members: cluster.members.len(),
        span,
        etcd_alone,
        etcd,
        etcd_bare,
        own,
        requests,
        moved_within,
    }
}

/// The processor time of etcd and of the daemons, in milliseconds per second.
fn window(cluster: &Cluster, daemons: &[Daemon], span: Duration) -> (f64, f64) {
    let etcd = || used(cluster);
    let own = || daemons.iter().map(|daemon| cpu_time(daemon.process.pid())).sum::<Duration>();
    let (begun, etcd_before, own_before) = (now(), etcd(), own());
    pause(span);
    let (etcd_after, own_after, seconds) = (etcd(), own(), now().since(begun).as_secs_f64());
    let rate = |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64() * 1e3 / seconds;
    (rate(etcd_after, etcd_before), rate(own_after, own_before))
}

fn used(cluster: &Cluster) -> Duration {
    cluster.members.iter().filter_map(Member::pid).map(cpu_time).sum()
}

/// The processor time of etcd, in milliseconds per second, while one client reads a key so many times per second, at
/// equal distances and from each member in turn.
fn bare(cluster: &Cluster, client: &Host, rate: f64, span: Duration) -> f64 {
    let stores: Vec<Store> =
        cluster.plain_endpoints().into_iter().map(|endpoint| Store::from(client, vec![endpoint], None)).collect();
    let distance = Duration::from_secs_f64(1.0 / rate);
    let (begun, before) = (now(), used(cluster));
    let mut due = begun;
    for store in stores.iter().cycle() {
        if due.since(begun) >= span {
            break;
        }
        pause(due.since(now()));
        store.get(&key(0)).or_fail("a key that is there");
        due = due + distance;
    }
    used(cluster).saturating_sub(before).as_secs_f64() * 1e3 / now().since(begun).as_secs_f64()
}

fn host_of(hosts: &[Host], cluster: usize, place: usize) -> &Host {
    &hosts[(cluster * OF_A_CLUSTER + place) % hosts.len()]
}

/// Whether each VIP is on the host at this place of its cluster, and on no other.
fn held_by(hosts: &[Host], clusters: usize, place: usize) -> bool {
    pause(Duration::from_millis(20));
    let mut expected: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for number in 0..clusters {
        expected.entry(host_of(hosts, number, place).name()).or_default().insert(address(number));
    }
    hosts.iter().all(|host| {
        let text = host.ip(&format!("-o -4 addr show dev {INTERFACE}"));
        let shown = text.split_whitespace().filter_map(|word| word.strip_suffix("/32"));
        let vips: BTreeSet<_> = shown.filter(|address| address.starts_with(SUBNET)).map(str::to_owned).collect();
        vips == expected.get(host.name()).cloned().unwrap_or_default()
    })
}

fn key(number: usize) -> String {
    format!("/fleet/{number:04}/leader")
}

const SUBNET: &str = "10.66.200.";

fn address(number: usize) -> String {
    let last = u8::try_from(1 + number).or_fail("a fleet of moderate size");
    Ipv4Addr::new(10, 66, 200, last).to_string()
}

/// A lease that is refreshed as Patroni does it, until it is dropped.
struct Lease {
    id: i64,
    over: Arc<AtomicBool>,
}

impl Lease {
    fn keep(store: &Store) -> Self {
        let lease = Self { id: store.grant(LEASE), over: Arc::default() };
        let (id, over, store) = (lease.id, Arc::clone(&lease.over), store.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                store.keep_alive(id);
                pause(REFRESH);
            }
        });
        lease
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
