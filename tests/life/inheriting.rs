//! What stands when the daemon starts: a VIP that somebody left, or the host's own address.

use std::time::Duration;

use vip_manager::host::AddressSocket;
use vip_manager::vip::Vip;

use crate::support::clock::{now, wait_for};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::holding::What;
use crate::support::host::{Host, VIP};
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, Setup, report, wait_logged};

/// Where the Go program would have left it: for ever, with the network's own prefix length.
const LEFT: &str = "10.66.0.100/24";

/// A second interface, so that etcd can be reached whatever stands on this one.
fn add_interface(host: &Host) {
    host.ip("link add eth1 type veth peer name eth1peer");
    host.ip("link set eth1peer up");
    host.ip("link set eth1 up");
}

/// Puts the VIP on the second interface as a daemon would have.
fn mark(host: &Host, lifetime: Duration) {
    let shown = host.ip("-o link show dev eth1");
    let index: u32 = shown.split(':').next().unwrap().parse().unwrap();
    let seconds = u32::try_from(lifetime.as_secs()).unwrap().try_into().unwrap();
    host.enter(move || {
        let vip = Vip::single(VIP).unwrap();
        AddressSocket::open(now).unwrap().put(index, &vip, seconds).unwrap();
    });
}

fn on_eth1(setup: &Setup) -> ConfigFile {
    setup.config().with("interface", "eth1")
}

#[test]
fn an_address_that_is_the_hosts_only_one_is_refused_and_left_alone() {
    let setup = Setup::new("feet", 1);
    add_interface(setup.host());
    setup.host().ip(&format!("addr add {LEFT} dev eth1"));
    setup.set_leader(setup.host());
    let mut daemon = Daemon::start(setup.host(), &on_eth1(&setup));
    assert_eq!(daemon.process.wait(SOON).code(), Some(78), "{}", daemon.process.text());
    let shown = setup.host().ip("-o addr show dev eth1");
    assert!(shown.contains(LEFT) && shown.contains("valid_lft forever"), "{shown}");
    let said = daemon.process.text();
    assert!(said.contains("only address of its family on eth1") && said.contains("choose another"), "{said}");
    assert!(!daemon.ready());
    assert_eq!(setup.observer.notices().iter().filter(|notice| notice.what == What::Removed).count(), 0);
}

#[test]
fn the_same_address_with_our_mark_is_taken_over() {
    let setup = Setup::new("feet", 1);
    add_interface(setup.host());
    mark(setup.host(), Duration::from_secs(30));
    setup.set_leader(setup.host());
    let daemon = Daemon::start(setup.host(), &on_eth1(&setup));
    wait_logged(&daemon, "found at start");
    wait_logged(&daemon, "acquired in");
    assert!(setup.host().carries(VIP));
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
}

/// kube-vip #1579: what a killed daemon or an older program left behind stays for ever.
#[test]
fn an_address_left_for_ever_gets_an_end_at_once_though_etcd_is_silent() {
    let setup = Setup::new("left", 1);
    setup.host().ip(&format!("addr add {LEFT} dev eth0"));
    setup.set_leader(setup.host());
    setup.cluster.members[0].freeze();
    let started = now();
    let config = setup.config().with("interval", 500).with("hold-timeout", "3s");
    let daemon = Daemon::start(setup.host(), &config);
    wait_for("a finite lifetime", SOON, || {
        setup.observer.notices().iter().any(|notice| {
            notice.address == VIP
                && notice.prefix == 24
                && matches!(notice.what, What::Shown { lifetime: Some(left) } if left <= Duration::from_secs(3))
        })
    });
    report("a finite lifetime after", now().since(started));
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    wait_logged(&daemon, "not confirmed in time");
    setup.cluster.members[0].thaw();
    setup.observer.wait_held(setup.host(), VIP, SOON);
}

#[test]
fn an_address_left_for_ever_goes_when_the_key_names_another() {
    let setup = Setup::new("left", 1);
    setup.host().ip(&format!("addr add {LEFT} dev eth0"));
    setup.set_unknown_leader();
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_for("its end", SOON, || !setup.host().carries(VIP));
    wait_logged(&daemon, "holds \"nobody\"");
    assert!(setup.host().carries(setup.host().v4().into()));
}

#[test]
fn an_address_left_for_ever_becomes_ours_without_a_lost_ping_when_the_key_names_us() {
    let setup = Setup::new("left", 1);
    setup.host().ip(&format!("addr add {LEFT} dev eth0"));
    setup.set_leader(setup.host());
    let pinger = Pinger::start(&setup.client, VIP, Duration::from_millis(10));
    wait_for("some answers", SOON, || pinger.pings().answers.len() > 20);
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_logged(&daemon, "acquired in");
    wait_for("our prefix length alone", SOON, || {
        let shown = setup.host().ip(&format!("-o addr show to {VIP}"));
        shown.contains("10.66.0.100/32 ") && !shown.contains(LEFT) && !shown.contains("valid_lft forever")
    });
    let answered = pinger.pings().answers.len();
    wait_for("more answers", SOON, || pinger.pings().answers.len() > answered + 50);
    assert_eq!(pinger.stop().lost(), 0);
    assert!(setup.host().carries(setup.host().v4().into()));
}

