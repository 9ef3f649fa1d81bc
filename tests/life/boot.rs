//! Boot: nothing is there yet, everything comes in whatever order, and nobody restarts the daemon.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::Daemon;
use crate::support::etcd::PORT;
use crate::support::host::{Host, VIP, VIP6};
use crate::support::setup::{SOON, Setup, report, wait_announced, wait_logged};

/// Long enough for a back-off of the daemon at its longest.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_daemon_that_starts_before_etcd_finds_it() {
    let mut setup = Setup::new("boot", 1);
    setup.set_leader(setup.host());
    setup.cluster.members[0].terminate();
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_for("readiness", SOON, || daemon.ready());
    pause(Duration::from_secs(3));
    assert!(!setup.host().carries(VIP));
    assert!(daemon.process.text().contains("refused"), "why is it away? {}", daemon.process.text());
    setup.cluster.members[0].restart();
    setup.cluster.wait_healthy();
    let healthy = now();
    let came = setup.observer.wait_held(setup.host(), VIP, PATIENCE);
    report("etcd's first answer to the address", came.since(healthy));
    assert!(came.since(healthy) < Duration::from_secs(10));
}

/// "The interface not up at boot: the daemon exits."
#[test]
fn a_daemon_that_starts_before_its_interface_waits_for_it() {
    let setup = Setup::new("boot", 1);
    setup.set_leader(setup.host());
    let config = setup.config().with("interface", "eth1").with("ip", format!("[{VIP}, \"{VIP6}\"]"));
    let daemon = Daemon::start(setup.host(), &config);
    wait_logged(&daemon, "interface eth1 does not exist");
    wait_for("readiness", SOON, || daemon.ready());
    let switch = setup.lab.switch();
    setup.host().ip(&format!("link add eth1 type veth peer name late netns {switch}"));
    setup.host().ip("addr add 10.66.0.61/16 dev eth1");
    pause(Duration::from_millis(300));
    let capture = Capture::on(&setup.client);
    crate::support::command::run("ip", &["-n", &switch, "link", "set", "late", "master", "br0", "up"]);
    setup.host().ip("link set eth1 up");
    let up = now();
    for address in [VIP, VIP6] {
        setup.observer.wait_held(setup.host(), address, SOON);
        let mac = mac_of(setup.host(), "eth1");
        wait_for("an announcement", SOON, || capture.first(up, address, &mac).is_some());
        report(&format!("{address}: link up to the announcement"), {
            capture.first(up, address, &mac).unwrap().at.since(up)
        });
    }
    let text = daemon.process.text();
    assert_eq!(text.matches("interface eth1 does not exist").count(), 2, "once for each address: {text}");
}

#[test]
fn a_daemon_whose_interface_is_down_at_boot_announces_when_it_comes_up() {
    let setup = Setup::new("boot", 1);
    let capture = Capture::on(&setup.client);
    setup.set_leader(setup.host());
    let switch = setup.lab.switch();
    setup.host().ip(&format!("link add eth1 type veth peer name late netns {switch}"));
    crate::support::command::run("ip", &["-n", &switch, "link", "set", "late", "master", "br0", "up"]);
    let config = setup.config().with("interface", "eth1").with("ip", format!("[{VIP}, \"{VIP6}\"]"));
    let daemon = Daemon::start(setup.host(), &config);
    wait_logged(&daemon, "10.66.0.100/32 on eth1 acquired");
    pause(Duration::from_secs(1));
    assert_eq!(capture.all().iter().filter(|seen| seen.address == VIP).count(), 0);
    let up = now();
    setup.host().ip("link set eth1 up");
    let mac = mac_of(setup.host(), "eth1");
    for address in [VIP, VIP6] {
        wait_for("an announcement", SOON, || capture.first(up, address, &mac).is_some());
    }
}

/// Names that a host of the lab knows, in the way of `ip netns exec`. They are there before the daemon starts, or
/// there is nothing to be changed under it.
struct Names {
    file: PathBuf,
}

impl Names {
    fn of(host: &Host) -> Self {
        let directory = PathBuf::from("/etc/netns").join(host.namespace());
        fs::create_dir_all(&directory).unwrap();
        // A name server that is not there; the machine's own are none of the lab's business.
        fs::write(directory.join("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
        let names = Self { file: directory.join("hosts") };
        names.set("");
        names
    }

    /// Written in place: the daemon sees this very file.
    fn set(&self, lines: &str) {
        fs::write(&self.file, format!("127.0.0.1 localhost\n{lines}")).unwrap();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        if let Some(directory) = self.file.parent() {
            let _ = fs::remove_dir_all(directory);
            // Only where it is empty: it may be the machine's own.
            let _ = directory.parent().map(fs::remove_dir);
        }
    }
}

#[test]
fn a_daemon_that_starts_before_the_name_of_its_endpoint_resolves_finds_it() {
    let setup = Setup::new("boot", 1);
    setup.set_leader(setup.host());
    let names = Names::of(setup.host());
    let config = setup.config().with("dcs-endpoints", format!("http://etcd.test:{PORT}"));
    let daemon = Daemon::start(setup.host(), &config);
    wait_for("readiness", SOON, || daemon.ready());
    wait_logged(&daemon, "etcd.test");
    pause(Duration::from_secs(2));
    assert!(!setup.host().carries(VIP));
    let member: IpAddr = setup.cluster.members[0].host.v4().into();
    names.set(&format!("{member} etcd.test\n"));
    let resolvable = now();
    let came = setup.observer.wait_held(setup.host(), VIP, PATIENCE);
    report("the name resolves to the address", came.since(resolvable));
    assert!(came.since(resolvable) < Duration::from_secs(10));
}

/// Everything at once, in the order of a bad morning.
#[test]
fn a_host_that_boots_before_the_network_the_names_and_etcd_leads_in_the_end() {
    let mut setup = Setup::new("boot", 1);
    setup.set_leader(setup.host());
    setup.cluster.members[0].terminate();
    setup.host().ip("link set eth0 down");
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_for("readiness", SOON, || daemon.ready());
    pause(Duration::from_secs(1));
    setup.cluster.members[0].restart();
    setup.cluster.wait_healthy();
    let capture = Capture::on(&setup.client);
    setup.host().ip("link set eth0 up");
    let up = now();
    let came = setup.observer.wait_held(setup.host(), VIP, PATIENCE);
    wait_announced(&capture, setup.host(), VIP, up);
    report("link up to the address", came.since(up));
}

fn mac_of(host: &Host, interface: &str) -> String {
    let shown = host.ip(&format!("-o link show dev {interface}"));
    let mut words = shown.split_whitespace();
    words.find(|word| *word == "link/ether");
    words.next().unwrap().to_owned()
}
