//! Programs of the user's that are run when the VIP came, went, or is contested.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::Daemon;
use crate::support::host::{INTERFACE, VIP};
use crate::support::rival::Rival;
use crate::support::setup::{SOON, Setup, report, wait_logged};

/// Writes a script that the daemon can run, and tells where it is.
fn script(setup: &Setup, name: &str, body: &str) -> PathBuf {
    let path = setup.lab.directory().join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A script that adds what it was told to a file, one line a run, and the file.
fn recorder(setup: &Setup) -> (PathBuf, PathBuf) {
    let record = setup.lab.directory().join("record");
    let body = format!(
        "echo \"$1 $VIP_MANAGER_EVENT $VIP_MANAGER_VIP/$VIP_MANAGER_PREFIX $VIP_MANAGER_INTERFACE $VIP_MANAGER_KEY \
         value=$VIP_MANAGER_VALUE holder=$VIP_MANAGER_HOLDER rival=$VIP_MANAGER_RIVAL\" >> {}",
        record.display()
    );
    (script(setup, "recorder", &body), record)
}

/// vip-manager #172.
#[test]
fn a_program_is_told_that_the_vip_came_and_that_it_went_in_this_order() {
    let setup = Setup::new("hook", 1);
    let (program, record) = recorder(&setup);
    let hook = |word: &str| format!("[{}, {word}]", program.display());
    let config = setup.config().with("on-acquire", hook("came")).with("on-release", hook("went"));
    let _daemon = setup.lead(&config, VIP);
    wait_for("the first hook", SOON, || read(&record).lines().count() == 1);
    setup.set_unknown_leader();
    wait_for("the second hook", SOON, || read(&record).lines().count() == 2);
    setup.set_leader(setup.host());
    wait_for("the third hook", SOON, || read(&record).lines().count() == 3);
    let (vip, host) = (format!("{VIP}/32 {INTERFACE} /service/pg_cluster/leader value=db1"), "db1");
    let expected = [
        format!("came acquire {vip} holder={host} rival="),
        format!("went release {vip} holder=nobody rival="),
        format!("came acquire {vip} holder={host} rival="),
    ];
    assert_eq!(read(&record).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_hook_inherits_neither_descriptors_nor_secrets_nor_capabilities_to_hand_on() {
    let setup = Setup::new("hook", 1);
    let record = setup.lab.directory().join("record");
    let body =
        format!("{{ env; ls -l /proc/self/fd; cat /proc/self/status; }} > {0}.new; mv {0}.new {0}", record.display());
    let program = script(&setup, "recorder", &body);
    let _daemon = setup.lead(&setup.config().with("on-acquire", program.display()), VIP);
    wait_for("the hook", SOON, || record.exists());
    let seen = read(&record);
    // Its own three are pipes and files; sockets, timers and the event loop are the daemon's.
    assert!(!seen.contains("-> socket:") && !seen.contains("-> anon_inode:"), "{seen}");
    assert!(!seen.contains("NOTIFY_SOCKET"), "{seen}");
    assert!(seen.contains("CapAmb:\t0000000000000000"), "{seen}");
    assert!(seen.contains("PATH=/usr/local/sbin:") && seen.contains("VIP_MANAGER_REASON="), "{seen}");
}

#[test]
fn a_hook_that_hangs_is_ended_with_all_that_it_started_and_delays_nothing() {
    let setup = Setup::new("hook", 1);
    let pids = setup.lab.directory().join("pids");
    let body = format!("trap '' TERM; sleep 600 & echo $$ $! > {}; wait; wait", pids.display());
    let program = script(&setup, "hanging", &body);
    let config = setup.config().with("on-release", program.display()).with("hook-timeout", "1s");
    let daemon = setup.lead(&config, VIP);
    setup.set_unknown_leader();
    let asked = now();
    let gone = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    report("gone though the hook hangs, after", gone.since(asked));
    assert!(gone.since(asked) < Duration::from_secs(1), "{:?}", gone.since(asked));
    wait_for("the hook", SOON, || read(&pids).lines().count() == 1);
    // The key is followed while it hangs.
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
    wait_logged(&daemon, "on-release of 10.");
    wait_logged(&daemon, "exceeded 1 s and is killed");
    for pid in read(&pids).split_whitespace() {
        wait_for("the end of the whole group", SOON, || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        });
    }
}

#[test]
fn a_stop_waits_for_the_last_hook_after_the_address_has_gone() {
    let setup = Setup::new("hook", 1);
    let record = setup.lab.directory().join("record");
    let program = script(&setup, "slow", &format!("sleep 1; echo done > {}", record.display()));
    let mut daemon = setup.lead(&setup.config().with("on-release", program.display()), VIP);
    daemon.process.signal(Signal::SIGTERM);
    let asked = now();
    let gone = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(gone.since(asked) < Duration::from_secs(1), "{:?}", gone.since(asked));
    assert_eq!(read(&record), "done\n");
}

#[test]
fn a_program_that_is_missing_or_fails_is_told_and_the_vip_does_not_care() {
    let setup = Setup::new("hook", 1);
    let failing = script(&setup, "failing", "echo \"what it said\"; printf '\\033[31mred\\n' >&2; exit 3");
    let config = setup.config().with("on-acquire", "/nowhere/at-all").with("on-release", failing.display());
    let daemon = setup.lead(&config, VIP);
    let text = || daemon.process.text();
    wait_logged(&daemon, "cannot run /nowhere/at-all");
    assert!(text().contains("expected the absolute path of a program"), "{}", text());
    setup.set_unknown_leader();
    wait_logged(&daemon, "failed with exit status 3");
    assert!(text().contains("what it said"), "{}", text());
    assert!(text().contains("red") && !text().contains('\u{1b}'), "{}", text());
    setup.set_leader(setup.host());
    setup.observer.wait_held(setup.host(), VIP, SOON);
}

#[test]
fn a_program_is_told_of_a_rival() {
    let setup = Setup::new("hook", 2);
    let (program, record) = recorder(&setup);
    let _daemon: Daemon =
        setup.lead(&setup.config().with("on-conflict", format!("[{}, fight]", program.display())), VIP);
    // What comes sooner after the address was put up may be an echo of the host before.
    pause(Duration::from_millis(2_500));
    Rival::on(&setup.hosts[1]).claim(VIP);
    wait_for("the hook", SOON, || read(&record).lines().count() == 1);
    let seen = read(&record);
    assert!(seen.starts_with("fight conflict ") && seen.contains(&format!("rival={}", setup.hosts[1].mac())), "{seen}");
}
