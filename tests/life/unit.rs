//! The shipped unit under a real systemd: hiccups, crashes, old seccomp filters, broken configurations.
//!
//! `make package-test` boots a Debian of its own and installs the packages. Here systemd boots on a copy of this
//! machine's files, which takes a second or two.

use std::path::Path;
use std::time::Duration;

use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::daemon::ConfigFile;
use crate::support::host::VIP;
use crate::support::machine::Machine;
use crate::support::setup::{SOON, Setup, report};
use crate::support::tcp::{ConnectionState, EchoServer, TcpClient};

const UNIT: &str = "vip-manager.service";
const FILE: &str = "/etc/default/vip-manager.yml";

/// The machine is dropped first, because it uses the lab's network.
struct Site {
    machine: Machine,
    setup: Setup,
}

impl Site {
    /// A machine with the program and its unit, and a leader key that names it.
    fn installed() -> Self {
        let setup = Setup::new("unit", 1);
        setup.set_leader(setup.host());
        let machine = Machine::boot(setup.host(), Path::new("/"));
        machine.install_unit();
        Self { machine, setup }
    }

    /// The same with a daemon that holds the address.
    fn leading(more: impl FnOnce(ConfigFile) -> ConfigFile) -> Self {
        let site = Self::installed();
        site.machine.write(FILE, &more(site.setup.config()).text());
        site.machine.run("systemctl start vip-manager");
        site.setup.observer.wait_held(site.setup.host(), VIP, SOON);
        site
    }

    /// Adds lines to the unit's section `[Service]`.
    fn drop_in(&self, lines: &str) {
        let directory = format!("/etc/systemd/system/{UNIT}.d");
        self.machine.run(&format!("mkdir -p {directory}"));
        self.machine.write(&format!("{directory}/lab.conf"), &format!("[Service]\n{lines}\n"));
        self.machine.run("systemctl daemon-reload");
    }

    fn signal(&self, signal: &str) {
        self.machine.run(&format!("systemctl kill --signal {signal} --kill-who=main vip-manager"));
    }

    fn journal(&self) -> String {
        self.machine.journal(UNIT)
    }

    /// Waits for a main process other than `before`.
    fn wait_process(&self, before: Option<u32>) -> u32 {
        wait_until("another main process", SOON, || self.machine.main_pid(UNIT).filter(|pid| Some(*pid) != before))
    }
}

/// The seccomp filter of systemd 239 (RHEL 8) allows no system call that is newer than itself. glibc from before
/// clone3 does not miss it; the one on this machine would.
#[test]
fn hooks_and_a_stop_work_under_a_filter_that_does_not_know_newer_system_calls() {
    let site = Site::installed();
    site.drop_in(
        "SystemCallFilter=~pidfd_open pidfd_send_signal pidfd_getfd close_range openat2 faccessat2 epoll_pwait2",
    );
    let addresses = ["10.66.0.100", "10.66.0.101", "10.66.0.102", "10.66.0.103"];
    let config = site.setup.config().with("ip", format!("[{}]", addresses.join(", ")));
    // The program itself understands the environment of its hooks.
    let hook =
        r#"[/bin/sh, -c, "vip-manager show-config --quiet && echo hook ran for $VIP_MANAGER_VIP $VIP_MANAGER_EVENT"]"#;
    site.machine.write(FILE, &config.with("on-acquire", hook).with("on-release", hook).text());
    site.machine.run("systemctl start vip-manager");
    for address in addresses {
        let words = format!("hook ran for {address} acquire");
        wait_for(&words, SOON, || site.journal().contains(&words));
    }
    let asked = now();
    site.machine.run("systemctl stop vip-manager");
    report("systemctl stop took", now().since(asked));
    let journal = site.journal();
    for address in addresses {
        assert!(journal.contains(&format!("hook ran for {address} release")), "{journal}");
        assert!(!site.setup.host().carries(address.parse().unwrap()));
    }
    assert_eq!(site.machine.property(UNIT, "Result"), "success", "{journal}");
}

/// Shorter than `hold-timeout`.
const HICCUP: Duration = Duration::from_secs(7);

