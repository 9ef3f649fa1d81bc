//! Several stores in one daemon: each VIP follows its own, and an outage of one concerns only the VIPs that follow it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::{ConfigFile, Daemon, KEY};
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::host::VIP;
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, Setup, report};

const OFTEN: Duration = Duration::from_millis(10);
const SECOND_VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 101));

/// A second cluster beside the setup's own, with the same key for the same host.
struct TwoStores {
    other: Cluster,
    setup: Setup,
}

impl TwoStores {
    fn new() -> Self {
        let setup = Setup::new("stores", 1);
        let options = ClusterOptions { members: 1, prefix: "b", ..ClusterOptions::default() };
        let other = Cluster::start_with(&setup.lab, &options);
        setup.set_leader(setup.host());
        other.store().put(KEY, setup.host().name());
        Self { other, setup }
    }

    fn config(&self) -> ConfigFile {
        self.setup.config().with("hold-timeout", "3s").with("interval", 500).without("ip")
    }

    /// Each VIP with the endpoints of its store.
    fn text(&self, vips: &[(IpAddr, &Cluster)]) -> String {
        let entry = |(vip, cluster): &(IpAddr, &Cluster)| {
            format!("  - {{ip: {vip}, dcs-endpoints: [\"{}\"]}}\n", cluster.endpoints().join("\", \""))
        };
        format!("{}vips:\n{}", self.config().text(), vips.iter().map(entry).collect::<String>())
    }

    fn reload(daemon: &Daemon, text: &str) {
        let reloads = |daemon: &Daemon| {
            daemon.process.lines().iter().filter(|line| line.text.contains("configuration reloaded")).count()
        };
        let before = reloads(daemon);
        fs::write(&daemon.config, text).unwrap();
        daemon.process.signal(Signal::SIGHUP);
        wait_for("the end of the reload", SOON, || reloads(daemon) > before);
    }
}

#[test]
fn an_outage_of_one_store_concerns_only_the_vip_that_follows_it() {
    let mut lab = TwoStores::new();
    let text = lab.text(&[(VIP, &lab.setup.cluster), (SECOND_VIP, &lab.other)]);
    let daemon = Daemon::start_with(lab.setup.host(), &text, &[]);
    let setup = &lab.setup;
    setup.observer.wait_held(setup.host(), VIP, SOON);
    setup.observer.wait_held(setup.host(), SECOND_VIP, SOON);
    let pinger = Pinger::start(&setup.client, VIP, OFTEN);
    wait_for("some answers", SOON, || pinger.pings().answers.len() > 20);

    let stopped = now();
    lab.other.members[0].freeze();
    let gone = setup.observer.wait_gone(setup.host(), SECOND_VIP, SOON).unwrap();
    report("the VIP of the silent store gone after", gone.since(stopped));
    pause(Duration::from_secs(4));
    assert_eq!(setup.times_held(VIP), 1);

    // The same key of the other store moves the other VIP alone.
    lab.other.members[0].thaw();
    lab.other.wait_healthy();
    setup.observer.wait_held(setup.host(), SECOND_VIP, SOON);
    lab.other.store().put(KEY, "nobody");
    setup.observer.wait_gone(setup.host(), SECOND_VIP, SOON).unwrap();
    pause(Duration::from_secs(1));
    assert_eq!(setup.times_held(VIP), 1);
    let pings = pinger.stop();
    assert_eq!(pings.lost(), 0, "{:?}", pings.outages());

    lab.other.members[0].kill();
    let log = daemon.process.text();
    assert!(log.contains(&lab.other.endpoints()[0]), "the log names the endpoint: {log}");
}

#[test]
fn a_vip_moves_from_one_store_to_another_without_a_lost_ping() {
    let lab = TwoStores::new();
    let (one, other) = (&lab.setup.cluster, &lab.other);
    let setup = &lab.setup;
    let daemon = Daemon::start_with(setup.host(), &lab.text(&[(VIP, one), (SECOND_VIP, one)]), &[]);
    setup.observer.wait_held(setup.host(), VIP, SOON);
    setup.observer.wait_held(setup.host(), SECOND_VIP, SOON);
    let pingers = [VIP, SECOND_VIP].map(|vip| Pinger::start(&setup.client, vip, OFTEN));
    wait_for("some answers", SOON, || pingers.iter().all(|pinger| pinger.pings().answers.len() > 20));

    // One of two VIPs moves, back, and then both in another order.
    TwoStores::reload(&daemon, &lab.text(&[(VIP, other), (SECOND_VIP, one)]));
    pause(Duration::from_secs(4));
    TwoStores::reload(&daemon, &lab.text(&[(VIP, one), (SECOND_VIP, one)]));
    TwoStores::reload(&daemon, &lab.text(&[(SECOND_VIP, other), (VIP, other)]));
    pause(Duration::from_secs(4));
    for pinger in pingers {
        let pings = pinger.stop();
        assert_eq!(pings.lost(), 0, "{:?}", pings.outages());
    }
    for vip in [VIP, SECOND_VIP] {
        assert_eq!(setup.times_held(vip), 1);
        assert_eq!(daemon.process.text().matches(&format!("{vip}/32 on eth0 acquired")).count(), 1);
    }

    // It is the new store that counts.
    one.store().put(KEY, "nobody");
    pause(Duration::from_secs(2));
    assert_eq!(setup.times_held(VIP), 1);
    other.store().put(KEY, "nobody");
    setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    setup.observer.wait_gone(setup.host(), SECOND_VIP, SOON).unwrap();
}
