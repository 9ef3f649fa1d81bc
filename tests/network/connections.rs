//! Clients that wait for an answer learn at once that the address has gone.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::clock::now;
use crate::support::host::{Host, VIP, VIP6};
use crate::support::scene::{SOON, Scene, figure};
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

fn listen(host: &Host) -> TcpListener {
    host.enter(|| TcpListener::bind(("::", DATABASE)).unwrap())
}

#[test]
fn a_client_that_waits_for_an_answer_is_reset_before_the_address_goes() {
    let scene = Scene::new("reset", 1);
    let listener = listen(scene.host());
    let daemon = scene.lead(&scene.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")), VIP);
    scene.witness.wait_held(scene.host(), VIP6, SOON);
    let clients = [VIP, VIP6].map(|address| Waiting::on(&scene.client, &listener, address));
    let bystander = Waiting::on(&scene.client, &listener, scene.host().v4().into());
    let moved = now();
    scene.name_nobody();
    for (waiting, address) in clients.iter().zip([VIP, VIP6]) {
        let (at, read) = waiting.end.recv_timeout(SOON).unwrap();
        figure(&format!("{address}: the client knows after"), at.since(moved));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(at.since(moved) < Duration::from_secs(1));
        scene.witness.wait_gone(scene.host(), address, SOON);
    }
    assert!(bystander.end.recv_timeout(Duration::from_millis(500)).is_err(), "the host's own are nobody's business");
    assert!(daemon.process.said("reset 2 connections"), "{}", daemon.process.text());
}

#[test]
fn reset_connections_false_leaves_them() {
    let scene = Scene::new("reset", 1);
    let listener = listen(scene.host());
    let _daemon = scene.lead(&scene.config().with("reset-connections", false), VIP);
    let waiting = Waiting::on(&scene.client, &listener, VIP);
    scene.name_nobody();
    scene.witness.wait_gone(scene.host(), VIP, SOON);
    assert!(waiting.end.recv_timeout(Duration::from_secs(1)).is_err());
    // And so it survives a leader that comes right back.
    scene.name(scene.host());
    scene.witness.wait_held(scene.host(), VIP, SOON);
    assert!(waiting.end.recv_timeout(Duration::from_secs(1)).is_err());
}