/// Kernels before 5.18 keep no mark.
#[test]
fn a_sole_address_without_a_mark_is_taken_over_while_its_lifetime_is_a_holds() {
    let setup = Setup::new("unmarked", 1);
    add_interface(setup.host());
    setup.host().ip(&format!("addr add {VIP}/32 dev eth1 valid_lft 8 preferred_lft 8"));
    setup.set_leader(setup.host());
    let daemon = Daemon::start(setup.host(), &on_eth1(&setup));
    wait_logged(&daemon, "found at start");
    wait_logged(&daemon, "acquired in");
    assert!(setup.host().carries(VIP));
}

/// The same with a long hold-timeout, which tells nothing: here it is the note that does.
#[test]
fn a_sole_address_without_a_mark_is_taken_over_after_a_crash_if_it_was_noted() {
    let setup = Setup::new("noted", 1);
    let host = setup.host();
    add_interface(host);
    let run = host.directory().join("run");
    std::fs::create_dir(&run).unwrap();
    let config = on_eth1(&setup);
    setup.set_leader(host);
    let variables = [("RUNTIME_DIRECTORY", run.to_str().unwrap())];
    let crashed = Daemon::start_in(host, &config, &variables);
    setup.observer.wait_held(host, VIP, SOON);
    drop(crashed);
    // What a kernel without marks would show, for ever so that no lifetime helps.
    host.ip(&format!("addr del {VIP}/32 dev eth1"));
    host.ip(&format!("addr add {VIP}/32 dev eth1"));
    let daemon = Daemon::start_in(host, &config, &variables);
    wait_logged(&daemon, "acquired in");
    setup.set_unknown_leader();
    setup.observer.wait_gone(host, VIP, SOON);
    let noted = || std::fs::read_dir(run.join("addresses")).unwrap().count();
    wait_for("no note of what is gone", SOON, || noted() == 0);
}

#[test]
fn a_sole_address_that_an_older_release_left_for_ever_is_taken_over_with_its_file() {
    let setup = Setup::new("older", 1);
    add_interface(setup.host());
    let left = "10.77.0.100".parse().unwrap();
    setup.host().ip(&format!("addr add {left}/24 dev eth1"));
    setup.set_leader(setup.host());
    let config =
        on_eth1(&setup).with("ip", left).with("netmask", 24).with("manager-type", "basic").with("retry-num", 3);
    let daemon = Daemon::start(setup.host(), &config);
    wait_logged(&daemon, "acquired in");
    setup.set_unknown_leader();
    wait_for("its end", SOON, || !setup.host().carries(left));
}

/// The address or the interface was changed in the file while the daemon was stopped.
#[test]
fn an_address_that_is_not_configured_any_more_is_removed_at_the_start() {
    let setup = Setup::new("renamed", 1);
    let host = setup.host();
    add_interface(host);
    mark(host, Duration::from_secs(60));
    setup.set_leader(host);
    let daemon = Daemon::start(host, &setup.config().with("ip", "10.66.0.101"));
    wait_logged(&daemon, "no longer configured");
    assert!(!host.carries(VIP));
    wait_logged(&daemon, "acquired in");
    assert!(host.carries("10.66.0.101".parse().unwrap()));
}

#[test]
fn a_running_daemons_address_is_left_alone_by_another_daemon() {
    let setup = Setup::new("two", 1);
    let first = setup.lead(&setup.config(), VIP);
    wait_logged(&first, "acquired in");
    let second = Daemon::start(setup.host(), &setup.config().with("ip", "10.66.0.101"));
    wait_logged(&second, "acquired in");
    assert_eq!(setup.times_held(VIP), 1);
    assert!(!second.process.logged("no longer configured"), "{}", second.process.text());
}

/// `ip` is the host's own first address, and a second one is beside it.
#[test]
fn the_hosts_first_address_is_refused_and_keeps_its_company() {
    let setup = Setup::new("first", 1);
    let host = setup.host();
    let second = "10.66.0.200";
    host.ip(&format!("addr add {second}/16 dev eth0"));
    host.ip(&format!("route add default via {} dev eth0", setup.client.v4()));
    let before = (host.ip("-o -4 addr show dev eth0"), host.ip("route show"));
    setup.set_leader(host);
    let config = setup.config().with("ip", host.v4());
    let mut daemon = Daemon::start(host, &config);
    assert_eq!(daemon.process.wait(SOON).code(), Some(78), "{}", daemon.process.text());
    assert!(daemon.process.logged("was not added by vip-manager"), "{}", daemon.process.text());
    // Without a company of its subnet it is still what the daemon reaches etcd from.
    host.ip(&format!("addr del {second}/16 dev eth0"));
    host.ip("addr add 192.168.7.1/24 dev eth0");
    let mut daemon = Daemon::start(host, &config);
    assert_eq!(daemon.process.wait(SOON).code(), Some(78), "{}", daemon.process.text());
    assert!(daemon.process.logged("source of the host's own connections"), "{}", daemon.process.text());
    host.ip("addr del 192.168.7.1/24 dev eth0");
    host.ip(&format!("addr add {second}/16 dev eth0"));
    assert_eq!((host.ip("-o -4 addr show dev eth0"), host.ip("route show")), before);
}
