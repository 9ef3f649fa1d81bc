//! Clients that wait for an answer learn at once that the address has gone.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::clock::{now, wait_for};
use crate::support::cut::{Cut, Way};
use crate::support::daemon::{Daemon, KEY};
use crate::support::etcd::PORT;
use crate::support::host::{Host, VIP, VIP6};
use crate::support::setup::{SOON, Setup, report, wait_logged};
use crate::support::tcp::DATABASE;

/// A client in the midst of a query: it has nothing more to say and waits for the answer.
struct Waiting {
    end: Receiver<(Moment, std::io::Result<usize>)>,
    _server: TcpStream,
}

impl Waiting {
    fn on(client: &Host, listener: &TcpListener, address: IpAddr) -> Self {
        let target = SocketAddr::new(address, DATABASE);
        let mut stream = client.enter(move || TcpStream::connect_timeout(&target, SOON)).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (tell, end) = channel();
        std::thread::spawn(move || {
            let read = stream.read(&mut [0; 1]);
            let _ = tell.send((now(), read));
        });
        Self { end, _server: server }
    }
}

/// With a long interval one read that is late before the deadline is no doubt yet.
#[test]
fn a_deadline_that_passes_without_a_doubt_resets_runs_the_hook_and_names_the_cause() {
    let setup = Setup::new("undoubted", 1);
    let listener = listen(setup.host());
    let gone = setup.lab.directory().join("gone");
    let lease = setup.cluster.store().grant(12);
    setup.cluster.store().put_leased(KEY, setup.host().name(), lease);
    let config = setup.config().with("interval", "10s").with("on-release", format!("[/bin/touch, {}]", gone.display()));
    let daemon = Daemon::start(setup.host(), &config);
    setup.observer.wait_held(setup.host(), VIP, SOON);
    let waiting = Waiting::on(&setup.client, &listener, VIP);
    let etcd = &setup.cluster.members[0].host;
    let _cut = Cut::of_port(&setup.lab, setup.host(), &[etcd], PORT, Way::Both);
    let (at, read) = waiting.end.recv_timeout(SOON + SOON).unwrap();
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let removed = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    report("the client knows it after the removal", at.since(removed));
    wait_logged(&daemon, "hold deadline passed, unconfirmed for");
    wait_for("the hook", SOON, || gone.exists());
    assert!(!daemon.process.logged("removed by another program"), "{}", daemon.process.text());
}

fn listen(host: &Host) -> TcpListener {
    host.enter(|| TcpListener::bind(("::", DATABASE)).unwrap())
}

#[test]
fn a_client_that_waits_for_an_answer_is_reset_before_the_address_goes() {
    let setup = Setup::new("reset", 1);
    let listener = listen(setup.host());
    let daemon = setup.lead(&setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")), VIP);
    setup.observer.wait_held(setup.host(), VIP6, SOON);
    let clients = [VIP, VIP6].map(|address| Waiting::on(&setup.client, &listener, address));
    let bystander = Waiting::on(&setup.client, &listener, setup.host().v4().into());
    let moved = now();
    setup.set_unknown_leader();
    for (waiting, address) in clients.iter().zip([VIP, VIP6]) {
        let (at, read) = waiting.end.recv_timeout(SOON).unwrap();
        report(&format!("{address}: the client knows after"), at.since(moved));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(at.since(moved) < Duration::from_secs(1));
        setup.observer.wait_gone(setup.host(), address, SOON);
    }
    assert!(bystander.end.recv_timeout(Duration::from_millis(500)).is_err(), "the host's own are nobody's business");
    assert!(daemon.process.logged("reset 2 connections"), "{}", daemon.process.text());
}

#[test]
fn reset_connections_false_leaves_them() {
    let setup = Setup::new("reset", 1);
    let listener = listen(setup.host());
    let _daemon = setup.lead(&setup.config().with("reset-connections", false), VIP);
    let waiting = Waiting::on(&setup.client, &listener, VIP);
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    assert!(waiting.end.recv_timeout(Duration::from_secs(1)).is_err());
    // And so it survives a leader that comes right back.
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
    assert!(waiting.end.recv_timeout(Duration::from_secs(1)).is_err());
}
