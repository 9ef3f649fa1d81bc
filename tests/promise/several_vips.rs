//! One daemon with several VIPs: each follows its own key and is not affected by the others.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::measure::report;
use super::setup::SOON;
use super::support::clock::{pause, wait_for};
use super::support::daemon::Daemon;
use super::support::etcd::Cluster;
use super::support::host::{Host, INTERFACE, VIP, VIP6};
use super::support::lab::Lab;
use super::support::observer::AddressObserver;

const FIRST: &str = "/service/first/leader";
const SECOND: &str = "/service/second/leader";
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 101));

fn config(host: &Host, cluster: &Cluster) -> String {
    format!(
        "interface: {INTERFACE}\n\
         trigger-value: {}\n\
         dcs-type: etcd\n\
         dcs-endpoints: {}\n\
         vips:\n\
         \x20 - trigger-key: {FIRST}\n\
         \x20   ip: [\"{VIP}\", \"{VIP6}\"]\n\
         \x20 - trigger-key: {SECOND}\n\
         \x20   ip: {OTHER}\n",
        host.name(),
        cluster.endpoints().join(",")
    )
}

/// vip-manager #114, #18.
#[test]
fn several_vips_of_one_daemon_follow_their_keys_independently() {
    let lab = Lab::new("several");
    let cluster = Cluster::start(&lab, 3);
    let hosts = [lab.host("db1"), lab.host("db2")];
    let observer = AddressObserver::over(&[&hosts[0], &hosts[1]]);
    let daemons = hosts.each_ref().map(|host| Daemon::start_with(host, &config(host, &cluster), &[]));
    for daemon in &daemons {
        wait_for("a daemon that is ready", SOON, || daemon.ready());
    }
    // Held by this host and by no other.
    let settled = |address: IpAddr, holder: Option<usize>| {
        wait_for(&format!("{address} on {holder:?}"), SOON, || {
            (0..2).all(|host| observer.holds(&hosts[host], address) == (holder == Some(host)))
        });
    };
    let store = cluster.store();

    store.put(FIRST, "db1");
    settled(VIP, Some(0));
    settled(VIP6, Some(0));
    settled(OTHER, None);
    store.put(SECOND, "db2");
    settled(OTHER, Some(1));

    store.put(FIRST, "db2");
    settled(VIP, Some(1));
    settled(VIP6, Some(1));
    store.put(SECOND, "db1");
    settled(OTHER, Some(0));
    store.delete(FIRST);
    settled(VIP, None);
    settled(VIP6, None);

    // After some renewals: a change of one key never affected the VIP of the other.
    pause(Duration::from_secs(2));
    settled(OTHER, Some(0));
    let counts = [VIP, VIP6, OTHER].map(|address| hosts.each_ref().map(|host| observer.intervals(host, address).len()));
    report(&format!("holds on each host: {counts:?}"));
    assert_eq!(counts, [[1, 1], [1, 1], [1, 1]]);
    for address in [VIP, VIP6, OTHER] {
        assert!(observer.overlap(&hosts[0], &hosts[1], address) < Duration::from_secs(1));
    }
    assert!(hosts[0].carries(OTHER) && !hosts[0].carries(VIP6) && !hosts[1].carries(VIP));
}
