//! Many clients of the status server do not disturb the VIP.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::ask::{LISTEN, socket, told, wait_told};
use crate::support::clock::wait_for;
use crate::support::host::VIP;
use crate::support::ping::Pinger;
use crate::support::setup::{SOON, Setup, report, wait_logged};

/// A hundred clients that send nothing and a hundred that never read the answer, on both sockets at the same time.
#[test]
fn clients_that_never_write_or_never_read_cost_no_ping() {
    let setup = Setup::new("crowd", 1);
    let daemon = setup.lead(&told(&setup, setup.host()), VIP);
    wait_logged(&daemon, &format!("serving status at {LISTEN}"));
    wait_told(setup.host(), "/status", "held");
    let pinger = Pinger::start(&setup.client, VIP, Duration::from_millis(20));
    wait_for("pings", SOON, || pinger.pings().answers.len() > 20);
    let idle: Vec<UnixStream> = (0..100).filter_map(|_| UnixStream::connect(socket(setup.host())).ok()).collect();
    let greedy: Vec<TcpStream> = setup.host().enter(|| {
        let ask = |_| {
            let mut stream = TcpStream::connect(LISTEN).ok()?;
            stream.write_all(b"GET /events HTTP/1.1\r\n\r\n").ok()?;
            Some(stream)
        };
        (0..100).filter_map(ask).collect()
    });
    assert!(idle.len() > 50 && greedy.len() > 50, "{} and {}", idle.len(), greedy.len());
    let before = pinger.pings().answers.len();
    wait_for("a hundred pings more", SOON, || pinger.pings().answers.len() > before + 100);
    // Idle connections time out, which makes room for new ones.
    wait_told(setup.host(), "/status", "\"state\":\"held\"");
    let pings = pinger.stop();
    report("pings lost in the crowd", pings.lost());
    assert_eq!(pings.lost(), 0);
    assert_eq!(setup.times_held(VIP), 1);
    drop((idle, greedy));
}
