//! Stopping: the address goes at once, and those who were connected know it at once.

use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::Daemon;
use crate::support::host::{VIP, VIP6};
use crate::support::scene::{SOON, Scene, figure, wait_status};
use crate::support::tcp::{EchoServer, Fate, TcpClient};

/// The promise is 0.2 s, on a machine that is not also busy with other tests.
const AT_ONCE: Duration = Duration::from_secs(1);

fn lets_go_on(signal: Signal, address: IpAddr) {
    let scene = Scene::new("stop", 1);
    let _server = EchoServer::on(scene.host());
    let mut daemon = scene.lead(&scene.config().with("ip", address), address);
    let client = TcpClient::connect(&scene.client, address).unwrap();
    let capture = Capture::on(&scene.client);

    let asked = now();
    daemon.process.signal(signal);
    let gone = scene.witness.wait_gone(scene.host(), address, SOON).unwrap();
    wait_for("the reset", SOON, || client.standing().fate != Fate::Open);
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    let ended = now();

    let Fate::Reset(reset) = client.standing().fate else { panic!("not reset: {:?}", client.standing()) };
    figure(&format!("{signal}: {address} gone after"), gone.since(asked));
    figure(&format!("{signal}: its client reset after"), reset.since(asked));
    figure(&format!("{signal}: the daemon ended after"), ended.since(asked));
    assert!(gone.since(asked) < AT_ONCE && reset.since(asked) < AT_ONCE && ended.since(asked) < 2 * AT_ONCE);
    assert!(daemon.process.said("told to stop"), "{}", daemon.process.text());
    pause(Duration::from_millis(500));
    assert_eq!(capture.since(gone, address), [], "nothing is sent to say goodbye");
}

/// vip-manager #268, #326.
#[test]
fn systemctl_stop_takes_the_address_away_and_resets_its_clients() {
    lets_go_on(Signal::SIGTERM, VIP);
}

#[test]
fn systemctl_stop_takes_the_ipv6_address_away_and_resets_its_clients() {
    lets_go_on(Signal::SIGTERM, VIP6);
}

/// vip-manager #19.
#[test]
fn ctrl_c_takes_the_address_away_and_resets_its_clients() {
    lets_go_on(Signal::SIGINT, VIP);
}

#[test]
fn a_stop_on_a_host_that_does_not_lead_is_quick_and_clean_too() {
    let scene = Scene::new("stop", 1);
    scene.name_nobody();
    let mut daemon = Daemon::start(scene.host(), &scene.config());
    wait_status(&daemon, "standby");
    daemon.process.signal(Signal::SIGTERM);
    let asked = now();
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(now().since(asked) < AT_ONCE);
    assert_eq!(scene.times_held(VIP), 0);
}

#[test]
fn a_stop_while_etcd_is_silent_is_as_quick() {
    let scene = Scene::new("stop", 1);
    let mut daemon = scene.lead(&scene.config(), VIP);
    scene.cluster.members[0].freeze();
    wait_status(&daemon, "doubtful");
    let asked = now();
    daemon.process.signal(Signal::SIGTERM);
    let gone = scene.witness.wait_gone(scene.host(), VIP, SOON).unwrap();
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(gone.since(asked) < AT_ONCE && now().since(asked) < 2 * AT_ONCE, "{:?}", now().since(asked));
    scene.cluster.members[0].thaw();
}
