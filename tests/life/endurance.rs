//! A long life: memory and descriptors stay what they are, and whoever does not read the log cannot stop the daemon.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe};

use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::daemon::{ConfigFile, Daemon, vip_manager};
use crate::support::host::VIP;
use crate::support::setup::{SOON, Setup, report};

/// Resident memory in KiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Has the leader change so many times, as fast as etcd takes it. Now and then, and at the end, the address is waited
/// for: of changes that follow each other too closely, the daemon rightly sees only the last.
fn change_leaders(setup: &Setup, times: usize) {
    for pair in 0..times / 2 {
        setup.set_unknown_leader();
        if pair % 4 == 0 {
            setup.observer.wait_gone(setup.host(), VIP, SOON);
        }
        setup.set_leader(setup.host());
        if pair % 4 == 0 {
            setup.observer.wait_held(setup.host(), VIP, SOON);
        }
    }
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
}

/// vip-manager #285: memory grew until the OOM killer came.
#[test]
fn two_thousand_leader_changes_leave_memory_and_descriptors_as_they_were() {
    let setup = Setup::new("memory", 1);
    let daemon = setup.lead(&setup.config().with("interval", 100).with("log-level", "warn"), VIP);
    let pid = daemon.process.pid();
    change_leaders(&setup, 400);
    let (memory, open) = (resident(pid), descriptors(pid));
    let start = now();
    change_leaders(&setup, 2_000);
    report("2,000 changes took", now().since(start));
    let memory_after = resident(pid);
    report("resident KiB before and after", (memory, memory_after));
    assert!(memory_after <= memory + 1024, "{memory} KiB have become {memory_after} KiB");
    // A socket that refused connections is closed elsewhere, and that takes the kernel milliseconds.
    wait_for("as many descriptors as before", SOON, || descriptors(pid) <= open + 1);
    report("times that the address was put up", setup.times_held(VIP));
    assert!(setup.times_held(VIP) >= 250);
}

/// A daemon with a stderr of the test's own. Dropped, it is killed.
struct Muted {
    child: Child,
}

