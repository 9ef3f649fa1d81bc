//! Restarting on the host that leads, as an upgrade does: clients notice nothing.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::wait_for;
use crate::support::daemon::Daemon;
use crate::support::host::{VIP, VIP6};
use crate::support::ping::Pinger;
use crate::support::scene::{SOON, Scene, figure, wait_said, wait_status};
use crate::support::tcp::{EchoServer, Fate, TcpClient};

const OFTEN: Duration = Duration::from_millis(10);

/// vip-manager #7, #302, and "a restart on the leader first removes the VIP, then adds it again: every session gone".
#[test]
fn an_upgrade_with_on_stop_keep_loses_not_one_ping_and_no_connection() {
    let scene = Scene::new("keep", 1);
    let _server = EchoServer::on(scene.host());
    let config = scene.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")).with("on-stop", "keep");
    let mut first = scene.lead(&config, VIP);
    scene.witness.wait_held(scene.host(), VIP6, SOON);
    let client = TcpClient::connect(&scene.client, VIP).unwrap();
    let pingers = [VIP, VIP6].map(|address| Pinger::start(&scene.client, address, OFTEN));
    wait_for("some answers", SOON, || pingers.iter().all(|pinger| pinger.pings().answers.len() > 20));

    first.process.signal(Signal::SIGTERM);
    assert_eq!(first.process.wait(SOON).code(), Some(0));
    let mut second = Daemon::start(scene.host(), &config);
    wait_said(&second, "was there at the start");
    wait_status(&second, "2 held");

    // The same once more without a goodbye, within the kernel's lifetime.
    second.process.kill();
    let third = Daemon::start(scene.host(), &config);
    wait_status(&third, "2 held");
    let answered = pingers[0].pings().answers.len();
    wait_for("more answers", SOON, || pingers[0].pings().answers.len() > answered + 150);

    for (pinger, address) in pingers.into_iter().zip([VIP, VIP6]) {
        let pings = pinger.stop();
        figure(&format!("{address}: lost of {} pings", pings.sent), pings.lost());
        assert_eq!(pings.lost(), 0);
        assert_eq!(scene.times_held(address), 1, "it never went");
    }
    assert_eq!(client.standing().fate, Fate::Open);
    figure("the connection's longest silence", client.standing().longest_silence);
}

#[test]
fn what_was_kept_for_a_start_that_never_comes_is_ended_by_the_kernel() {
    let scene = Scene::new("keep", 1);
    let config = scene.config().with("on-stop", "keep").with("interval", 300).with("hold-timeout", "2s");
    let mut daemon = scene.lead(&config, VIP);
    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(scene.host().carries(VIP), "it stays, as it was told to");
    scene.witness.wait_gone(scene.host(), VIP, SOON);
}

#[test]
fn a_restart_after_the_key_has_moved_on_gives_the_address_up() {
    let scene = Scene::new("keep", 1);
    let config = scene.config().with("on-stop", "keep");
    let mut first = scene.lead(&config, VIP);
    first.process.signal(Signal::SIGTERM);
    first.process.wait(SOON);
    scene.name_nobody();
    assert!(scene.host().carries(VIP));
    let second = Daemon::start(scene.host(), &config);
    let gone = scene.witness.wait_gone(scene.host(), VIP, SOON).unwrap();
    let said = wait_said(&second, "is gone");
    figure("said after", said.since(gone));
    assert!(second.process.said("holds \"nobody\""), "{}", second.process.text());
}
