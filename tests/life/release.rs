//! `vip-manager release`: what systemd calls after the daemon has ended, however it has ended.

use std::path::PathBuf;

use crate::support::clock::wait_for;
use crate::support::daemon::{ConfigFile, vip_manager};
use crate::support::host::{Host, VIP, VIP6};
use crate::support::lab::Lab;
use crate::support::process::Process;
use crate::support::setup::{SOON, Setup};
use crate::support::tcp::{ConnectionState, EchoServer, TcpClient};

/// Runs `release` to its end; it has to succeed.
fn release(host: &Host, config: &ConfigFile) -> String {
    release_after(host, config, None)
}

/// The same as systemd does after the daemon has ended like this.
fn release_after(host: &Host, config: &ConfigFile, result: Option<&str>) -> String {
    let file: PathBuf = host.directory().join("release.yml");
    std::fs::write(&file, config.text()).unwrap();
    let mut command = vip_manager(host);
    command.arg("release").arg("--config").arg(&file).envs(result.map(|result| ("SERVICE_RESULT", result)));
    let mut process = Process::start("vip-manager release", command);
    let status = process.wait(SOON);
    assert_eq!(status.code(), Some(0), "{}", process.text());
    process.text()
}

/// kube-vip #996, keepalived #2361: a killed daemon leaves its address behind.
#[test]
fn release_removes_what_a_killed_daemon_left_and_a_second_time_finds_nothing() {
    let setup = Setup::new("release", 1);
    let _server = EchoServer::on(setup.host());
    let mut daemon = setup.lead(&setup.config(), VIP);
    let client = TcpClient::connect(&setup.client, VIP).unwrap();
    daemon.process.kill();
    assert!(setup.host().carries(VIP));
    let said = release(setup.host(), &setup.config());
    assert!(said.contains("10.66.0.100/32 removed from eth0"), "{said}");
    assert!(!setup.host().carries(VIP));
    wait_for("the reset", SOON, || matches!(client.status().state, ConnectionState::Reset(_)));
    assert_eq!(release(setup.host(), &setup.config()), "", "nothing to do, nothing to say");
}

/// A lab without any etcd: there is nobody to ask, and nobody is asked.
fn lonely() -> (Lab, Host, ConfigFile) {
    let setup = Setup::new("release", 1);
    let config = setup.config();
    let host = setup.host().clone();
    (setup.lab, host, config)
}

#[test]
fn release_removes_every_prefix_length_and_both_families() {
    let (_lab, host, config) = lonely();
    host.ip(&format!("addr add {VIP}/32 dev eth0"));
    host.ip(&format!("addr add {VIP}/24 dev eth0"));
    host.ip(&format!("addr add {VIP}/16 dev eth0 valid_lft 60 preferred_lft 60"));
    host.ip(&format!("addr add {VIP6}/64 dev eth0 nodad"));
    let said = release(&host, &config.with("ip", format!("[{VIP}, \"{VIP6}\"]")));
    assert!(!host.carries(VIP) && !host.carries(VIP6), "{said}");
    assert!(host.carries(host.v4().into()) && host.carries(host.v6().into()), "the host's own stay");
    assert_eq!(said.matches("removed from").count(), 4, "{said}");
}

#[test]
fn release_leaves_the_hosts_own_address_alone() {
    let (_lab, host, config) = lonely();
    for own in [host.v4().to_string(), host.v6().to_string()] {
        let said = release(&host, &config.clone().with("ip", format!("\"{own}\"")));
        assert!(host.carries(own.parse().unwrap()), "{said}");
        assert!(said.contains("the host's own"), "{said}");
    }
}

#[test]
fn release_without_the_interface_has_nothing_to_do() {
    let (_lab, host, config) = lonely();
    assert_eq!(release(&host, &config.with("interface", "eth9")), "");
}

/// The daemon never adds a permanent address, but may have crashed before it limited an inherited one.
#[test]
fn release_after_a_crash_removes_only_what_would_stay_forever() {
    let (_lab, host, config) = lonely();
    host.ip(&format!("addr add {VIP}/32 dev eth0 valid_lft 60 preferred_lft 60"));
    host.ip(&format!("addr add {VIP6}/128 dev eth0 nodad"));
    let config = config.with("ip", format!("[{VIP}, \"{VIP6}\"]"));
    for result in ["signal", "watchdog"] {
        let said = release_after(&host, &config, Some(result));
        assert!(host.carries(VIP) && !host.carries(VIP6), "{said}");
    }
    release(&host, &config);
    assert!(!host.carries(VIP));
}
