//! After a release, clients that still reach the old host are refused instead of left to wait.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket, sockopt};

use crate::support::clock::{now, pause, wait_for};
use crate::support::command::run;
use crate::support::daemon::Daemon;
use crate::support::host::{Host, INTERFACE, VIP, VIP6};
use crate::support::rival::Rival;
use crate::support::setup::{SOON, Setup, report, wait_logged};
use crate::support::tcp::{ConnectionState, DATABASE, EchoServer, TcpClient};

/// Long enough for an answer, and shorter than the second after which TCP repeats a SYN.
const SILENCE: Duration = Duration::from_millis(600);
/// Five times what is typical.
const AT_ONCE: Duration = Duration::from_millis(25);
const LOG: &str = "new connections in the";

/// All TCP segments that a host receives.
struct Segments(OwnedFd);

impl Segments {
    fn on(host: &Host) -> Self {
        Self(host.enter(|| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
            setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20)).unwrap();
            socket
        }))
    }

    /// Those that came from the database's port since the last call, as hardware address and flags.
    fn segments_of_server(&self) -> Vec<(String, u8)> {
        let (mut bytes, mut segments) = ([0; 2048], Vec::new());
        while let Ok(length) = recv(self.0.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            segments.extend(server_segment(&bytes[..length]));
        }
        segments
    }
}

fn server_segment(frame: &[u8]) -> Option<(String, u8)> {
    let segment = match frame.get(12..14)? {
        [8, 0] if frame.get(23) == Some(&6) => frame.get(34..)?,
        [0x86, 0xdd] if frame.get(20) == Some(&6) => frame.get(54..)?,
        _ => return None,
    };
    let mac: Vec<_> = frame[6..12].iter().map(|byte| format!("{byte:02x}")).collect();
    (segment.get(..2)? == DATABASE.to_be_bytes()).then_some((mac.join(":"), *segment.get(13)?))
}

const RST_ACK: u8 = 0x14;

fn connect(client: &Host, address: IpAddr, limit: Duration) -> Result<TcpStream, ErrorKind> {
    let target = SocketAddr::new(address, DATABASE);
    client.enter(move || TcpStream::connect_timeout(&target, limit)).map_err(|error| error.kind())
}

/// The client's neighbour entry for the address points to this host, whoever announces what.
fn point_to(client: &Host, address: IpAddr, host: &Host) {
    client.ip(&format!("neigh replace {address} lladdr {} dev {INTERFACE} nud permanent", host.mac()));
}

/// Waits until the daemon refuses connections to the address; the attempts until then are not what is measured.
fn wait_refused(setup: &Setup, address: IpAddr) {
    wait_for(&format!("a refusal of {address}"), SOON, || {
        connect(&setup.client, address, Duration::from_millis(100)).err() == Some(ErrorKind::ConnectionRefused)
    });
}

/// A leader with both addresses and whatever else is configured, whose client has an entry for each.
fn led(name: &str, hosts: usize, keys: &[(&str, &str)]) -> (Setup, Daemon, EchoServer) {
    let setup = Setup::new(name, hosts);
    let server = EchoServer::on(setup.host());
    let config = setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]"));
    let config = keys.iter().fold(config, |config, (key, value)| config.with(key, value));
    let daemon = setup.lead(&config, VIP);
    setup.observer.wait_held(setup.host(), VIP6, SOON);
    for address in [VIP, VIP6] {
        point_to(&setup.client, address, setup.host());
    }
    (setup, daemon, server)
}

fn release(setup: &Setup) {
    setup.set_unknown_leader();
    for address in [VIP, VIP6] {
        setup.observer.wait_gone(setup.host(), address, SOON);
    }
}

#[test]
fn a_client_that_still_reaches_the_old_host_is_refused_at_once() {
    let (setup, _daemon, _server) = led("refused", 1, &[]);
    release(&setup);
    for address in [VIP, VIP6] {
        wait_refused(&setup, address);
        let segments = Segments::on(&setup.client);
        let mut times: Vec<_> = (0..21)
            .map(|_| {
                let start = now();
                assert_eq!(connect(&setup.client, address, SOON).unwrap_err(), ErrorKind::ConnectionRefused);
                now().since(start)
            })
            .collect();
        times.sort();
        report(&format!("{address}: refused after, median"), times[10]);
        report(&format!("{address}: refused after, longest"), times[20]);
        assert!(times[10] < AT_ONCE, "{times:?}");
        assert_eq!(segments.segments_of_server(), vec![(setup.host().mac(), RST_ACK); 21]);
    }
}

