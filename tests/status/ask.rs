//! Asking a daemon: over its socket, over TCP inside its host, and with the program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::support::clock::wait_for;
use crate::support::daemon::{ConfigFile, Daemon, vip_manager};
use crate::support::host::Host;
use crate::support::setup::Setup;

/// Nothing else runs on the hosts of the lab.
pub(crate) const LISTEN: &str = "127.0.0.1:9899";
/// For a machine that has other things to do.
pub(crate) const PATIENT: Duration = Duration::from_secs(20);

/// The place of a daemon's socket on this host.
pub(crate) fn socket(host: &Host) -> PathBuf {
    host.directory().join(format!("{}.status", host.name()))
}

/// A configuration with both ways to ask.
pub(crate) fn told(setup: &Setup, host: &Host) -> ConfigFile {
    let config = ConfigFile::basic(host, &setup.cluster);
    config.with("status-socket", socket(host).display()).with("status-listen", LISTEN)
}

/// What the daemon's socket answers, head and body.
pub(crate) fn try_ask(host: &Host, resource: &str) -> std::io::Result<(String, String)> {
    let mut stream = UnixStream::connect(socket(host))?;
    stream.set_read_timeout(Some(PATIENT))?;
    stream.write_all(format!("GET {resource} HTTP/1.1\r\nHost: lab\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((head.to_owned(), body.to_owned()))
}

/// The same, once there is an answer.
#[track_caller]
pub(crate) fn ask(host: &Host, resource: &str) -> (String, String) {
    wait_for(&format!("an answer to {resource}"), PATIENT, || try_ask(host, resource).is_ok());
    try_ask(host, resource).unwrap()
}

/// Waits until the body has these words, and gives it.
#[track_caller]
pub(crate) fn wait_told(host: &Host, resource: &str, words: &str) -> String {
    let has = |body: &str| body.contains(words);
    wait_for(&format!("{words:?} in {resource}"), PATIENT, || {
        try_ask(host, resource).is_ok_and(|(_, body)| has(&body))
    });
    ask(host, resource).1
}

/// What raw bytes sent to the TCP port are answered with.
pub(crate) fn send(host: &Host, bytes: &[u8]) -> String {
    let bytes = bytes.to_vec();
    host.enter(move || {
        let address: SocketAddr = LISTEN.parse().unwrap();
        let mut stream = TcpStream::connect_timeout(&address, PATIENT).unwrap();
        stream.set_read_timeout(Some(PATIENT)).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    })
}

/// A command of the program's with the daemon's configuration.
pub(crate) fn command(daemon: &Daemon, name: &str, arguments: &[&str]) -> Command {
    let mut command = vip_manager(&daemon.host);
    command.arg(name).arg("--config").arg(&daemon.config).args(arguments);
    command
}

/// `vip-manager status`: exit status, then what it wrote to either output.
pub(crate) fn program(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(daemon, "status", arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A metric's value, by the beginning of its line.
pub(crate) fn metric(host: &Host, series: &str) -> Option<f64> {
    let (_, body) = try_ask(host, "/metrics").ok()?;
    body.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}
