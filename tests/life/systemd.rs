//! What systemd is told: readiness, the current sentence, that the loop goes round, reloads and the end.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::{Daemon, vip_manager};
use crate::support::host::{Host, VIP};
use crate::support::notify::NotifySocket;
use crate::support::process::Process;
use crate::support::setup::{SOON, Setup, status, wait_status};

/// How long systemd waits for the watchdog's message in these tests.
const WATCHDOG: Duration = Duration::from_millis(900);

/// A daemon under a watchdog.
fn start_watched(host: &Host, config: &Path, notify: &NotifySocket) -> Process {
    let mut command = vip_manager(host);
    command.arg("--config").arg(config);
    command.env("NOTIFY_SOCKET", notify.path()).env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    Process::start("vip-manager under a watchdog", command)
}

#[test]
fn systemctl_status_shows_readiness_the_current_sentence_and_the_end() {
    let setup = Setup::new("notify", 1);
    setup.set_unknown_leader();
    let mut daemon = Daemon::start(setup.host(), &setup.config());
    wait_for("readiness", SOON, || daemon.ready());
    wait_status(&daemon, "standby");
    let sentence = status(&daemon).unwrap();
    for word in ["10.66.0.100", "eth0", "/service/pg_cluster/leader", "nobody", "db1"] {
        assert!(sentence.contains(word), "no {word} in: {sentence}");
    }
    setup.set_leader(setup.host());
    wait_status(&daemon, "held");

    daemon.process.signal(Signal::SIGHUP);
    wait_for("the reload's end", SOON, || {
        daemon.notify.lines().iter().filter(|line| line.text == "READY=1").count() == 2
    });
    let lines: Vec<String> = daemon.notify.lines().into_iter().map(|line| line.text).collect();
    let reloading = lines.iter().position(|line| line == "RELOADING=1").unwrap();
    assert!(lines[reloading + 1].starts_with("MONOTONIC_USEC="), "{lines:?}");
    assert!(lines[reloading..].iter().any(|line| line == "READY=1"), "{lines:?}");

    daemon.process.signal(Signal::SIGTERM);
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    wait_for("the farewell", SOON, || daemon.notify.said("STOPPING=1"));
    assert!(!lines.iter().any(|line| line.starts_with("WATCHDOG")), "nobody asked for it: {lines:?}");
}

#[test]
fn the_watchdog_hears_of_a_loop_that_goes_round_and_not_of_one_that_stands() {
    let setup = Setup::new("watchdog", 1);
    setup.set_leader(setup.host());
    let config = setup.lab.directory().join("watched.yml");
    std::fs::write(&config, setup.config().text()).unwrap();
    let notify = NotifySocket::bind(&setup.lab.directory().join("watched.sock"));
    let daemon = start_watched(setup.host(), &config, &notify);
    setup.observer.wait_held(setup.host(), VIP, SOON);
    let beats = || notify.lines().into_iter().filter(|line| line.text == "WATCHDOG=1").collect::<Vec<_>>();

    let known = beats().len();
    wait_for("ten messages", SOON, || beats().len() >= known + 10);
    let seen = beats();
    let span = seen[known + 9].at.since(seen[known].at);
    assert!(span > WATCHDOG * 2 && span < WATCHDOG * 9, "nine periods of a third took {span:?}");

    daemon.signal(Signal::SIGSTOP);
    pause(WATCHDOG / 3);
    let stopped = beats().len();
    pause(2 * WATCHDOG);
    assert_eq!(beats().len(), stopped, "a stopped daemon must not seem alive");
    daemon.signal(Signal::SIGCONT);
    wait_for("the next message", SOON, || beats().len() > stopped);
}

#[test]
fn an_abstract_socket_serves_as_well_as_a_path() {
    let setup = Setup::new("abstract", 1);
    setup.set_leader(setup.host());
    let config = setup.lab.directory().join("abstract.yml");
    std::fs::write(&config, setup.config().text()).unwrap();
    let name = setup.lab.prefix().to_owned();
    // Abstract names belong to a network namespace, and the daemon is in the host's.
    let socket = setup.host().enter({
        let name = name.clone();
        move || UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
    });
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut command = vip_manager(setup.host());
    command.arg("--config").arg(&config).env("NOTIFY_SOCKET", format!("@{name}"));
    let _daemon = Process::start("vip-manager", command);
    let mut heard = String::new();
    let start = now();
    while !(heard.contains("READY=1") && heard.contains("held")) {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).unwrap();
        heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
        assert!(now().since(start) < SOON, "{heard}");
    }
}

#[test]
fn a_socket_that_nobody_listens_on_is_said_and_changes_nothing() {
    let setup = Setup::new("deaf", 1);
    setup.set_leader(setup.host());
    let config = setup.lab.directory().join("deaf.yml");
    std::fs::write(&config, setup.config().text()).unwrap();
    let mut command = vip_manager(setup.host());
    command.arg("--config").arg(&config).env("NOTIFY_SOCKET", "/nonexistent/notify");
    let daemon = Process::start("vip-manager", command);
    setup.observer.wait_held(setup.host(), VIP, SOON);
    assert!(daemon.logged("/nonexistent/notify"), "{}", daemon.text());
}
