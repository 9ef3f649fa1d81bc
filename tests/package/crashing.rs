//! The daemon hangs or dies under systemd. With the long `hold-timeout` the kernel's lifetime plays no role: the
//! watchdog and `ExecStopPost` must release the VIP in time.

use std::time::Duration;

use crate::site::{Site, UNIT};
use crate::support::clock::now;
use crate::support::host::VIP;
use crate::support::setup::{SOON, report};

fn with_long_timeout() -> Site {
    Site::leading(|config| config.with("hold-timeout", "60s"))
}

#[test]
fn the_watchdog_kills_a_hanging_daemon_and_its_address_is_removed() {
    let site = with_long_timeout();
    let before = site.machine.main_pid(UNIT);
    let stopped = now();
    site.machine.run("systemctl kill --signal STOP --kill-who=main vip-manager");
    let gone = site.setup.observer.wait_gone(site.setup.host(), VIP, 2 * SOON).unwrap();
    report("a hanging daemon: removed after", gone.since(stopped));
    assert!(gone.since(stopped) < Duration::from_secs(10));
    site.wait_process(before);
    site.wait_held();
    assert!(site.machine.run("journalctl --no-pager --unit vip-manager").contains("atchdog"));
}

/// keepalived #2361, kube-vip #996.
#[test]
fn a_killed_daemon_releases_and_is_restarted_without_limit() {
    let site = with_long_timeout();
    for death in 1..=8 {
        let before = site.machine.main_pid(UNIT);
        let killed = now();
        site.machine.run("systemctl kill --signal KILL --kill-who=main vip-manager");
        let gone = site.setup.observer.wait_gone(site.setup.host(), VIP, SOON).unwrap();
        if death == 1 {
            report("a killed daemon: removed after", gone.since(killed));
        }
        assert!(gone.since(killed) < Duration::from_secs(2), "{}", site.machine.journal(UNIT));
        site.wait_process(before);
        site.wait_held();
    }
    assert_eq!(site.machine.property(UNIT, "NRestarts"), "8", "there is no start limit");
    assert_eq!(site.setup.times_held(VIP), 9);
}

/// A crash is not mistaken for a restart, even while systemd restarts another unit.
#[test]
fn a_crash_while_another_unit_restarts_releases_the_vip() {
    let site = with_long_timeout();
    site.machine
        .run("systemctl restart systemd-journald & systemctl kill --signal ABRT --kill-who=main vip-manager; wait");
    site.setup.observer.wait_gone(site.setup.host(), VIP, SOON);
    site.wait_held();
}
