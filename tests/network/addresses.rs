//! The VIP beside the host's own addresses, and what it does to routes.

use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::{now, wait_for};
use crate::support::daemon::Daemon;
use crate::support::host::{INTERFACE, VIP, VIP6};
use crate::support::setup::{SOON, Setup, report, wait_status};

/// vip-manager #125: `10.27.176.21` was "found" because the host had `10.27.176.218`; later `110.27.176.21/23` for
/// `10.27.176.21/23`.
#[test]
fn an_address_whose_text_looks_like_another_is_another() {
    let setup = Setup::new("lookalike", 1);
    let vip: IpAddr = "10.27.176.21".parse().unwrap();
    for own in ["10.27.176.218/23", "110.27.176.21/23", "10.27.176.2/23"] {
        setup.host().ip(&format!("addr add {own} dev {INTERFACE}"));
    }
    let _daemon = setup.lead(&setup.config().with("ip", format!("{vip}/23")), vip);
    assert!(setup.host().carries(vip));
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), vip, SOON);
    for own in ["10.27.176.218", "110.27.176.21", "10.27.176.2"] {
        assert!(setup.host().carries(own.parse().unwrap()), "{own}");
    }
}

/// vip-manager PR #4: a classful /8 made the host unreachable.
#[test]
fn an_address_without_a_netmask_leaves_the_routes_alone() {
    let setup = Setup::new("routes", 1);
    let (v4, v6) = ("route show table main", "-6 route show table main");
    let before = [setup.host().ip(v4), setup.host().ip(v6)];
    let daemon = setup.lead(&setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")), VIP);
    wait_status(&daemon, "2 held");
    assert_eq!(setup.host().ip(v4), before[0]);
    let others = |text: &str| text.lines().filter(|line| !line.contains("fd66::100")).count();
    assert_eq!(others(&setup.host().ip(v6)), others(&before[1]));
}

/// With `promote_secondaries=0` a network's first address takes the others with it when it goes.
#[test]
fn the_hosts_own_address_outlives_a_vip_that_stood_first() {
    let setup = Setup::new("promote", 1);
    let host = setup.host();
    for place in ["all", "default", INTERFACE] {
        host.sysctl(&format!("net/ipv4/conf/{place}/promote_secondaries"), "0");
    }
    host.ip("link add eth1 type veth peer name eth1peer");
    host.ip("link set eth1peer up");
    host.ip("link set eth1 up");
    host.sysctl("net/ipv4/conf/eth1/promote_secondaries", "0");
    let vip: IpAddr = "10.77.0.100".parse().unwrap();
    let _daemon = setup.lead(&setup.config().with("interface", "eth1").with("ip", vip), vip);
    host.ip("addr add 10.77.0.1/24 dev eth1");
    setup.set_unknown_leader();
    setup.observer.wait_gone(host, vip, SOON);
    assert!(host.carries("10.77.0.1".parse().unwrap()));
}

/// Every old file has `netmask: 24`. `ifdown` and `ifup`, `netplan apply` and NetworkManager take all addresses away and
/// bring the host's own back a moment later, when the VIP is there again.
#[test]
fn the_hosts_own_address_outlives_a_wide_vip_that_was_restored_before_it() {
    let setup = Setup::new("flush", 1);
    let host = setup.host();
    host.ip("link add eth1 type veth peer name eth1peer");
    host.ip("link set eth1peer up");
    host.ip("link set eth1 up");
    for place in ["all", "default", INTERFACE, "eth1"] {
        host.sysctl(&format!("net/ipv4/conf/{place}/promote_secondaries"), "0");
    }
    let (own, vip): (IpAddr, IpAddr) = ("10.77.0.1".parse().unwrap(), "10.77.0.100".parse().unwrap());
    let shown = || host.ip("-o -4 addr show dev eth1");
    let own_up = || host.ip(&format!("addr add {own}/24 dev eth1"));
    own_up();
    let config = setup.config().with("interface", "eth1").with("ip", vip).with("netmask", 24);
    let daemon = setup.lead(&config, vip);
    assert!(shown().contains(&format!("{vip}/24 ")), "{}", shown());
    host.ip("addr flush dev eth1");
    wait_for("the VIP alone", SOON, || {
        shown().contains(&format!("{vip}/32 ")) && !shown().contains(&format!("{vip}/24 "))
    });
    own_up();
    assert!(!shown().contains("secondary"), "{}", shown());
    assert!(
        host.ip("route get 10.77.0.9").contains(&format!("src {own}")),
        "the host's own traffic has its own source"
    );
    setup.set_unknown_leader();
    wait_for("the end of the VIP", SOON, || !host.carries(vip));
    assert!(host.carries(own), "{}", shown());
    // The next time the host's own address is there first.
    setup.set_leader(host);
    wait_for("the wide VIP", SOON, || shown().contains(&format!("{vip}/24 ")));
    wait_status(&daemon, "held");
}

#[test]
fn a_wide_vip_that_is_added_before_the_network_is_up_does_not_take_the_hosts_own_address_away() {
    let setup = Setup::new("early", 1);
    let host = setup.host();
    host.ip("link add eth1 type veth peer name eth1peer");
    host.ip("link set eth1peer up");
    host.ip("link set eth1 up");
    host.sysctl("net/ipv4/conf/all/promote_secondaries", "0");
    host.sysctl("net/ipv4/conf/eth1/promote_secondaries", "0");
    let (own, vip): (IpAddr, IpAddr) = ("10.77.0.1".parse().unwrap(), "10.77.0.100".parse().unwrap());
    let _daemon = setup.lead(&setup.config().with("interface", "eth1").with("ip", vip).with("netmask", 24), vip);
    host.ip(&format!("addr add {own}/24 dev eth1"));
    setup.set_unknown_leader();
    wait_for("the end of the VIP", SOON, || !host.carries(vip));
    assert!(host.carries(own));
}

#[test]
fn an_ipv6_vip_is_usable_at_once_and_never_the_source_of_the_hosts_own_traffic() {
    let setup = Setup::new("source", 1);
    let host = setup.host();
    // As a host comes: with duplicate address detection.
    for place in ["all", "default", INTERFACE] {
        host.sysctl(&format!("net/ipv6/conf/{place}/accept_dad"), "1");
    }
    let named = now();
    // Nearer to the client's than the host's own, by the rule of the longest matching prefix.
    let vip: IpAddr = "fd66::1:0:0:1".parse().unwrap();
    let peer = "fd66::1:0:0:2";
    setup.client.ip(&format!("addr add {peer}/64 dev {INTERFACE} nodad"));
    let daemon = setup.lead(&setup.config().with("ip", format!("\"{vip}\"")), vip);
    let answer = setup.client.attempt("ping", &["-n", "-c1", "-W1", &vip.to_string()]);
    report("an answer after", now().since(named));
    assert!(answer.is_ok(), "{answer:?}");
    let shown = host.ip(&format!("-o addr show to {vip}"));
    assert!(!shown.contains("tentative") && shown.contains("preferred_lft 0sec"), "{shown}");
    let route = host.ip(&format!("-6 route get {peer}"));
    assert!(route.contains(&format!("src {}", host.v6())), "{route}");
    wait_status(&daemon, "held");
}

#[test]
fn a_vip_of_a_network_that_the_host_is_not_in_is_no_obstacle() {
    let setup = Setup::new("foreign", 1);
    let vip: IpAddr = "192.0.2.7".parse().unwrap();
    setup.client.ip(&format!("route add {vip}/32 dev {INTERFACE}"));
    let _daemon = setup.lead(&setup.config().with("ip", vip), vip);
    wait_for("an answer", SOON, || setup.client.attempt("ping", &["-n", "-c1", "-W1", &vip.to_string()]).is_ok());
}

/// The lifetime in the kernel, while the daemon lives and when it is stopped.
#[test]
fn the_kernel_always_knows_an_end_and_keeps_it_when_the_daemon_hangs() {
    let setup = Setup::new("hangs", 1);
    let config = setup.config().with("interval", 300).with("hold-timeout", "3s");
    let daemon: Daemon = setup.lead(&config, VIP);
    wait_status(&daemon, "held");
    daemon.process.signal(Signal::SIGSTOP);
    let stopped = now();
    let gone = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    report("a stopped daemon's address gone after", gone.since(stopped));
    assert!(gone.since(stopped) < Duration::from_secs(6));
    setup.set_unknown_leader();
    let continued = now();
    daemon.process.signal(Signal::SIGCONT);
    wait_status(&daemon, "standby");
    assert_eq!(setup.observer.intervals(setup.host(), VIP).len(), 1, "it does not come back with the daemon");
    report("standby again after", now().since(continued));
}

/// `ip addr add VIP peer X`: deleting the VIP with its prefix length alone does not find it.
#[test]
fn a_vip_that_somebody_added_with_a_far_end_is_removed_when_the_key_names_another() {
    let setup = Setup::new("peer", 1);
    let host = setup.host();
    host.ip(&format!("addr add {VIP} peer 10.66.0.1 dev {INTERFACE}"));
    setup.set_leader(host);
    let daemon = Daemon::start(host, &setup.config());
    wait_status(&daemon, "held");
    let shown = || host.ip(&format!("-o addr show to {VIP}"));
    wait_for("the VIP without a far end", SOON, || !host.ip("-o -4 addr show").contains("peer") && !shown().is_empty());
    assert!(!shown().contains("valid_lft forever"), "{}", shown());
    // And while it is held.
    host.ip(&format!("addr add {VIP} peer 10.66.0.2 dev {INTERFACE}"));
    setup.set_unknown_leader();
    wait_status(&daemon, "standby");
    wait_for("its end in every form", SOON, || !host.ip("-o -4 addr show").contains(&format!(" {VIP}")));
    assert!(host.carries(host.v4().into()));
}

/// Somebody added it with duplicate address detection while another host had it.
#[test]
fn an_ipv6_vip_that_failed_duplicate_address_detection_is_added_again_and_usable() {
    let setup = Setup::new("dadfailed", 1);
    let host = setup.host();
    for place in ["all", "default", INTERFACE] {
        host.sysctl(&format!("net/ipv6/conf/{place}/accept_dad"), "1");
    }
    setup.client.ip(&format!("addr add {VIP6}/128 dev {INTERFACE} nodad"));
    host.ip(&format!("addr add {VIP6}/128 dev {INTERFACE}"));
    let shown = || host.ip(&format!("-o addr show to {VIP6}"));
    wait_for("the failure", SOON, || shown().contains("dadfailed"));
    setup.client.ip(&format!("addr del {VIP6}/128 dev {INTERFACE}"));
    setup.set_leader(host);
    let daemon = Daemon::start(host, &setup.config().with("ip", format!("\"{VIP6}\"")));
    wait_status(&daemon, "held");
    wait_for("an address that is used", SOON, || !shown().contains("dadfailed") && !shown().contains("tentative"));
    wait_for("an answer", SOON, || setup.client.attempt("ping", &["-n", "-c1", "-W1", &VIP6.to_string()]).is_ok());
}
