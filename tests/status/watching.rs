//! `vip-manager status` and `check` on a terminal: what is shown again, in which colour, and how it is left.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::Signal;

use super::ask::{PATIENT, command, socket, told, wait_told};
use crate::support::clock::{wait_for, wait_until};
use crate::support::daemon::Daemon;
use crate::support::host::VIP;
use crate::support::setup::Setup;
use crate::support::terminal::Terminal;

const HELD: &str = "10.66.0.100/32 on eth0: held";
const CTRL_C: &[u8] = b"\x03";

/// A leader that can be asked.
fn leader(name: &str) -> (Setup, Daemon) {
    let setup = Setup::new(name, 1);
    let daemon = setup.lead(&told(&setup, setup.host()), VIP);
    wait_told(setup.host(), "/status", "\"state\":\"held\"");
    (setup, daemon)
}

/// A command of the program's on a terminal of eighty columns.
fn on_terminal(daemon: &Daemon, name: &str, arguments: &[&str], rows: u16, set: &[(&str, &str)]) -> Terminal {
    let mut command = command(daemon, name, arguments);
    command.env_remove("NO_COLOR").env("TERM", "xterm").env("LC_ALL", "C.UTF-8").envs(set.iter().copied());
    Terminal::run(&command, 80, rows)
}

#[test]
fn a_watch_sees_the_daemon_end_and_come_back_and_ctrl_c_leaves_the_terminal_as_it_was() {
    let (setup, mut daemon) = leader("watch");
    let mut terminal = on_terminal(&daemon, "status", &["--watch"], 40, &[]);
    let shown = terminal.wait_shown(HELD, PATIENT);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(terminal.sent().starts_with(&"\r\n".repeat(40)), "what stood there is scrolled away, not wiped");
    terminal.wait_frames(2, PATIENT);

    daemon.process.signal(Signal::SIGTERM);
    daemon.process.wait(PATIENT);
    for words in
        ["no daemon answers:", "is it running?", "holds \"db1\", which is this host", "does not have the address"]
    {
        terminal.wait_shown(words, PATIENT);
    }
    let _again = Daemon::start(&setup.host().clone(), &told(&setup, setup.host()));
    let shown = terminal.wait_shown(HELD, PATIENT);
    assert!(!shown.contains("no daemon answers"), "{shown}");

    terminal.press(CTRL_C);
    assert_eq!(terminal.wait(PATIENT).code(), Some(0));
    assert!(terminal.is_restored() && terminal.screen().contains(HELD), "{:?}", terminal.sent());
}

#[test]
fn a_watch_that_nobody_answered_ends_with_1_and_every_request_to_end_is_heard() {
    let (_scene, mut daemon) = leader("ends");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut terminal = on_terminal(&daemon, "status", &["--watch"], 40, &[]);
        terminal.wait_shown(HELD, PATIENT);
        terminal.signal(signal);
        assert_eq!(terminal.wait(PATIENT).code(), Some(0), "{signal}");
        assert!(terminal.is_restored(), "{signal}: {:?}", terminal.sent());
    }
    daemon.process.kill();
    assert!(socket(&daemon.host).exists());
    let mut terminal = on_terminal(&daemon, "status", &["--watch"], 40, &[]);
    terminal.wait_shown("no daemon answers:", PATIENT);
    terminal.press(CTRL_C);
    assert_eq!(terminal.wait(PATIENT).code(), Some(1));
}

#[test]
fn a_low_window_shows_what_fits_and_says_that_there_is_more() {
    let (_scene, daemon) = leader("low");
    let status = on_terminal(&daemon, "status", &["--watch"], 8, &[]);
    let shown = status.wait_shown("more lines)", PATIENT);
    assert!(shown.starts_with("vip-manager ") && shown.lines().count() == 7, "{shown}");
    let events = on_terminal(&daemon, "status", &["--watch", "--events"], 4, &[]);
    let shown = events.wait_shown("confirmed", PATIENT);
    assert!(shown.starts_with('(') && shown.contains("more lines)"), "the newest is at the end:\n{shown}");
}

/// <https://no-color.org>, and a terminal that can only print.
#[test]
fn colour_is_for_terminals_that_take_it_and_users_who_want_it() {
    let (_scene, daemon) = leader("colour");
    for (name, arguments) in [("status", &[][..]), ("status", &["--events"]), ("check", &[])] {
        for (set, coloured) in
            [(&[][..], true), (&[("NO_COLOR", "")], true), (&[("NO_COLOR", "1")], false), (&[("TERM", "dumb")], false)]
        {
            let mut terminal = on_terminal(&daemon, name, arguments, 40, set);
            terminal.wait(PATIENT);
            let sent = terminal.sent();
            assert_eq!(sent.contains('\u{1b}'), coloured, "{name} {arguments:?} {set:?}\n{sent}");
            assert!(sent.contains("eth0"), "{name} {arguments:?} {set:?}\n{sent}");
            assert!(terminal.is_restored(), "{sent:?}");
        }
    }
    let plain = on_terminal(&daemon, "status", &["--watch"], 40, &[("NO_COLOR", "1")]);
    plain.wait_frames(2, PATIENT);
    assert!(!plain.sent().contains("\u{1b}[1"), "{:?}", plain.sent());
}

#[test]
fn a_dumb_terminal_gets_one_answer_after_the_other_and_not_one_command() {
    let (_scene, daemon) = leader("dumb");
    let mut terminal = on_terminal(&daemon, "status", &["--watch"], 40, &[("TERM", "dumb")]);
    wait_for("three answers", PATIENT, || terminal.sent().matches(HELD).count() >= 3);
    terminal.press(CTRL_C);
    assert_eq!(terminal.wait(PATIENT).code(), Some(0));
    assert!(!terminal.sent().contains('\u{1b}'), "{:?}", terminal.sent());
}

#[test]
fn a_watch_in_json_is_an_object_a_line_and_ends_when_nobody_reads_it() {
    let (_scene, daemon) = leader("lines");
    let mut watch = command(&daemon, "status", &["--watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with("{\"program\":\"vip-manager\"") && line.ends_with('}'), "{line}");
    }
    drop(lines);
    let ended = wait_until("its end", PATIENT, || watch.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}
