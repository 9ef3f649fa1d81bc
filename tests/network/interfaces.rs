//! Interfaces that are renamed, replaced, given another hardware address, or are none in the usual sense.

use std::time::Duration;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::command::run;
use crate::support::daemon::Daemon;
use crate::support::host::{Host, INTERFACE, VIP, VIP6};
use crate::support::setup::{SOON, Setup, report, wait_announced, wait_logged, wait_status};

/// A second interface on the switch, so that etcd can be reached whatever becomes of it.
fn plug_in(setup: &Setup, host: &Host, name: &str) {
    let switch = setup.lab.switch();
    let port = format!("{}{name}", host.name());
    host.ip(&format!("link add {name} type veth peer name {port} netns {switch}"));
    run("ip", &["-n", &switch, "link", "set", &port, "master", "br0", "up"]);
    host.ip(&format!("link set {name} up"));
}

fn mac_of(host: &Host, interface: &str) -> String {
    let shown = host.ip(&format!("-o link show dev {interface}"));
    let mut words = shown.split_whitespace();
    words.find(|word| *word == "link/ether");
    words.next().unwrap().to_owned()
}

/// Leads on `eth1`, with an address of each family.
fn lead_on_eth1(setup: &Setup) -> Daemon {
    plug_in(setup, setup.host(), "eth1");
    let config = setup.config().with("interface", "eth1").with("ip", format!("[{VIP}, \"{VIP6}\"]"));
    let daemon = setup.lead(&config, VIP);
    wait_status(&daemon, "2 held");
    daemon
}

#[test]
fn an_interface_renamed_away_loses_the_address_and_has_it_back_with_its_name() {
    let setup = Setup::new("rename", 1);
    let daemon = lead_on_eth1(&setup);
    let capture = Capture::on(&setup.client);
    setup.host().ip("link set eth1 down");
    setup.host().ip("link set eth1 name lan0");
    setup.host().ip("link set lan0 up");
    let renamed = now();
    wait_logged(&daemon, "interface eth1 does not exist");
    // Under another name it is not where the configuration wants it.
    let gone = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    report("gone from the renamed interface after", gone.since(renamed));
    assert!(gone.since(renamed) < Duration::from_secs(1));
    wait_for("IPv6 to go as well", SOON, || !setup.host().carries(VIP6));

    let back = now();
    setup.host().ip("link set lan0 down");
    setup.host().ip("link set lan0 name eth1");
    setup.host().ip("link set eth1 up");
    let mac = mac_of(setup.host(), "eth1");
    for address in [VIP, VIP6] {
        setup.observer.wait_held(setup.host(), address, SOON);
        wait_for("an announcement", SOON, || capture.first(back, address, &mac).is_some());
    }
    wait_status(&daemon, "2 held");
}

/// Two interfaces exchange their names, as udev does when a card is replaced.
#[test]
fn the_address_follows_the_name_to_another_interface() {
    let setup = Setup::new("swap", 1);
    let daemon = lead_on_eth1(&setup);
    plug_in(&setup, setup.host(), "eth2");
    let capture = Capture::on(&setup.client);
    for name in ["eth1", "eth2"] {
        setup.host().ip(&format!("link set {name} down"));
    }
    setup.host().ip("link set eth1 name old0");
    setup.host().ip("link set eth2 name eth1");
    let since = now();
    for name in ["eth1", "old0"] {
        setup.host().ip(&format!("link set {name} up"));
    }
    let mac = mac_of(setup.host(), "eth1");
    for address in [VIP, VIP6] {
        wait_for("an announcement from there", SOON, || capture.first(since, address, &mac).is_some());
        wait_for("one place alone", SOON, || {
            let shown = setup.host().ip(&format!("-o addr show to {address}"));
            shown.lines().count() == 1 && shown.contains(" eth1 ")
        });
    }
    wait_status(&daemon, "2 held");
}

#[test]
fn an_interface_deleted_and_made_again_has_the_address_again() {
    let setup = Setup::new("remade", 1);
    let daemon = lead_on_eth1(&setup);
    let capture = Capture::on(&setup.client);
    setup.host().ip("link del eth1");
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    wait_logged(&daemon, "interface eth1 does not exist");
    pause(Duration::from_secs(2));
    let since = now();
    plug_in(&setup, setup.host(), "eth1");
    let mac = mac_of(setup.host(), "eth1");
    for address in [VIP, VIP6] {
        let held = setup.observer.wait_held(setup.host(), address, SOON);
        report(&format!("{address}: made again to the address"), held.since(since));
        wait_for("an announcement", SOON, || capture.first(since, address, &mac).is_some());
    }
}

