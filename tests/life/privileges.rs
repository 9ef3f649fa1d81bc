//! What the daemon needs from the machine, and what it says where it does not get it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::support::capture::Capture;
use crate::support::clock::now;
use crate::support::daemon::binary;
use crate::support::host::{VIP, VIP6};
use crate::support::process::Process;
use crate::support::setup::{SOON, Setup, wait_announced};
use crate::support::tcp::{ConnectionState, EchoServer, TcpClient};

const NOBODY: &str = "65534";

/// Starts the daemon on the setup's host as an ordinary user with nothing but these capabilities.
fn start_as_nobody(setup: &Setup, capabilities: &str) -> Process {
    let directory = setup.lab.directory();
    // A place that everybody can reach: the build directory need not be one.
    let (program, config): (PathBuf, PathBuf) = (directory.join("vip-manager"), directory.join("nobody.yml"));
    fs::copy(binary(), &program).unwrap();
    fs::write(&config, setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")).text()).unwrap();
    for (file, mode) in [(program.as_path(), 0o755), (config.as_path(), 0o644), (directory, 0o755)] {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = setup.host().command("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs"]);
    let (inherited, ambient) = (format!("--inh-caps={capabilities}"), format!("--ambient-caps={capabilities}"));
    command.args([inherited, ambient]).arg(&program).arg("--config").arg(&config);
    Process::start("vip-manager as nobody", command)
}

/// vip-manager #83.
#[test]
fn an_ordinary_user_with_two_capabilities_can_do_everything() {
    let setup = Setup::new("user", 1);
    let _server = EchoServer::on(setup.host());
    let capture = Capture::on(&setup.client);
    setup.set_leader(setup.host());
    let start = now();
    let mut daemon = start_as_nobody(&setup, "-all,+net_admin,+net_raw");
    for address in [VIP, VIP6] {
        setup.observer.wait_held(setup.host(), address, SOON);
        wait_announced(&capture, setup.host(), address, start);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    assert!(status.contains("Uid:\t65534\t65534"), "{status}");
    assert!(status.contains("CapEff:\t0000000000003000"), "{status}");

    let client = TcpClient::connect(&setup.client, VIP).unwrap();
    daemon.signal(Signal::SIGTERM);
    for address in [VIP, VIP6] {
        setup.observer.wait_gone(setup.host(), address, SOON);
    }
    assert_eq!(daemon.wait(SOON).code(), Some(0));
    assert!(matches!(client.status().state, ConnectionState::Reset(_)), "{:?}", client.status());
    let text = daemon.text();
    assert!(!text.contains("WARN") && !text.contains("ERROR"), "{text}");
}

#[test]
fn without_a_capability_it_ends_with_77_and_the_command_that_grants_it() {
    let setup = Setup::new("user", 1);
    setup.set_leader(setup.host());
    for (granted, missing) in
        [("-all,+net_raw", "CAP_NET_ADMIN"), ("-all,+net_admin", "CAP_NET_RAW"), ("-all", "CAP_NET_ADMIN")]
    {
        let mut daemon = start_as_nobody(&setup, granted);
        let status = daemon.wait(SOON);
        let text = daemon.text();
        assert_eq!(status.code(), Some(77), "{text}");
        assert!(text.contains(missing) && text.contains("setcap cap_net_admin,cap_net_raw+ep /"), "{text}");
        assert_eq!(setup.times_held(VIP), 0);
    }
}
