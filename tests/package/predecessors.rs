//! Upgrades from existing packages of the same name.

use crate::site::{FILE, Site, UNIT, deb, debians};
use crate::support::host::VIP;
use crate::support::setup::SOON;

/// Debian's own package has its settings in environment variables and enables its service.
#[test]
fn an_upgrade_from_debians_package_uses_its_variables_unchanged() {
    let site = Site::bare();
    let machine = &site.machine;
    machine.install(&debians());
    let endpoint = &site.setup.cluster.endpoints()[0];
    let variables = format!(
        "VIP_IP=\"{VIP}\"\nVIP_MASK=32\nVIP_IFACE=\"eth0\"\nVIP_KEY=\"/service/pg_cluster/leader\"\nVIP_HOST=\"db1\"\n\
         VIP_TYPE=\"etcd3\"\nVIP_ENDPOINT=\"{endpoint}\"\nVIP_HOSTINGTYPE=\"basic\"\n"
    );
    machine.write("/etc/default/vip-manager", &variables);
    machine.run("systemctl restart vip-manager || true");

    machine.install(&deb());
    machine.run("systemctl start vip-manager");
    site.setup.observer.wait_held(site.setup.host(), VIP, SOON);
    assert_eq!(machine.run("systemctl is-enabled vip-manager"), "enabled", "it stays enabled");
    assert_eq!(machine.run("cat /etc/default/vip-manager"), variables.trim_end());
    let pid = machine.main_pid(UNIT).unwrap();
    assert_eq!(machine.run(&format!("stat -c %U /proc/{pid}")), "vip-manager");
    machine.run("dpkg --purge vip-manager 2>&1");
    assert!(!site.setup.host().carries(VIP));
}

/// The file exists before our package and only root may read it, because it contains a password.
#[test]
fn an_existing_configuration_is_kept_and_the_daemon_may_read_it() {
    let site = Site::bare();
    let text = site.config().with("etcd-password", "").with("hosting-type", "basic").text();
    site.machine.write(FILE, &text);
    site.machine.run(&format!("chmod 600 {FILE}"));
    site.machine.install(&deb());
    site.machine.run("systemctl start vip-manager");
    site.wait_held();
    assert_eq!(site.machine.run(&format!("cat {FILE}")), text.trim_end());
}
