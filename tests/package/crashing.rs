//! The daemon hangs or dies under systemd. The VIP keeps its lifetime in the kernel, and the next process adopts it.

use crate::site::{Site, UNIT};
use crate::support::clock::{now, wait_until};
use crate::support::host::VIP;
use crate::support::setup::{SOON, report};

/// A lifetime that does not end during a test.
fn with_long_timeout() -> Site {
    Site::leading(|config| config.with("hold-timeout", "60s"))
}

#[test]
fn the_watchdog_kills_a_hanging_daemon_and_the_next_one_adopts_its_address() {
    let site = with_long_timeout();
    let before = site.machine.main_pid(UNIT);
    let stopped = now();
    site.machine.run("systemctl kill --signal STOP --kill-who=main vip-manager");
    wait_until("another main process", 4 * SOON, || site.machine.main_pid(UNIT).filter(|pid| Some(*pid) != before));
    report("a hanging daemon: replaced after", now().since(stopped));
    site.wait_logged("found at start");
    assert!(site.machine.run("journalctl --no-pager --unit vip-manager").contains("atchdog"));
    assert_eq!(site.setup.times_held(VIP), 1, "{}", site.machine.journal(UNIT));
}

/// keepalived #2361, kube-vip #996: here the kernel ends the address if nobody adopts it.
#[test]
fn a_killed_daemon_is_restarted_without_limit_and_clients_notice_nothing() {
    let site = with_long_timeout();
    for _ in 0..8 {
        let before = site.machine.main_pid(UNIT);
        site.machine.run("systemctl kill --signal KILL --kill-who=main vip-manager");
        site.wait_process(before);
        site.wait_held();
    }
    assert_eq!(site.machine.property(UNIT, "NRestarts"), "8", "there is no start limit");
    assert_eq!(site.setup.times_held(VIP), 1, "{}", site.machine.journal(UNIT));
}
