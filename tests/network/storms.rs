//! Much ado on the host: a flood of notices that are none of ours, and a rival who will not let go.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::{now, pause, wait_for};
use crate::support::host::{Host, INTERFACE, VIP};
use crate::support::ping::Pinger;
use crate::support::process::Process;
use crate::support::setup::{SOON, Setup, report, wait_logged, wait_status};

/// The processor time of a process so far.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Adds and deletes thousands of addresses on another interface until it is dropped.
fn storm(host: &Host) -> Process {
    let mut script = String::new();
    for verb in ["add", "del"] {
        for number in 0..4_000 {
            let _ = writeln!(script, "addr {verb} 172.16.{}.{}/32 dev lo", number / 250, number % 250 + 1);
        }
    }
    let file = host.directory().join("storm");
    fs::write(&file, script).unwrap();
    let mut command = host.command("sh");
    command.args(["-c", "while :; do ip -batch \"$1\"; done", "sh"]).arg(&file);
    Process::start("a storm of addresses", command)
}

/// As container hosts have it all day.
#[test]
fn a_storm_of_notices_about_other_interfaces_costs_no_ping_and_hides_no_deletion() {
    let setup = Setup::new("storm", 1);
    let daemon = setup.lead(&setup.config(), VIP);
    wait_status(&daemon, "held");
    let pinger = Pinger::start(&setup.client, VIP, Duration::from_millis(20));
    let (before, start) = (processor_time(daemon.process.pid()), now());
    let storm = storm(setup.host());
    pause(Duration::from_secs(20));
    let spent = processor_time(daemon.process.pid()).saturating_sub(before);
    report("processor time a second in the storm", spent.div_f64(now().since(start).as_secs_f64()));
    let notices = setup.observer.notices().len();
    report("notices", notices);
    assert!(notices > 10_000, "that was no storm: {notices}");
    assert_eq!(setup.times_held(VIP), 1, "it never went");
    let pings = pinger.stop();
    assert!(pings.lost() <= 1, "{:?}", pings.outages());

    // What matters is seen among all that.
    setup.host().ip(&format!("addr del {VIP}/32 dev {INTERFACE}"));
    wait_logged(&daemon, "restored and announced");
    setup.observer.wait_held(setup.host(), VIP, SOON);
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    drop(storm);
}

/// A daemon that hangs in the storm's midst has a full queue when it goes on.
#[test]
fn after_an_overrun_of_the_notice_queue_the_truth_is_found_anew() {
    let setup = Setup::new("overrun", 1);
    let config = setup.config().with("log-level", "debug").with("hold-timeout", "60s");
    let daemon = setup.lead(&config, VIP);
    wait_status(&daemon, "held");
    daemon.process.signal(Signal::SIGSTOP);
    let storm = storm(setup.host());
    let start = now();
    let known = setup.observer.notices().len();
    wait_for("more notices than any queue holds", 3 * SOON, || setup.observer.notices().len() > known + 30_000);
    report("the storm took", now().since(start));
    setup.host().ip(&format!("addr del {VIP}/32 dev {INTERFACE}"));
    setup.observer.wait_gone(setup.host(), VIP, SOON);
    // It goes on, so that the kernel may never get to the end of a list.
    let continued = now();
    daemon.process.signal(Signal::SIGCONT);
    wait_logged(&daemon, "the kernel dropped notices");
    let back = setup.observer.wait_held(setup.host(), VIP, SOON);
    report("back after", back.since(continued));
    assert!(back.since(continued) < SOON / 2);
    pause(Duration::from_secs(3));
    drop(storm);
    wait_status(&daemon, "held");
    setup.set_unknown_leader();
    setup.observer.wait_gone(setup.host(), VIP, SOON);
}

/// keepalived #836, in its worst form: something removes the address as fast as it can.
#[test]
fn a_rival_who_removes_the_address_in_a_loop_meets_patience_and_a_quiet_log() {
    let setup = Setup::new("rival", 1);
    let daemon = setup.lead(&setup.config(), VIP);
    wait_status(&daemon, "held");
    let mut command = setup.host().command("sh");
    let script = format!("while :; do ip addr del {VIP}/32 dev {INTERFACE} 2>&-; sleep 0.001; done");
    command.args(["-c", &script]);
    let rival = Process::start("a rival", command);
    let (before, known, start) = (processor_time(daemon.process.pid()), daemon.process.lines().len(), now());
    let times = setup.times_held(VIP);
    pause(Duration::from_secs(10));
    let seconds = now().since(start).as_secs_f64();
    let spent = processor_time(daemon.process.pid()).saturating_sub(before);
    let (lines, rounds) = (daemon.process.lines().len() - known, setup.times_held(VIP) - times);
    report("processor time a second", spent.div_f64(seconds));
    report("lines and rounds in 10 s", (lines, rounds));
    assert!(spent.as_secs_f64() / seconds < 0.2, "{spent:?} in {seconds:.1} s");
    assert!((20..400).contains(&rounds), "it is put back at a bounded pace, {rounds} times in {seconds:.1} s");
    assert!(lines <= 25, "{lines} lines:\n{}", daemon.process.text());

    drop(rival);
    setup.observer.wait_held(setup.host(), VIP, SOON);
    let end = now();
    pause(Duration::from_secs(2));
    assert!(setup.observer.held_at(setup.host(), VIP, end) && setup.host().carries(VIP));
    wait_status(&daemon, "held");
}
