//! Clouds, told by their firmware. A test's machine is in none, or in one of them; so the check is shown another /sys/class/dmi.

use std::fs;

use crate::support::daemon::{ConfigFile, binary};
use crate::support::etcd::Cluster;
use crate::support::host::Host;
use crate::support::lab::Lab;
use crate::{Printed, file};

#[test]
fn a_cloud_is_recognized_by_its_firmware() {
    let lab = Lab::new("clouds");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    within(&lab, &host, &config, "sys_vendor", "Amazon EC2").shows("cloud-no-layer-2");
    within(&lab, &host, &config, "product_name", "OpenStack Nova").shows("cloud-port-security");
    let at_home = within(&lab, &host, &config, "sys_vendor", "Dell Inc.");
    assert!(!at_home.text.contains("cloud:"), "{}", at_home.text);
}

/// The check on a machine whose firmware says this and nothing else.
fn within(lab: &Lab, host: &Host, config: &ConfigFile, name: &str, said: &str) -> Printed {
    let (net, dmi) = (lab.directory().join("net"), lab.directory().join("dmi"));
    for directory in [&net, &dmi] {
        fs::create_dir_all(directory).unwrap();
    }
    for entry in fs::read_dir(&dmi).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    fs::write(dmi.join(name), format!("{said}\n")).unwrap();
    // The mounts are those of this one command, and end with it.
    let mut command = host.command("unshare");
    command.args(["--mount", "sh", "-c", MACHINE, "sh"]).args([&net, &dmi, &binary(), &file(host, config)]);
    Printed::by(command)
}

/// Another /sys/class, which has the host's interfaces and this firmware.
const MACHINE: &str = r#"
set -e
mount --bind /sys/class/net "$1"
mount -t tmpfs machine /sys/class
mkdir -p /sys/class/net /sys/class/dmi/id
mount --bind "$1" /sys/class/net
mount --bind "$2" /sys/class/dmi/id
exec "$3" check --config "$4"
"#;