#[test]
fn a_daemon_that_is_stopped_for_a_while_or_killed_keeps_its_address_and_the_connections() {
    let site = Site::leading(|config| config);
    let _server = EchoServer::on(site.setup.host());
    let client = TcpClient::connect(&site.setup.client, VIP).unwrap();
    let first = site.machine.main_pid(UNIT);
    site.signal("STOP");
    pause(HICCUP);
    site.signal("CONT");
    let answered = now();
    wait_for("the renewal after the stop", SOON, || {
        site.setup.host().ip("-4 -o addr show dev eth0").contains("valid_lft 9sec")
    });
    report("renewed after", now().since(answered));
    assert_eq!(site.machine.main_pid(UNIT), first, "{}", site.journal());

    for signal in ["KILL", "ABRT"] {
        let before = site.machine.main_pid(UNIT);
        site.signal(signal);
        site.wait_process(before);
        let adopted = || site.machine.property(UNIT, "StatusText").contains(": held");
        wait_for("the adoption", SOON, adopted);
    }
    assert_eq!(site.setup.times_held(VIP), 1, "it was never removed\n{}", site.journal());
    assert_eq!(client.status().state, ConnectionState::Open, "{}", site.journal());
    report("the connection's longest silence", client.status().longest_silence);

    let asked = now();
    site.machine.run("systemctl stop vip-manager");
    let gone = site.setup.observer.wait_gone(site.setup.host(), VIP, SOON).unwrap();
    report("systemctl stop: removed after", gone.since(asked));
}

/// "Failed" for good because of a file that was half-written at the moment of a restart.
#[test]
fn a_broken_configuration_fails_a_start_and_a_reload_and_is_tried_again_until_it_is_correct() {
    let site = Site::installed();
    let sound = site.setup.config().text();
    site.machine.write(FILE, sound.split("trigger-key").next().unwrap());
    assert!(!site.machine.succeeds("systemctl start vip-manager"));
    wait_for("the next attempt", SOON, || site.journal().contains("reading it again every second"));
    assert_eq!(site.machine.property(UNIT, "StatusText"), "configuration rejected; reading it again every second");
    pause(Duration::from_secs(5));
    let starts = site.machine.property(UNIT, "NRestarts");
    assert_eq!(starts, "1", "a start every second\n{}", site.journal());
    assert!(!site.machine.succeeds("timeout 5 systemctl restart vip-manager"), "somebody waits for this one");

    let mended = now();
    site.machine.write(FILE, &sound);
    site.setup.observer.wait_held(site.setup.host(), VIP, SOON);
    report("a corrected file: held after", now().since(mended));

    let first = site.machine.main_pid(UNIT);
    site.machine.write(FILE, "ip: nonsense\n");
    let said = site.machine.attempt("systemctl reload vip-manager");
    assert!(said.is_err(), "{said:?}");
    let journal = site.journal();
    assert!(journal.contains("ip \"nonsense\" is not an address"), "{journal}");
    assert_eq!((site.machine.main_pid(UNIT), site.setup.times_held(VIP)), (first, 1), "{journal}");
    site.machine.write(FILE, &format!("{sound}announce-refresh: 30s\n"));
    site.machine.run("systemctl reload vip-manager");
    wait_for("the reload", SOON, || site.journal().contains("configuration reloaded"));
    site.machine.run("systemctl stop vip-manager");
    assert!(!site.setup.host().carries(VIP));
}

/// The VIP is the only address of its interface at boot; the host's own one comes later.
#[test]
fn a_vip_that_seems_to_be_the_hosts_own_address_is_refused_with_a_back_off_until_it_no_longer_is() {
    let site = Site::installed();
    let own = site.setup.host().v4();
    site.machine.write(FILE, &site.setup.config().with("ip", own).text());
    assert!(!site.machine.succeeds("systemctl start vip-manager"));
    wait_for("the back-off", SOON, || site.journal().contains("trying again in 10 s"));
    pause(Duration::from_secs(3));
    assert_eq!(site.machine.property(UNIT, "NRestarts"), "1", "{}", site.journal());
    assert!(site.setup.host().carries(own.into()));
    // Somebody who stops it need not wait.
    let asked = now();
    site.machine.run("systemctl stop vip-manager");
    assert!(now().since(asked) < SOON);
    site.machine.write(FILE, &site.setup.config().text());
    site.machine.run("systemctl start vip-manager");
    site.setup.observer.wait_held(site.setup.host(), VIP, SOON);
}
