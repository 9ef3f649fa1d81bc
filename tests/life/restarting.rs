//! Restarting on the host that leads, as an upgrade does: clients notice nothing.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::wait_for;
use crate::support::daemon::Daemon;
use crate::support::host::{VIP, VIP6};
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, Setup, report, wait_logged, wait_status};
use crate::support::tcp::{ConnectionState, EchoServer, TcpClient};

const OFTEN: Duration = Duration::from_millis(10);

/// vip-manager #7, #302, and "a restart on the leader first removes the VIP, then adds it again: every session gone".
#[test]
fn an_upgrade_with_on_stop_keep_loses_not_one_ping_and_no_connection() {
    let setup = Setup::new("keep", 1);
    let _server = EchoServer::on(setup.host());
    let config = setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")).with("on-stop", "keep");
    let mut first = setup.lead(&config, VIP);
    setup.observer.wait_held(setup.host(), VIP6, SOON);
    let client = TcpClient::connect(&setup.client, VIP).unwrap();
    let pingers = [VIP, VIP6].map(|address| Pinger::start(&setup.client, address, OFTEN));
    wait_for("some answers", SOON, || pingers.iter().all(|pinger| pinger.pings().answers.len() > 20));

    first.process.signal(Signal::SIGTERM);
    assert_eq!(first.process.wait(SOON).code(), Some(0));
    let mut second = Daemon::start(setup.host(), &config);
    wait_logged(&second, "found at start");
    wait_status(&second, "2 held");

    // The same once more without a goodbye, within the kernel's lifetime.
    second.process.kill();
    let third = Daemon::start(setup.host(), &config);
    wait_status(&third, "2 held");
    let answered = pingers[0].pings().answers.len();
    wait_for("more answers", SOON, || pingers[0].pings().answers.len() > answered + 150);

    for (pinger, address) in pingers.into_iter().zip([VIP, VIP6]) {
        let pings = pinger.stop();
        report(&format!("{address}: lost of {} pings", pings.sent), pings.lost());
        assert_eq!(pings.lost(), 0);
        assert_eq!(setup.times_held(address), 1, "it never went");
    }
    assert_eq!(client.status().state, ConnectionState::Open);
    report("the connection's longest silence", client.status().longest_silence);
}

#[test]
fn what_was_kept_for_a_start_that_never_comes_is_ended_by_the_kernel() {
    let setup = Setup::new("keep", 1);
    let config = setup.config().with("on-stop", "keep").with("interval", 300).with("hold-timeout", "2s");
    let mut daemon = setup.lead(&config, VIP);
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(setup.host().carries(VIP), "it stays, as it was told to");
    setup.observer.wait_gone(setup.host(), VIP, SOON);
}

#[test]
fn a_restart_after_the_key_has_moved_on_gives_the_address_up() {
    let setup = Setup::new("keep", 1);
    let config = setup.config().with("on-stop", "keep");
    let mut first = setup.lead(&config, VIP);
    first.process.signal(Signal::SIGTERM);
    first.process.wait(SOON);
    setup.set_unknown_leader();
    assert!(setup.host().carries(VIP));
    let second = Daemon::start(setup.host(), &config);
    let gone = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    let said = wait_logged(&second, "released in");
    report("said after", said.since(gone));
    assert!(second.process.logged("holds \"nobody\""), "{}", second.process.text());
}
