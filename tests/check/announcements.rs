//! Whether the network carries announcements, as far as it can be told without making one.

use crate::check;
use crate::support::capture::Capture;
use crate::support::clock::now;
use crate::support::command::run;
use crate::support::daemon::ConfigFile;
use crate::support::etcd::Cluster;
use crate::support::host::{Host, VIP, VIP6};
use crate::support::lab::Lab;

const CARRIED: &str = "answered a broadcast from here: the network carries it";

#[test]
fn neighbours_that_answer_show_that_the_network_carries_announcements() {
    let lab = Lab::new("carried");
    let cluster = Cluster::start(&lab, 3);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    let printed = check(&host, &config);
    assert!(printed.text.contains(CARRIED), "{}", printed.text);

    host.run("ping", &["-6", "-c", "1", "-W", "5", &cluster.members[0].host.v6().to_string()]);
    let printed = check(&host, &config.clone().with("ip", format!("\"{VIP6}\"")));
    assert!(printed.text.contains("answered a multicast from here: the network carries it"), "{}", printed.text);

    // From now on the switch delivers to the one that is meant alone.
    for member in &cluster.members {
        let (switch, port) = (lab.switch(), member.host.name());
        run("ip", &["netns", "exec", &switch, "bridge", "link", "set", "dev", port, "bcast_flood", "off"]);
    }
    check(&host, &config).shows("announcements-unheard");
}

#[test]
fn a_second_interface_hears_what_the_network_carries() {
    let lab = Lab::new("echo");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    second_cable(&lab, &host);
    let printed = check(&host, &config);
    let heard = "✓ announcements on eth0: a broadcast from here arrived on eth1: the network carries it";
    assert!(printed.text.contains(heard), "{}", printed.text);
}

/// An echo within the host says nothing of the network.
#[test]
fn an_interface_on_the_same_cable_proves_nothing() {
    let lab = Lab::new("alone");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    host.ip("link add veth1 type veth peer name veth2");
    host.ip("link add br1 type bridge");
    host.ip("link set veth2 master br1 up");
    host.ip("link set br1 up");
    host.ip("link set veth1 up");
    host.ip("addr add 10.77.0.1/24 dev veth1");
    let config = ConfigFile::basic(&host, &cluster).with("ip", "10.77.0.100");
    let on_bridge = check(&host, &config.clone().with("interface", "br1"));
    let unknown = "! announcements on br1: cannot tell whether they are heard";
    assert!(on_bridge.text.contains(unknown), "{}", on_bridge.text);
    check(&host, &config.with("interface", "veth1")).shows("announcements-unknown");
}

/// Nothing that a check sends says that somebody has the VIP, nor that a neighbour's address is elsewhere.
#[test]
fn a_check_sends_no_claim() {
    let lab = Lab::new("claims");
    let cluster = Cluster::start(&lab, 1);
    let (host, client) = (lab.host("db1"), lab.host("client"));
    client.run("ping", &["-c", "1", "-W", "5", &host.v4().to_string()]);
    let (capture, started) = (Capture::on(&client), now());
    let printed = check(&host, &ConfigFile::basic(&host, &cluster));
    assert!(printed.text.contains(CARRIED), "{}", printed.text);
    assert_eq!(capture.since(started, VIP), []);
    assert_eq!(client.neighbour(host.v4().into()), Some(host.mac()));
}

/// Plugs the host into the lab's switch once more.
fn second_cable(lab: &Lab, host: &Host) {
    let (namespace, switch) = (host.namespace(), lab.switch());
    run("ip", &["link", "add", "eth1", "netns", namespace, "type", "veth", "peer", "name", "second", "netns", &switch]);
    run("ip", &["-n", &switch, "link", "set", "second", "master", "br0", "up"]);
    host.ip("link set eth1 up");
}