/// keepalived #1112: a bond announced a stale hardware address.
#[test]
fn a_new_hardware_address_is_announced_and_the_old_one_never_again() {
    let setup = Setup::new("mac", 1);
    let daemon = setup.lead(&setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")), VIP);
    wait_status(&daemon, "2 held");
    for address in [VIP, VIP6] {
        setup.client.run("ping", &["-n", "-c1", "-W5", &address.to_string()]);
    }
    let capture = Capture::on(&setup.client);
    let new = "02:00:00:00:0a:0b";
    setup.host().ip(&format!("link set {INTERFACE} address {new}"));
    let changed = now();
    for address in [VIP, VIP6] {
        let told = wait_announced(&capture, setup.host(), address, changed - Duration::from_millis(50));
        report(&format!("{address}: the new hardware address told after"), told.at.since(changed));
        wait_for("the neighbour table", Duration::from_secs(1), || {
            setup.client.neighbour(address).as_deref() == Some(new)
        });
    }
    pause(Duration::from_secs(3));
    let after = changed + Duration::from_millis(200);
    assert!(capture.all().iter().filter(|seen| seen.at > after).all(|seen| seen.mac.to_string() == new));
}

#[test]
fn ipv6_disabled_on_the_interface_is_said_with_the_cure_and_waited_for() {
    let setup = Setup::new("noipv6", 1);
    setup.set_leader(setup.host());
    let daemon = setup.lead(&setup.config().with("ip", format!("\"{VIP6}\"")), VIP6);
    wait_status(&daemon, "held");
    setup.host().sysctl("net/ipv6/conf/eth0/disable_ipv6", "1");
    setup.observer.wait_gone(setup.host(), VIP6, SOON);
    wait_logged(&daemon, "IPv6 is disabled");
    wait_logged(&daemon, "disable_ipv6 to 0");
    pause(Duration::from_secs(5));
    let said = daemon.process.text().matches("IPv6 is disabled").count();
    assert_eq!(said, 1, "once, not at every try:\n{}", daemon.process.text());
    setup.host().sysctl("net/ipv6/conf/eth0/disable_ipv6", "0");
    let enabled = now();
    let held = setup.observer.wait_held(setup.host(), VIP6, SOON);
    report("IPv6 enabled to the address", held.since(enabled));
}

/// vip-manager #272, #245: no announcement at all without an address on the interface.
#[test]
fn an_interface_without_any_address_carries_and_announces_the_vip() {
    let setup = Setup::new("bare", 1);
    let capture = Capture::on(&setup.client);
    let since = now();
    plug_in(&setup, setup.host(), "eth1");
    setup.host().sysctl("net/ipv6/conf/eth1/addr_gen_mode", "1");
    setup.host().ip("addr flush dev eth1");
    let config = setup.config().with("interface", "eth1").with("ip", format!("[{VIP}, \"{VIP6}\"]"));
    let _daemon = setup.lead(&config, VIP);
    let mac = mac_of(setup.host(), "eth1");
    for address in [VIP, VIP6] {
        wait_for("an announcement", SOON, || capture.first(since, address, &mac).is_some());
        wait_for("the neighbour table or an answer", SOON, || {
            setup.client.attempt("ping", &["-n", "-c1", "-W1", &address.to_string()]).is_ok()
        });
    }
}

#[test]
fn a_loopback_carries_the_vip_and_that_it_is_not_announced_is_said_once() {
    let setup = Setup::new("loopback", 1);
    let capture = Capture::on(&setup.client);
    let config = setup.config().with("interface", "lo").with("announce-refresh", "1s");
    let daemon = setup.lead(&config, VIP);
    wait_logged(&daemon, "on lo: the interface has no hardware address");
    pause(Duration::from_secs(6));
    assert_eq!(daemon.process.text().matches("no hardware address").count(), 1, "{}", daemon.process.text());
    assert_eq!(capture.all().iter().filter(|seen| seen.address == VIP).count(), 0);
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    assert!(setup.host().carries("127.0.0.1".parse().unwrap()));
}
