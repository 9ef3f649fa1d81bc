//! Measures the resources of one daemon with one VIP.

use std::fs;
use std::time::Duration;

use vip_manager::time::Moment;

use crate::Effort;
use crate::support::clock::{now, wait_for};
use crate::support::daemon::{ConfigFile, Daemon, KEY, binary};
use crate::support::etcd::Cluster;
use crate::support::fail::OrFail;
use crate::support::holding::What;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::usage::{Memory, Rest, at_rest, memory, streams_per_member};

const LIMIT: Duration = Duration::from_secs(10);
const LEASE: i64 = 3600;
/// The shortest interval that the daemon accepts, in milliseconds.
const SHORTEST_INTERVAL: u64 = 50;

#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    pub(crate) binary_bytes: u64,
    /// Right after the address was acquired, and after all renewals.
    pub(crate) early: Memory,
    pub(crate) late: Memory,
    pub(crate) renewals: usize,
    pub(crate) renewals_took: Duration,
    /// The holder at the default interval.
    pub(crate) holder: Rest,
    pub(crate) streams_per_member: f64,
}

pub(crate) fn measure(effort: &Effort) -> Footprint {
    let lab = Lab::new("footprint");
    let host = lab.host("db1");
    let cluster = Cluster::start(&lab, 3);
    let lease = cluster.store().grant(LEASE);
    cluster.store().put_leased(KEY, host.name(), lease);

    let frequent = ConfigFile::basic(&host, &cluster).with("interval", SHORTEST_INTERVAL);
    let (early, late, renewals_took) = renew(effort, &host, &frequent);
    let observer = AddressObserver::over(&[&host]);
    let daemon = Daemon::start(&host, &ConfigFile::basic(&host, &cluster));
    observer.wait_held(&host, VIP, LIMIT);
    crate::support::clock::pause(LIMIT);
    Footprint {
        binary_bytes: fs::metadata(binary()).or_fail("measuring the binary").len(),
        early,
        late,
        renewals: effort.renewals,
        renewals_took,
        holder: at_rest(daemon.process.pid(), &cluster, effort.rest),
        streams_per_member: streams_per_member(&cluster),
    }
}

/// Runs a daemon with the shortest interval until it has renewed as often as in an hour at the default interval.
fn renew(effort: &Effort, host: &Host, config: &ConfigFile) -> (Memory, Memory, Duration) {
    let observer = AddressObserver::over(&[host]);
    let mut daemon = Daemon::start(host, config);
    let begun: Moment = observer.wait_held(host, VIP, LIMIT);
    let early = memory(daemon.process.pid());
    let shown = || observer.notices().iter().filter(|notice| matches!(notice.what, What::Shown { .. })).count();
    let patience = LIMIT + Duration::from_millis(2 * SHORTEST_INTERVAL * effort.renewals as u64);
    wait_for("an hour's worth of renewals", patience, || {
        crate::support::clock::pause(Duration::from_millis(100));
        shown() > effort.renewals
    });
    let late = memory(daemon.process.pid());
    let took = now().since(begun);
    daemon.process.signal(nix::sys::signal::Signal::SIGTERM);
    daemon.process.wait(LIMIT);
    (early, late, took)
}
