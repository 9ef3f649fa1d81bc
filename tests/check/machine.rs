//! The configuration, the privileges and the hooks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::support::daemon::{ConfigFile, binary, vip_manager};
use crate::support::etcd::Cluster;
use crate::support::host::Host;
use crate::support::lab::Lab;
use crate::{Printed, check, file};

/// vip-manager #351: a missing file, exit 1 without a word. `hosting-type` was never read, unknown keys were ignored.
#[test]
fn a_wrong_configuration_is_reported_and_the_rest_is_still_checked() {
    let lab = Lab::new("config");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);

    let mut nowhere = vip_manager(&host);
    nowhere.args(["check", "--config", "/nowhere/vip-manager.yml"]);
    Printed::by(nowhere).shows("config-missing");

    let printed = check(&host, &config.clone().with("hold-timout", "10s"));
    printed.shows("config-unknown-key");
    assert!(printed.text.contains("and sees a leader"), "{}", printed.text);
    check(&host, &config.clone().with("hosting-type", "hetzner")).shows("config-hosting-type");
    check(&host, &config.clone().with("hold-timeout", "2s")).shows("config-hold-timeout");
    check(&host, &config.with("iface", "eth0").without("interface")).shows("config-old-name");
}

/// vip-manager #83.
#[test]
fn missing_privileges_are_reported_with_what_grants_them() {
    let lab = Lab::new("user");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let config = file(&host, &ConfigFile::basic(&host, &cluster));
    let printed = Printed::by(as_nobody(&lab, &host, &config));
    printed.shows("privileges");
    printed.shows("rival-unknown");
}

/// The check as a user without any privilege runs it.
pub(crate) fn as_nobody(lab: &Lab, host: &Host, config: &Path) -> Command {
    let program = lab.directory().join("vip-manager");
    fs::copy(binary(), &program).unwrap();
    for (file, mode) in [(program.as_path(), 0o755), (config, 0o644), (lab.directory(), 0o755)] {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = host.command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]);
    command.arg(&program).arg("check").arg("--config").arg(config);
    command
}

#[test]
fn hooks_that_cannot_run_are_reported() {
    let lab = Lab::new("hooks");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let (away, plain) = (lab.directory().join("away"), lab.directory().join("plain"));
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let hidden = PathBuf::from(format!("/tmp/viplab-hook-{}", process::id()));
    fs::write(&hidden, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o755)).unwrap();
    let config = ConfigFile::basic(&host, &cluster)
        .with("on-acquire", away.display())
        .with("on-release", plain.display())
        .with("on-conflict", hidden.display());
    let printed = check(&host, &config);
    fs::remove_file(&hidden).unwrap();
    printed.shows("hook-missing");
    printed.shows("hook-not-executable");
    printed.shows("hook-hidden");
}

/// As deployment tools write it, over the package's unit.
const TOOLS_UNIT: &str = "[Service]\nType=simple\nExecStart=/usr/bin/vip-manager --config=/etc/default/vip-manager.yml\n\
    ExecStopPost=/sbin/ip addr del 10.66.0.100/24 dev eth0\nRestart=on-failure\n";

#[test]
fn a_unit_over_the_packages_is_reported_with_what_it_turns_off() {
    let lab = Lab::new("units");
    let host = lab.host("db1");
    let config = file(&host, &ConfigFile::bare().with("dcs-type", "patroni"));
    let units = lab.directory().join("units");
    fs::create_dir_all(units.join("vip-manager.service.d")).unwrap();
    let run = || {
        // In a mount namespace of its own, so that nothing of the machine is touched.
        let mut command = host.command("unshare");
        let script = "mount --bind \"$1\" /etc/systemd/system && shift && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(&units).arg(binary());
        command.arg("check").arg("--config").arg(&config);
        Printed::by(command)
    };
    fs::write(units.join("vip-manager.service.d/credential.conf"), "[Service]\nLoadCredential=a:/etc/a\n").unwrap();
    let printed = run();
    assert!(!printed.text.contains("unit /etc/systemd"), "{}", printed.text);
    fs::write(units.join("vip-manager.service"), TOOLS_UNIT).unwrap();
    let printed = run();
    printed.shows("unit-overridden");
    printed.shows("unit-deletes-vip");
    fs::remove_file(units.join("vip-manager.service")).unwrap();
    fs::write(units.join("vip-manager.service.d/root.conf"), "[Service]\nUser=root\n").unwrap();
    let expected = "root.conf: changes the package's unit, and turns off: its own user (it runs as root)";
    let printed = run();
    assert!(printed.text.contains(expected), "{}", printed.text);
}
