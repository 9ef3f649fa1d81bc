//! Many clients of the status server do not disturb the VIP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ask::{LISTEN, socket, told, wait_told};
use crate::support::clock::{now, pause, wait_for};
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

/// Sends a request a byte at a time, again and again, until nobody wants it any more.
fn slow_client(goes_on: &AtomicBool) {
    while goes_on.load(Ordering::Relaxed) {
        if let Ok(mut stream) = TcpStream::connect(LISTEN) {
            let mut request = b"GET /events HTTP/1.1\r\nHost: slow\r\n\r\n".iter();
            while goes_on.load(Ordering::Relaxed)
                && let Some(byte) = request.next()
                && stream.write_all(&[*byte]).is_ok()
            {
                pause(Duration::from_secs(1));
            }
        }
        pause(Duration::from_millis(100));
    }
}

#[test]
fn slow_clients_of_the_same_address_do_not_keep_a_health_check_out() {
    let setup = Setup::new("slow", 1);
    let daemon = setup.lead(&told(&setup, setup.host()), VIP);
    wait_logged(&daemon, &format!("serving status at {LISTEN}"));
    let goes_on = Arc::new(AtomicBool::new(true));
    let clients: Vec<_> = (0..24)
        .map(|_| {
            let goes_on = Arc::clone(&goes_on);
            setup.host().spawn(move || slow_client(&goes_on))
        })
        .collect();
    pause(Duration::from_secs(2));
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let asked = now();
        let answer = setup.host().enter(health);
        longest = longest.max(now().since(asked));
        assert!(answer.as_ref().is_ok_and(|answer| answer.ends_with("ready\n")), "{answer:?}");
        pause(Duration::from_millis(200));
    }
    goes_on.store(false, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    report("the slowest health check", longest);
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

fn health() -> std::io::Result<String> {
    let mut stream = TcpStream::connect(LISTEN)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
