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
