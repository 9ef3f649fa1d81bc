//! Stopping: the address goes at once, and those who were connected know it at once.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::{Daemon, binary};
use crate::support::host::{VIP, VIP6};
use crate::support::process::Process;
use crate::support::setup::{SOON, Setup, report, wait_status};
use crate::support::tcp::{ConnectionState, EchoServer, TcpClient};

/// The promise is 0.2 s, on a machine that is not also busy with other tests.
const AT_ONCE: Duration = Duration::from_secs(1);

fn lets_go_on(signal: Signal, address: IpAddr) {
    let setup = Setup::new("stop", 1);
    let _server = EchoServer::on(setup.host());
    let mut daemon = setup.lead(&setup.config().with("ip", address), address);
    let client = TcpClient::connect(&setup.client, address).unwrap();
    let capture = Capture::on(&setup.client);

    let asked = now();
    daemon.process.signal(signal);
    let gone = setup.observer.wait_gone(setup.host(), address, SOON).unwrap();
    wait_for("the reset", SOON, || client.status().state != ConnectionState::Open);
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    let ended = now();

    let ConnectionState::Reset(reset) = client.status().state else { panic!("not reset: {:?}", client.status()) };
    report(&format!("{signal}: {address} gone after"), gone.since(asked));
    report(&format!("{signal}: its client reset after"), reset.since(asked));
    report(&format!("{signal}: the daemon ended after"), ended.since(asked));
    assert!(gone.since(asked) < AT_ONCE && reset.since(asked) < AT_ONCE && ended.since(asked) < 2 * AT_ONCE);
    assert!(daemon.process.logged("stopping"), "{}", daemon.process.text());
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
    let setup = Setup::new("stop", 1);
    setup.set_unknown_leader();
    let mut daemon = Daemon::start(setup.host(), &setup.config());
    wait_status(&daemon, "standby");
    daemon.process.signal(Signal::SIGTERM);
    let asked = now();
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(now().since(asked) < AT_ONCE);
    assert_eq!(setup.times_held(VIP), 0);
}

#[test]
fn a_stop_while_etcd_is_silent_is_as_quick() {
    let setup = Setup::new("stop", 1);
    let mut daemon = setup.lead(&setup.config(), VIP);
    setup.cluster.members[0].freeze();
    wait_status(&daemon, "doubtful");
    let asked = now();
    daemon.process.signal(Signal::SIGTERM);
    let gone = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(gone.since(asked) < AT_ONCE && now().since(asked) < 2 * AT_ONCE, "{:?}", now().since(asked));
    setup.cluster.members[0].thaw();
}

/// The question to systemd, whether this is a restart, must not wait for lookups that hang: they would take seconds, and
/// a restart would cut the clients off.
#[test]
fn a_stop_by_systemd_does_not_wait_for_resolvers_that_hang() {
    let setup = Setup::new("stop", 1);
    let server = setup.lab.host("resolver");
    let address = server.v4();
    let _never_answers = server.enter(move || UdpSocket::bind((address, 53)).unwrap());
    let directory = setup.lab.directory();
    let (resolvers, config) = (directory.join("resolv.conf"), directory.join("names.yml"));
    fs::write(&resolvers, format!("nameserver {address}\noptions timeout:15 attempts:2\n")).unwrap();
    let names = (1..=6).map(|number| format!("etcd{number}.example.org")).collect::<Vec<_>>().join(",");
    fs::write(&config, setup.config().with("dcs-endpoints", names).text()).unwrap();

    // Every command on a host has a mount namespace of its own.
    let mut command = setup.host().command("sh");
    command.args(["-c", "mount --bind \"$1\" /etc/resolv.conf && exec \"$2\" --config \"$3\"", "sh"]);
    command.args([&resolvers, &binary(), &config]).env("INVOCATION_ID", "test");
    let mut daemon = Process::start("vip-manager", command);
    wait_for("lookups that hang", SOON, || daemon.text().matches("the name lookup hangs").count() >= 6);

    let asked = now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait(2 * SOON).code(), Some(0));
    report("with hanging resolvers: the daemon ended after", now().since(asked));
    assert!(now().since(asked) < 2 * AT_ONCE, "{}", daemon.text());
}
