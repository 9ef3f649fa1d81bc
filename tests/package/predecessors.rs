//! Coming from the packages that bear the name today.

use crate::site::{FILE, Site, UNIT, deb, debians};
use crate::support::host::VIP;
use crate::support::setup::SOON;

/// Debian's own package has its settings in variables, and its service enabled.
#[test]
fn an_upgrade_from_debians_package_takes_its_variables_as_they_are() {
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
    assert_eq!(machine.run("systemctl is-enabled vip-manager"), "enabled", "it was, and stays so");
    assert_eq!(machine.run("cat /etc/default/vip-manager"), variables.trim_end());
    let pid = machine.main_pid(UNIT).unwrap();
    assert_eq!(machine.run(&format!("stat -c %U /proc/{pid}")), "vip-manager");
    machine.run("dpkg --purge vip-manager 2>&1");
    assert!(!site.setup.host().carries(VIP));
}

/// Its file is there before our package is, readable for root alone, since a password stands in it.
#[test]
fn a_configuration_that_is_there_already_is_taken_as_it_is_and_the_daemon_may_read_it() {
    let site = Site::bare();
    let text = site.config().with("etcd-password", "").with("hosting-type", "basic").text();
    site.machine.write(FILE, &text);
    site.machine.run(&format!("chmod 600 {FILE}"));
    site.machine.install(&deb());
    site.machine.run("systemctl start vip-manager");
    site.wait_held();
    assert_eq!(site.machine.run(&format!("cat {FILE}")), text.trim_end());
}
