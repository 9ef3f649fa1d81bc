//! The rpm and its scriptlets, run by rpm itself. The machine is a Debian, so rpm's database does not contain the
//! required packages; `packaging/check` checks the dependencies.

use std::path::Path;

use crate::site::{Clients, FILE, Site, UNIT, newer_rpm, rpm};
use crate::support::host::VIP;

fn rpm_command(site: &Site, mode: &str, package: &Path) -> String {
    let inside = site.machine.copy_in(package);
    site.machine.run(&format!("rpm --force-debian --nodeps {mode} {inside} 2>&1"))
}

#[test]
fn an_rpm_is_installed_updated_without_a_lost_ping_and_removed() {
    let site = Site::bare();
    let machine = &site.machine;
    rpm_command(&site, "--install", &rpm());
    assert_eq!(machine.attempt("systemctl is-enabled vip-manager || true"), Ok("disabled".to_owned()));
    assert_eq!(machine.run(&format!("stat -c '%a %U:%G' {FILE}")), "640 root:vip-manager");
    machine.write(FILE, &site.config().text());
    machine.run("systemctl enable --now vip-manager 2>&1");
    site.wait_held();

    let clients = Clients::at(&site);
    let before = machine.main_pid(UNIT);
    // vip-manager PR #226: an update overwrote the configuration.
    rpm_command(&site, "--upgrade", &newer_rpm());
    site.wait_process(before);
    assert_eq!(machine.run(&format!("cat {FILE}")), site.config().text().trim_end());
    assert!(machine.run("rpm --query vip-manager").contains("-2."));
    clients.assert_undisturbed(&site);

    machine.run("rpm --force-debian --erase vip-manager 2>&1");
    assert!(!site.setup.host().carries(VIP));
    assert!(!machine.succeeds("systemctl is-enabled vip-manager"));
}