impl Muted {
    fn start(setup: &Setup, config: &ConfigFile, stderr: OwnedFd) -> Self {
        let mut command = with_config(setup, config);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(stderr)).spawn().unwrap();
        Self { child }
    }

    fn ends_well_on_sigterm(mut self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        let status = wait_until("its end", SOON, || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_config(setup: &Setup, config: &ConfigFile) -> Command {
    let file = setup.lab.directory().join("muted.yml");
    fs::write(&file, config.text()).unwrap();
    let mut command = vip_manager(setup.host());
    command.arg("--config").arg(file);
    command
}

/// Has the daemon follow its key back and forth, with many words about it.
fn follows_its_key(setup: &Setup) {
    for _ in 0..50 {
        setup.set_leader(setup.host());
        setup.observer.wait_held(setup.host(), VIP, SOON);
        setup.set_unknown_leader();
        setup.observer.wait_gone(setup.host(), VIP, SOON);
    }
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_daemon() {
    let setup = Setup::new("full", 1);
    let (reader, writer) = pipe().unwrap();
    let muted = Muted::start(&setup, &setup.config().with("log-level", "trace"), writer);
    // More than a pipe holds: some 64 KiB.
    for _ in 0..6 {
        follows_its_key(&setup);
    }
    // Held over several renewals, not by the kernel's patience alone.
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
    let held = setup.times_held(VIP);
    pause(Duration::from_secs(14));
    assert!(setup.host().carries(VIP));
    assert_eq!(setup.times_held(VIP), held, "it never went");

    // Once somebody reads, the log goes on, and says what is missing.
    let text = read_along(reader);
    wait_for("new lines", SOON, || {
        setup.set_unknown_leader();
        setup.set_leader(setup.host());
        text().contains("lost_lines=")
    });
    for line in text().lines().filter(|line| !line.is_empty()) {
        assert!(line.starts_with("20"), "a torn line: {line}");
    }
    muted.ends_well_on_sigterm();
}

/// Reads on a thread from now on; the function returns what came.
fn read_along(reader: OwnedFd) -> impl Fn() -> String {
    let read = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let shared = std::sync::Arc::clone(&read);
    std::thread::spawn(move || {
        let mut file = fs::File::from(reader);
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = file.read(&mut bytes) {
            shared.lock().unwrap().extend_from_slice(&bytes[..length]);
        }
    });
    move || {
        let bytes = read.lock().unwrap();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&bytes[..whole]).into_owned()
    }
}

#[test]
fn a_log_whose_reader_has_gone_does_not_end_the_daemon() {
    let setup = Setup::new("gone", 1);
    let (reader, writer) = pipe().unwrap();
    let muted = Muted::start(&setup, &setup.config().with("log-level", "debug"), writer);
    drop(reader);
    follows_its_key(&setup);
    muted.ends_well_on_sigterm();
}

#[test]
fn a_daemon_without_any_stderr_lives() {
    let setup = Setup::new("closed", 1);
    let inner = with_config(&setup, &setup.config().with("log-level", "debug"));
    let mut command = setup.host().command("sh");
    command.args(["-c", "exec \"$@\" 2>&- >&- <&-", "sh"]).args(inner.get_args().skip(3));
    let mut child = Muted { child: command.spawn().unwrap() };
    follows_its_key(&setup);
    assert!(child.child.try_wait().unwrap().is_none());
    child.ends_well_on_sigterm();
}

#[test]
fn a_second_sigterm_or_a_burst_of_signals_changes_nothing() {
    let setup = Setup::new("burst", 1);
    let mut daemon: Daemon = setup.lead(&setup.config(), VIP);
    for _ in 0..20 {
        daemon.process.signal(Signal::SIGHUP);
    }
    for signal in [Signal::SIGPIPE, Signal::SIGWINCH, Signal::SIGHUP] {
        daemon.process.signal(signal);
    }
    pause(Duration::from_secs(2));
    assert_eq!(setup.times_held(VIP), 1);
    for signal in [Signal::SIGTERM, Signal::SIGTERM, Signal::SIGINT] {
        if daemon.process.ended().is_none() {
            daemon.process.signal(signal);
        }
    }
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(!setup.host().carries(VIP));
}

const LARGE: usize = 280;

/// A configuration with so many VIPs, each with a key of its own.
fn with_many_keys(setup: &Setup) -> String {
    let vip = |number: usize| {
        format!("  - {{ ip: 10.66.{}.{}, trigger-key: /large/{number} }}\n", 100 + number / 200, number % 200)
    };
    let vips: Vec<String> = (0..LARGE).map(vip).collect();
    format!("{}vips:\n{}", setup.config().without("ip").without("trigger-key").text(), vips.concat())
}

#[test]
fn large_values_that_are_not_ours_are_kept_and_logged_only_in_part() {
    let setup = Setup::new("large", 1);
    let store = setup.cluster.store();
    // Each letter has two bytes, and the 256th byte is in the middle of one.
    let value = format!("x{}", "é".repeat(500_000));
    for number in 0..LARGE {
        store.put(&format!("/large/{number}"), &value);
    }
    let daemon = Daemon::start_with(setup.host(), &with_many_keys(&setup), &[]);
    wait_for("every key to be read", SOON * 3, || {
        daemon.process.lines().iter().filter(|line| line.text.contains("not acquiring")).count() >= LARGE
    });
    // Several reads, and one change that a watch sees.
    store.put("/large/0", &format!("y{value}"));
    let mut most = 0;
    for _ in 0..50 {
        pause(Duration::from_millis(100));
        most = most.max(resident(daemon.process.pid()));
    }
    let log = daemon.process.text().len();
    report("resident KiB at most, and bytes of log", (most, log));
    assert!(most < 96 * 1024, "{most} KiB");
    assert!(log < 1024 * LARGE, "{log} bytes");
}
