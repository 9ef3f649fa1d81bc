//! The server: what it answers to nonsense, and that it follows the configuration.

use nix::sys::signal::Signal;

use super::ask::{LISTEN, ask, send, told, wait_told};
use crate::support::daemon::ConfigFile;
use crate::support::host::VIP;
use crate::support::setup::{Setup, wait_logged};

#[test]
fn nonsense_gets_a_400_and_nothing_but_reading_is_understood() {
    let setup = Setup::new("nonsense", 1);
    let daemon = setup.lead(&told(&setup, setup.host()), VIP);
    wait_logged(&daemon, &format!("serving status at {LISTEN}"));
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    for (request, status) in [
        (&b"hello\r\n\r\n"[..], "400"),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", "400"),
        (b"GET /status HTTP/9.9\r\n\r\n", "400"),
        (b"POST /status HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", "404"),
        (long.as_bytes(), "431"),
        (b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
    ] {
        let answer = send(setup.host(), request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
    }
    let head = send(setup.host(), b"HEAD /status HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n") && head.contains("application/json"));
}

#[test]
fn the_page_is_one_file_under_a_policy_that_lets_nothing_else_in() {
    let setup = Setup::new("page", 1);
    let _daemon = setup.lead(&told(&setup, setup.host()), VIP);
    let (head, body) = ask(setup.host(), "/");
    let (_, policy) = head.split_once("Content-Security-Policy: ").unwrap();
    let nonce = policy.split_once("script-src 'nonce-").unwrap().1.split_once('\'').unwrap().0;
    assert!(policy.starts_with("default-src 'none'") && body.contains(&format!("<script nonce=\"{nonce}\">")));
    let (other, _) = ask(setup.host(), "/");
    assert!(!other.contains(nonce), "a nonce is used once");
}

#[test]
fn a_reload_opens_moves_and_closes_the_port_and_a_taken_port_is_a_warning() {
    let setup = Setup::new("port", 1);
    let daemon = setup.lead(&told(&setup, setup.host()).without("status-listen"), VIP);
    let reload = |config: ConfigFile| {
        daemon.rewrite_config(&config);
        daemon.process.signal(Signal::SIGHUP);
    };
    reload(told(&setup, setup.host()));
    wait_logged(&daemon, &format!("serving status at {LISTEN}"));
    let taken = setup.host().enter(|| std::net::TcpListener::bind("127.0.0.1:9900").unwrap());
    reload(told(&setup, setup.host()).with("status-listen", "127.0.0.1:9900"));
    wait_logged(&daemon, "cannot serve status at 127.0.0.1:9900");
    wait_told(setup.host(), "/status", "\"state\":\"held\"");
    drop(taken);
    wait_logged(&daemon, "serving status at 127.0.0.1:9900");
    let gone = setup.host().enter(|| std::net::TcpStream::connect(LISTEN).is_err());
    assert!(gone, "nobody listens where nobody should any more");
}
