//! The daemon is killed or stopped, and Patroni on its host dies with it.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::failover::{Failover, LEASE};
use super::measure::{report, seconds};
use super::setup::{HOLD, SOON, Setup};
use super::support::clock::{now, wait_for};
use super::support::daemon::ConfigFile;
use super::support::etcd::{Cluster, ClusterOptions};
use super::support::host::{VIP, VIP6};

/// The hold-timeout, and the longest delay of the kernel that was ever seen.
const LONGEST: Duration = Duration::from_millis(12_500);

/// vip-manager #216, keepalived #2361, kube-vip #996 and #1579.
#[test]
fn two_hosts_never_hold_the_vip_when_daemon_and_leader_are_killed() {
    let failover = Failover::begin("killed");
    failover.setup.daemons[0].process.signal(Signal::SIGKILL);
    let end = failover.earliest_end();
    failover.patronis[0].die();
    failover.check(end);
    assert!(!failover.setup.hosts[0].carries(VIP));
}

#[test]
fn ipv6_vip_expires_like_the_ipv4_vip_when_the_daemon_is_killed() {
    let both = |_: &Cluster, config: ConfigFile| config.with("ip", format!("[\"{VIP}\", \"{VIP6}\"]"));
    let setup = Setup::with("families", 1, &ClusterOptions::default(), both);
    setup.lead(0);
    setup.observer.wait_held(&setup.hosts[0], VIP6, SOON);
    setup.wait_renewed(0);
    setup.daemons[0].process.signal(Signal::SIGKILL);
    let killed = now();
    let gone = [VIP, VIP6].map(|address| setup.observer.wait_gone(&setup.hosts[0], address, 2 * LONGEST).unwrap());
    report(&format!("gone {:.2} s and {:.2} s after the kill", seconds(killed, gone[0]), seconds(killed, gone[1])));
    assert!(gone.iter().all(|gone| gone.since(killed) < LONGEST), "{gone:?}");
    assert!(!setup.hosts[0].carries(VIP) && !setup.hosts[0].carries(VIP6));
}

#[test]
fn two_hosts_never_hold_the_vip_when_the_daemon_is_stopped_and_the_leader_dies() {
    let failover = Failover::begin("stopped");
    failover.setup.daemons[0].process.signal(Signal::SIGSTOP);
    let end = failover.earliest_end();
    failover.patronis[0].die();
    failover.check(end);

    failover.setup.daemons[0].process.signal(Signal::SIGCONT);
    failover.setup.assert_stays_released(0, Duration::from_secs(5));
    assert_eq!(failover.setup.intervals(0).len(), 1, "the stopped daemon did not acquire again");
    assert_eq!(failover.setup.intervals(1).len(), 1, "the new holder kept the address");
    assert_eq!(failover.setup.overlap(), Duration::ZERO);
}

/// The daemon continues while its lease still runs. It may hold until the lease ends, but no longer.
#[test]
fn a_daemon_that_continues_before_its_lease_ends_does_not_outlive_the_lease() {
    let failover = Failover::begin("woken");
    failover.setup.daemons[0].process.signal(Signal::SIGSTOP);
    let end = failover.earliest_end();
    failover.patronis[0].die();
    let expired = failover.setup.wait_gone(0, LEASE);
    failover.setup.daemons[0].process.signal(Signal::SIGCONT);
    let (ended, _) = failover.succession();
    failover.setup.wait_held(1);
    let intervals = failover.setup.intervals(0);
    report(&format!(
        "continued {:.2} s before the end of the lease; held {} times",
        seconds(expired, end),
        intervals.len()
    ));
    let last = intervals.last().map(|interval| interval.until.unwrap_or_else(now)).unwrap();
    assert!(last < end && last < ended, "held {:.3} s past the lease", seconds(end, last));
    assert_eq!(failover.setup.overlap(), Duration::ZERO);
}

/// While the key names its host, it may acquire again after a fresh read. After the leader has moved, it does not.
#[test]
fn a_stopped_daemon_that_continues_follows_the_current_leader_key() {
    let setup = Setup::new("moved", 2);
    setup.lead(0);
    setup.daemons[0].process.signal(Signal::SIGSTOP);
    setup.wait_gone(0, LONGEST);
    setup.daemons[0].process.signal(Signal::SIGCONT);
    setup.wait_held(0);

    let stopped = now();
    setup.daemons[0].process.signal(Signal::SIGSTOP);
    setup.set_leader(1);
    setup.wait_held(1);
    setup.wait_gone(0, LONGEST);
    // A read in flight at the stop was answered meanwhile. It is valid until its own deadline.
    wait_for("the deadline of the last read", LONGEST, || now().since(stopped) > HOLD);
    setup.daemons[0].process.signal(Signal::SIGCONT);
    setup.assert_stays_released(0, Duration::from_secs(4));
    assert!(setup.holds(1));
    report(&format!("a stopped daemon's address overlapped the new one for {:.2} s", setup.overlap().as_secs_f64()));
    assert!(setup.overlap() < LONGEST);
}
