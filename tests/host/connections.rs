//! Connections: a client learns at once that its server has gone.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use vip_manager::clock;
use vip_manager::host::{Connections, ResetError};
use vip_manager::time::Moment;

use crate::lab::{Namespace, addresses, after, index, ip, vip};

/// A server that has the VIPs beside an address of its own, and a client at the other end of the wire.
struct Wire {
    server: Namespace,
    client: Namespace,
}

const VIPS: [&str; 2] = ["10.9.0.5", "fd00::5"];

impl Wire {
    fn new() -> Self {
        let (server, client) = (Namespace::new("server"), Namespace::new("client"));
        server.ip(&format!("link add v0 type veth peer name v0 netns {}", client.name()));
        for (host, number) in [(&server, 1), (&client, 2)] {
            host.ip("link set v0 up");
            host.ip(&format!("addr add 10.9.0.{number}/24 dev v0"));
            host.ip(&format!("addr add fd00::{number}/64 dev v0 nodad"));
        }
        server.enter(|| {
            for (address, prefix) in VIPS.into_iter().zip([32, 128]) {
                let vip = vip(&format!("{address}/{prefix}"));
                addresses().hold(index("v0"), &vip, after(60_000), false).unwrap();
            }
        });
        Self { server, client }
    }

    /// A connection from the client to `address`, with the server's end of it.
    fn connect(&self, listen: &str, address: &str) -> (TcpStream, TcpStream) {
        let listener = self.server.enter(|| TcpListener::bind(listen).unwrap());
        let port = listener.local_addr().unwrap().port();
        let mut client = self.client.enter(|| TcpStream::connect(SocketAddr::new(ip(address), port)).unwrap());
        let (mut server, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        client.write_all(b"?").unwrap();
        server.read_exact(&mut [0]).unwrap();
        (client, server)
    }

    fn reset(&self, addresses: &[&str]) -> usize {
        let addresses: BTreeSet<IpAddr> = addresses.iter().map(|address| ip(address)).collect();
        self.server.enter(|| Connections::open(clock::now).unwrap().reset(&addresses)).unwrap()
    }
}

/// What a client that waits for an answer finds.
fn answer(client: &mut TcpStream) -> Result<usize, ErrorKind> {
    client.read(&mut [0; 8]).map_err(|error| error.kind())
}

#[test]
fn a_client_of_the_vip_is_reset_at_once() {
    let wire = Wire::new();
    for (listen, address) in [("10.9.0.5:0", "10.9.0.5"), ("0.0.0.0:0", "10.9.0.5"), ("[fd00::5]:0", "fd00::5")] {
        let (mut client, _server) = wire.connect(listen, address);
        assert_eq!(wire.reset(&VIPS), 1, "{listen}");
        assert_eq!(answer(&mut client), Err(ErrorKind::ConnectionReset), "{listen}");
    }
}

#[test]
fn a_client_of_a_server_that_listens_on_both_families_is_reset_too() {
    let wire = Wire::new();
    for address in VIPS {
        let (mut client, _server) = wire.connect("[::]:0", address);
        assert_eq!(wire.reset(&[address]), 1, "{address}");
        assert_eq!(answer(&mut client), Err(ErrorKind::ConnectionReset), "{address}");
    }
}

#[test]
fn connections_to_the_host_itself_and_its_listeners_are_left_alone() {
    let wire = Wire::new();
    let (mut client, mut server) = wire.connect("[::]:0", "10.9.0.1");
    let listener = wire.server.enter(|| TcpListener::bind("10.9.0.5:0").unwrap());
    assert_eq!(wire.reset(&VIPS), 0);
    server.write_all(b"!").unwrap();
    assert_eq!(answer(&mut client), Ok(1));
    let port = listener.local_addr().unwrap().port();
    wire.client.enter(|| TcpStream::connect(SocketAddr::new(ip("10.9.0.5"), port)).expect("it still listens"));
}

#[test]
fn a_thousand_connections_are_reset_in_one_go() {
    let wire = Wire::new();
    let listener = wire.server.enter(|| TcpListener::bind("[::]:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let mut pairs: Vec<_> = (0..1_000)
        .map(|_| {
            let client = wire.client.enter(|| TcpStream::connect(SocketAddr::new(ip("10.9.0.5"), port)).unwrap());
            (client, listener.accept().unwrap().0)
        })
        .collect();
    let before = clock::now();
    assert_eq!(wire.reset(&VIPS), 1_000);
    let took = clock::now().since(before);
    assert!(took < Duration::from_millis(500), "{took:?}");

    for (client, _server) in &mut pairs {
        client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(answer(client), Err(ErrorKind::ConnectionReset));
    }
}

/// The release waits for the resets, and meanwhile another host may have the address.
#[test]
fn ten_thousand_connections_delay_the_removal_for_a_bounded_time() {
    // Both ends of each connection are files of this process, which may have 20,000 on some machines.
    const COUNT: usize = 9_900;
    let wire = Wire::new();
    let listener = wire.server.enter(|| TcpListener::bind("[::]:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let (clients, servers) = std::thread::scope(|scope| {
        let accepting = scope.spawn(|| (0..COUNT).map(|_| listener.accept().unwrap().0).collect::<Vec<_>>());
        let connect = || TcpStream::connect(SocketAddr::new(ip("10.9.0.5"), port)).unwrap();
        let clients = wire.client.enter(|| (0..COUNT).map(|_| connect()).collect::<Vec<_>>());
        (clients, accepting.join().unwrap())
    });
    let addresses: BTreeSet<IpAddr> = [ip("10.9.0.5")].into();
    let (reset, took) = wire.server.enter(|| {
        let mut connections = Connections::open(clock::now).unwrap();
        let before = clock::now();
        let reset = connections.reset(&addresses);
        (reset, clock::now().since(before))
    });
    assert!(took < Duration::from_millis(500), "{reset:?} in {took:?}");
    match reset {
        Ok(count) => assert_eq!(count, COUNT),
        Err(ResetError::TimeUp { reset, left }) => assert_eq!(reset + left, COUNT),
        Err(other) => panic!("{other}"),
    }
    drop((clients, servers));
}

/// A second goes by with each look.
fn hasty_clock() -> Moment {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    Moment::from_boot(Duration::from_secs(LOOKS.fetch_add(1, Ordering::Relaxed).into()))
}

#[test]
fn the_address_does_not_wait_for_ever_for_its_connections_to_go() {
    let wire = Wire::new();
    let (_client, _server) = wire.connect("10.9.0.5:0", "10.9.0.5");
    let reset = wire.server.enter(|| Connections::open(hasty_clock).unwrap().reset(&[ip("10.9.0.5")].into()));
    let error = reset.unwrap_err();
    assert_eq!(error, ResetError::TimeUp { reset: 0, left: 1 });
    assert_eq!(error.to_string(), "0 connections were reset, then 100 ms were over, and 1 were left alone");
}

#[test]
fn nothing_to_reset_is_no_mistake() {
    let wire = Wire::new();
    assert_eq!(wire.reset(&[]), 0);
    assert_eq!(wire.reset(&VIPS), 0);
}
