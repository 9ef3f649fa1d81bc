//! A restart and an upgrade keep the address and its connections. Any other end of the daemon releases the address.

use std::time::Duration;

use crate::site::{Clients, FILE, Site, UNIT, newer_deb, transcript};
use crate::support::clock::now;
use crate::support::host::{VIP, VIP6};
use crate::support::setup::{SOON, report};
use crate::support::tcp::ConnectionState;

/// The promise is 0.2 s; systemd and a busy machine need more.
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn systemctl_restart_on_the_leader_loses_no_ping_and_no_connection() {
    let site = Site::leading(|config| config);
    let clients = Clients::at(&site);
    for command in ["restart", "try-restart", "restart"] {
        let before = site.machine.main_pid(UNIT);
        site.machine.run(&format!("systemctl {command} vip-manager"));
        site.wait_process(before);
        clients.wait_answers(50);
    }
    site.wait_logged("systemd restarts the daemon");
    clients.assert_undisturbed(&site);
}

/// vip-manager #7, #302.
#[test]
fn an_upgrade_on_the_leader_loses_no_ping_and_no_connection_and_keeps_the_configuration() {
    let site = Site::leading(|config| config);
    let clients = Clients::at(&site);
    let (before, configuration) = (site.machine.main_pid(UNIT), site.machine.run(&format!("cat {FILE}")));
    let said = site.machine.install(&newer_deb(&site.setup.lab));
    transcript(&said);
    site.wait_process(before);
    assert!(said.contains("Setting up vip-manager") && said.contains("Using current old file"), "{said}");
    assert_eq!(site.machine.run(&format!("cat {FILE}")), configuration);
    assert_eq!(site.machine.run(&format!("stat -c '%a %U:%G' {FILE}")), "640 root:vip-manager");
    assert!(site.machine.run("dpkg-query -W vip-manager").ends_with(".1"));
    assert_eq!(site.machine.run("systemctl is-enabled vip-manager"), "enabled");
    clients.assert_undisturbed(&site);
}

#[test]
fn an_upgrade_does_not_start_a_stopped_daemon() {
    let site = Site::leading(|config| config);
    site.machine.run("systemctl stop vip-manager");
    site.machine.install(&newer_deb(&site.setup.lab));
    assert_eq!(site.machine.attempt("systemctl is-active vip-manager || true"), Ok("inactive".to_owned()));
}

/// vip-manager #268, #326.
#[test]
fn systemctl_stop_releases_immediately_and_resets_connections() {
    let site = Site::leading(|config| config);
    let clients = Clients::at(&site);
    let asked = now();
    site.machine.run("systemctl stop vip-manager");
    for address in [VIP, VIP6] {
        let gone = site.setup.observer.wait_gone(site.setup.host(), address, SOON).unwrap();
        report(&format!("systemctl stop: {address} removed after"), gone.since(asked));
        assert!(gone.since(asked) < AT_ONCE, "{}", site.machine.journal(UNIT));
    }
    assert!(matches!(clients.state(), ConnectionState::Reset(_)), "{:?}", clients.state());
    site.wait_logged("releasing all VIPs");
}

#[test]
fn a_manual_sigterm_releases_the_vip() {
    let site = Site::leading(|config| config);
    let before = site.machine.main_pid(UNIT);
    site.machine.run("systemctl kill --kill-who=main vip-manager");
    site.wait_process(before);
    site.wait_held();
    assert_eq!(site.setup.times_held(VIP), 2, "released, and acquired by the new process");
    assert!(site.machine.journal(UNIT).contains("releasing all VIPs"));
}

/// A daemon that cannot tell a restart from a stop assumes a stop.
#[test]
fn without_a_system_bus_a_restart_releases_and_the_new_process_acquires_again() {
    let site = Site::leading(|config| config);
    let before = site.machine.main_pid(UNIT);
    site.machine.run("systemctl stop dbus.socket dbus.service 2>&1");
    site.machine.run("systemctl restart vip-manager");
    site.wait_process(before);
    site.wait_held();
    assert_eq!(site.setup.times_held(VIP), 2);
}

#[test]
fn a_shutdown_releases_the_vip() {
    let site = Site::leading(|config| config);
    let asked = now();
    site.machine.run("systemctl --no-block poweroff");
    let gone = site.setup.observer.wait_gone(site.setup.host(), VIP, SOON).unwrap();
    report("poweroff: removed after", gone.since(asked));
    assert!(gone.since(asked) < 5 * AT_ONCE);
}

/// An address that is kept for a restart still has a lifetime, so a failed restart leaves nothing behind.
#[test]
fn the_address_expires_after_a_restart_with_a_broken_configuration() {
    let site = Site::leading(|config| config.with("hold-timeout", "4s"));
    site.machine.write(FILE, "ip: nonsense\n");
    let asked = now();
    assert!(!site.machine.succeeds("systemctl restart vip-manager"));
    let gone = site.setup.observer.wait_gone(site.setup.host(), VIP, SOON).unwrap();
    report("a failed restart: removed after", gone.since(asked));
    // Four seconds, and the kernel may be late by two.
    assert!(gone.since(asked) < Duration::from_secs(7));
}
