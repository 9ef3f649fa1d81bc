//! The daemon hangs or dies under systemd. The long `hold-timeout` leaves the kernel's lifetime out of it: what lets go
//! in time is the watchdog and what runs after every end.

use std::time::Duration;

use crate::site::{Site, UNIT};
use crate::support::clock::now;
use crate::support::host::VIP;
use crate::support::setup::{SOON, report};

fn patient() -> Site {
    Site::leading(|config| config.with("hold-timeout", "60s"))
}

#[test]
fn the_watchdog_kills_a_daemon_that_hangs_and_its_address_goes() {
    let site = patient();
    let before = site.machine.main_pid(UNIT);
    let stopped = now();
    site.machine.run("systemctl kill --signal STOP --kill-who=main vip-manager");
    let gone = site.setup.observer.wait_gone(site.setup.host(), VIP, 2 * SOON).unwrap();
    report("a daemon that hangs: gone after", gone.since(stopped));
    assert!(gone.since(stopped) < Duration::from_secs(10));
    site.wait_process(before);
    site.wait_held();
    assert!(site.machine.run("journalctl --no-pager --unit vip-manager").contains("atchdog"));
}

/// keepalived #2361, kube-vip #996.
#[test]
fn a_daemon_that_is_killed_lets_go_and_comes_back_however_often_it_dies() {
    let site = patient();
    for death in 1..=8 {
        let before = site.machine.main_pid(UNIT);
        let killed = now();
        site.machine.run("systemctl kill --signal KILL --kill-who=main vip-manager");
        let gone = site.setup.observer.wait_gone(site.setup.host(), VIP, SOON).unwrap();
        if death == 1 {
            report("a daemon that is killed: gone after", gone.since(killed));
        }
        assert!(gone.since(killed) < Duration::from_secs(2), "{}", site.machine.journal(UNIT));
        site.wait_process(before);
        site.wait_held();
    }
    assert_eq!(site.machine.property(UNIT, "NRestarts"), "8", "there is no limit to starts");
    assert_eq!(site.setup.times_held(VIP), 9);
}

/// A crash in the middle of what looks like a good life is no restart, whatever else systemd is doing.
#[test]
fn a_crash_while_another_unit_restarts_is_a_crash() {
    let site = patient();
    site.machine
        .run("systemctl restart systemd-journald & systemctl kill --signal ABRT --kill-who=main vip-manager; wait");
    site.setup.observer.wait_gone(site.setup.host(), VIP, SOON);
    site.wait_held();
}