#[test]
fn a_segment_of_an_established_connection_is_not_answered() {
    let (setup, _daemon, _server) = led("established", 1, &[("reset-connections", "false")]);
    let clients = [VIP, VIP6].map(|address| TcpClient::connect(&setup.client, address).unwrap());
    release(&setup);
    for address in [VIP, VIP6] {
        wait_refused(&setup, address);
    }
    let segments = Segments::on(&setup.client);
    // The clients have sent something and repeat it all the time.
    pause(Duration::from_secs(1));
    assert_eq!(segments.segments_of_server(), vec![]);
    for client in &clients {
        assert_eq!(client.status().state, ConnectionState::Open);
        assert!(client.status().longest_silence > SILENCE);
    }
    for address in [VIP, VIP6] {
        assert_eq!(connect(&setup.client, address, SOON).unwrap_err(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(segments.segments_of_server(), vec![(setup.host().mac(), RST_ACK); 2]);
}

#[test]
fn the_old_host_is_silent_once_it_hears_the_new_one() {
    let (setup, daemon, _server) = led("heard", 2, &[]);
    release(&setup);
    let mut rival = Rival::on(&setup.hosts[1]);
    for address in [VIP, VIP6] {
        wait_refused(&setup, address);
        rival.claim(address);
        wait_logged(&daemon, &format!("{address}/{} on eth0 refused", if address.is_ipv4() { 32 } else { 128 }));
        let segments = Segments::on(&setup.client);
        assert_eq!(connect(&setup.client, address, SILENCE).unwrap_err(), ErrorKind::TimedOut);
        assert_eq!(segments.segments_of_server(), vec![]);
    }
}

/// A switch that knows no hardware addresses sends every frame to every host, and an interface in promiscuous mode takes
/// them all in.
#[test]
fn what_is_sent_to_the_new_host_is_not_answered_by_the_old_one() {
    let (setup, _daemon, _server) = led("promiscuous", 2, &[]);
    release(&setup);
    wait_refused(&setup, VIP);
    let (old, new) = (setup.host(), &setup.hosts[1]);
    old.ip("link set eth0 promisc on");
    for port in [new.name(), setup.client.name()] {
        let set = ["link", "set", port, "type", "bridge_slave", "learning", "off", "fdb_flush"];
        run("ip", &[&["-n", &setup.lab.switch()], &set[..]].concat());
    }
    let _server = EchoServer::on(new);
    new.ip(&format!("addr add {VIP}/32 dev {INTERFACE}"));
    // Otherwise it would ask for the client in the name of the VIP, and the old host would hear that.
    point_to(new, setup.client.v4().into(), &setup.client);
    point_to(&setup.client, VIP, new);
    let (segments, taken_in) = (Segments::on(&setup.client), Segments::on(old));
    for _ in 0..10 {
        connect(&setup.client, VIP, SOON).unwrap();
    }
    assert!(segments.segments_of_server().iter().all(|(mac, _)| *mac == new.mac()));
    assert!(taken_in.segments_of_server().len() >= 10, "the old host does not receive what the new one sends");
    // It still refuses what is sent to itself.
    point_to(&setup.client, VIP, old);
    assert_eq!(connect(&setup.client, VIP, SOON).unwrap_err(), ErrorKind::ConnectionRefused);
}

#[test]
fn an_address_that_comes_back_serves_at_once() {
    let (setup, _daemon, _server) = led("back", 1, &[]);
    release(&setup);
    wait_refused(&setup, VIP);
    setup.set_leader(setup.host());
    for address in [VIP, VIP6] {
        setup.observer.wait_held(setup.host(), address, SOON);
        let segments = Segments::on(&setup.client);
        for _ in 0..20 {
            connect(&setup.client, address, SOON).unwrap();
        }
        assert!(segments.segments_of_server().iter().all(|(_, flags)| flags & 4 == 0), "a connection was reset");
    }
}

#[test]
fn a_refusal_ends_with_its_time_and_is_logged_once_with_its_count() {
    let (setup, daemon, _server) = led("time", 1, &[("refuse-after-release", "1500ms")]);
    release(&setup);
    wait_refused(&setup, VIP);
    for _ in 0..4 {
        assert_eq!(connect(&setup.client, VIP, SOON).unwrap_err(), ErrorKind::ConnectionRefused);
    }
    wait_logged(&daemon, "10.66.0.100/32 on eth0 refused 5 new connections in the 1.5 s after its release");
    assert_eq!(connect(&setup.client, VIP, SILENCE).unwrap_err(), ErrorKind::TimedOut);
    let lines = daemon.process.lines();
    assert_eq!(lines.iter().filter(|line| line.text.contains(LOG)).count(), 1, "{}", daemon.process.text());
}

#[test]
fn zero_refuses_nothing() {
    let (setup, daemon, _server) = led("zero", 1, &[("refuse-after-release", "0")]);
    release(&setup);
    assert_eq!(connect(&setup.client, VIP, SILENCE).unwrap_err(), ErrorKind::TimedOut);
    assert!(!daemon.process.logged(LOG), "{}", daemon.process.text());
}

#[test]
fn a_stop_does_not_wait_for_a_refusal() {
    let (setup, mut daemon, _server) = led("stop", 1, &[]);
    release(&setup);
    wait_refused(&setup, VIP);
    let start = now();
    daemon.process.signal(Signal::SIGTERM);
    let status = daemon.process.wait(SOON);
    assert!(status.success() && now().since(start) < Duration::from_secs(5), "{status} after {:?}", now().since(start));
    assert_eq!(connect(&setup.client, VIP, SILENCE).unwrap_err(), ErrorKind::TimedOut);
}
