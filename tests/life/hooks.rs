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
use crate::support::scene::{SOON, Scene, figure, wait_said};

/// Writes a script that the daemon can run, and tells where it is.
fn script(scene: &Scene, name: &str, body: &str) -> PathBuf {
    let path = scene.lab.directory().join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A script that adds what it was told to a file, one line a run, and the file.
fn recorder(scene: &Scene) -> (PathBuf, PathBuf) {
    let record = scene.lab.directory().join("record");
    let body = format!(
        "echo \"$1 $VIP_MANAGER_EVENT $VIP_MANAGER_VIP/$VIP_MANAGER_PREFIX $VIP_MANAGER_INTERFACE $VIP_MANAGER_KEY \
         value=$VIP_MANAGER_VALUE holder=$VIP_MANAGER_HOLDER rival=$VIP_MANAGER_RIVAL\" >> {}",
        record.display()
    );
    (script(scene, "recorder", &body), record)
}

/// vip-manager #172.
#[test]
fn a_program_is_told_that_the_vip_came_and_that_it_went_in_this_order() {
    let scene = Scene::new("hook", 1);
    let (program, record) = recorder(&scene);
    let hook = |word: &str| format!("[{}, {word}]", program.display());
    let config = scene.config().with("on-acquire", hook("came")).with("on-release", hook("went"));
    let _daemon = scene.lead(&config, VIP);
    wait_for("the first hook", SOON, || read(&record).lines().count() == 1);
    scene.name_nobody();
    wait_for("the second hook", SOON, || read(&record).lines().count() == 2);
    scene.name(scene.host());
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
    let scene = Scene::new("hook", 1);
    let record = scene.lab.directory().join("record");
    let body =
        format!("{{ env; ls -l /proc/self/fd; cat /proc/self/status; }} > {0}.new; mv {0}.new {0}", record.display());
    let program = script(&scene, "recorder", &body);
    let _daemon = scene.lead(&scene.config().with("on-acquire", program.display()), VIP);
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
    let scene = Scene::new("hook", 1);
    let pids = scene.lab.directory().join("pids");
    let body = format!("trap '' TERM; sleep 600 & echo $$ $! > {}; wait; wait", pids.display());
    let program = script(&scene, "hanging", &body);
    let config = scene.config().with("on-release", program.display()).with("hook-timeout", "1s");
    let daemon = scene.lead(&config, VIP);
    scene.name_nobody();
    let asked = now();
    let gone = scene.witness.wait_gone(scene.host(), VIP, SOON).unwrap();
    figure("gone though the hook hangs, after", gone.since(asked));
    assert!(gone.since(asked) < Duration::from_secs(1), "{:?}", gone.since(asked));
    wait_for("the hook", SOON, || read(&pids).lines().count() == 1);
    // The key is followed while it hangs.
    scene.name(scene.host());
    scene.witness.wait_held(scene.host(), VIP, SOON);
    wait_said(&daemon, "on-release of 10.");
    wait_said(&daemon, "took longer than 1 s and is ended");
    for pid in read(&pids).split_whitespace() {
        wait_for("the end of the whole group", SOON, || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        });
    }
}

#[test]
fn a_stop_waits_for_the_last_hook_after_the_address_has_gone() {
    let scene = Scene::new("hook", 1);
    let record = scene.lab.directory().join("record");
    let program = script(&scene, "slow", &format!("sleep 1; echo done > {}", record.display()));
    let mut daemon = scene.lead(&scene.config().with("on-release", program.display()), VIP);
    daemon.process.signal(Signal::SIGTERM);
    let asked = now();
    let gone = scene.witness.wait_gone(scene.host(), VIP, SOON).unwrap();
    assert_eq!(daemon.process.wait(SOON).code(), Some(0));
    assert!(gone.since(asked) < Duration::from_secs(1), "{:?}", gone.since(asked));
    assert_eq!(read(&record), "done\n");
}

#[test]
fn a_program_that_is_missing_or_fails_is_told_and_the_vip_does_not_care() {
    let scene = Scene::new("hook", 1);
    let failing = script(&scene, "failing", "echo \"what it said\"; printf '\\033[31mred\\n' >&2; exit 3");
    let config = scene.config().with("on-acquire", "/nowhere/at-all").with("on-release", failing.display());
    let daemon = scene.lead(&config, VIP);
    let text = || daemon.process.text();
    wait_said(&daemon, "cannot run /nowhere/at-all");
    assert!(text().contains("expected the full path of a program"), "{}", text());
    scene.name_nobody();
    wait_said(&daemon, "failed with exit status 3");
    assert!(text().contains("what it said"), "{}", text());
    assert!(text().contains("red") && !text().contains('\u{1b}'), "{}", text());
    scene.name(scene.host());
    scene.witness.wait_held(scene.host(), VIP, SOON);
}

#[test]
fn a_program_is_told_of_a_rival() {
    let scene = Scene::new("hook", 2);
    let (program, record) = recorder(&scene);
    let _daemon: Daemon =
        scene.lead(&scene.config().with("on-conflict", format!("[{}, fight]", program.display())), VIP);
    // What comes sooner after the address was put up may be an echo of the host before.
    pause(Duration::from_millis(2_500));
    Rival::on(&scene.hosts[1]).claim(VIP);
    wait_for("the hook", SOON, || read(&record).lines().count() == 1);
    let seen = read(&record);
    assert!(seen.starts_with("fight conflict ") && seen.contains(&format!("rival={}", scene.hosts[1].mac())), "{seen}");
}
