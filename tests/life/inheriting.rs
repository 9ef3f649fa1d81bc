//! What stands when the daemon starts: a VIP that somebody left, or the host's own address.

use std::time::Duration;

use vip_manager::host::AddressSocket;
use vip_manager::vip::Vip;

use crate::support::clock::{now, wait_for};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::holding::What;
use crate::support::host::{Host, VIP};
use crate::support::ping::Pinger;
use crate::support::scene::{SOON, Scene, figure, wait_said};

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
    host.enter(move || {
        let vip = Vip::single(VIP).unwrap();
        AddressSocket::open(now).unwrap().hold(index, &vip, now() + lifetime, false).unwrap();
    });
}

fn on_eth1(scene: &Scene) -> ConfigFile {
    scene.config().with("interface", "eth1")
}

#[test]
fn an_address_that_is_the_hosts_only_one_is_refused_and_left_alone() {
    let scene = Scene::new("feet", 1);
    add_interface(scene.host());
    scene.host().ip(&format!("addr add {LEFT} dev eth1"));
    scene.name(scene.host());
    let mut daemon = Daemon::start(scene.host(), &on_eth1(&scene));
    assert_eq!(daemon.process.wait(SOON).code(), Some(78), "{}", daemon.process.text());
    let shown = scene.host().ip("-o addr show dev eth1");
    assert!(shown.contains(LEFT) && shown.contains("valid_lft forever"), "{shown}");
    let said = daemon.process.text();
    assert!(said.contains("only address of its family on eth1") && said.contains("choose another"), "{said}");
    assert!(!daemon.ready());
    assert_eq!(scene.witness.notices().iter().filter(|notice| notice.what == What::Removed).count(), 0);
}

#[test]
fn the_same_address_with_our_mark_is_taken_over() {
    let scene = Scene::new("feet", 1);
    add_interface(scene.host());
    mark(scene.host(), Duration::from_secs(30));
    scene.name(scene.host());
    let daemon = Daemon::start(scene.host(), &on_eth1(&scene));
    wait_said(&daemon, "was there at the start");
    wait_said(&daemon, "is up");
    assert!(scene.host().carries(VIP));
    scene.name_nobody();
    scene.witness.wait_gone(scene.host(), VIP, SOON);
}

/// kube-vip #1579: what a killed daemon or an older program left behind stays for ever.
#[test]
fn an_address_left_for_ever_gets_an_end_at_once_though_etcd_is_silent() {
    let scene = Scene::new("left", 1);
    scene.host().ip(&format!("addr add {LEFT} dev eth0"));
    scene.name(scene.host());
    scene.cluster.members[0].freeze();
    let started = now();
    let config = scene.config().with("interval", 500).with("hold-timeout", "3s");
    let daemon = Daemon::start(scene.host(), &config);
    wait_for("a finite lifetime", SOON, || {
        scene.witness.notices().iter().any(|notice| {
            notice.address == VIP
                && notice.prefix == 24
                && matches!(notice.what, What::Shown { lifetime: Some(left) } if left <= Duration::from_secs(3))
        })
    });
    figure("a finite lifetime after", now().since(started));
    scene.witness.wait_gone(scene.host(), VIP, SOON);
    wait_said(&daemon, "no read confirmed it in time");
    scene.cluster.members[0].thaw();
    scene.witness.wait_held(scene.host(), VIP, SOON);
}

#[test]
fn an_address_left_for_ever_goes_when_the_key_names_another() {
    let scene = Scene::new("left", 1);
    scene.host().ip(&format!("addr add {LEFT} dev eth0"));
    scene.name_nobody();
    let daemon = Daemon::start(scene.host(), &scene.config());
    wait_for("its end", SOON, || !scene.host().carries(VIP));
    wait_said(&daemon, "holds \"nobody\"");
    assert!(scene.host().carries(scene.host().v4().into()));
}

#[test]
fn an_address_left_for_ever_becomes_ours_without_a_lost_ping_when_the_key_names_us() {
    let scene = Scene::new("left", 1);
    scene.host().ip(&format!("addr add {LEFT} dev eth0"));
    scene.name(scene.host());
    let pinger = Pinger::start(&scene.client, VIP, Duration::from_millis(10));
    wait_for("some answers", SOON, || pinger.pings().answers.len() > 20);
    let daemon = Daemon::start(scene.host(), &scene.config());
    wait_said(&daemon, "is up");
    wait_for("our prefix length alone", SOON, || {
        let shown = scene.host().ip(&format!("-o addr show to {VIP}"));
        shown.contains("10.66.0.100/32 ") && !shown.contains(LEFT) && !shown.contains("valid_lft forever")
    });
    let answered = pinger.pings().answers.len();
    wait_for("more answers", SOON, || pinger.pings().answers.len() > answered + 50);
    assert_eq!(pinger.stop().lost(), 0);
    assert!(scene.host().carries(scene.host().v4().into()));
}
