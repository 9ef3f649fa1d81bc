//! The rpm and its scriptlets, carried out by rpm itself. The machine is a Debian, so what the package requires is not
//! in rpm's own list; what is checked of that is in `packaging/check`.

use std::path::Path;

use crate::site::{Clients, FILE, Site, UNIT, newer_rpm, rpm};
use crate::support::host::VIP;

fn carry_out(site: &Site, mode: &str, package: &Path) -> String {
    let inside = site.machine.bring(package);
    site.machine.run(&format!("rpm --force-debian --nodeps {mode} {inside} 2>&1"))
}

#[test]
fn an_rpm_installs_updates_without_a_lost_ping_and_goes() {
    let site = Site::bare();
    let machine = &site.machine;
    carry_out(&site, "--install", &rpm());
    assert_eq!(machine.attempt("systemctl is-enabled vip-manager || true"), Ok("disabled".to_owned()));
    assert_eq!(machine.run(&format!("stat -c '%a %U:%G' {FILE}")), "640 root:vip-manager");
    machine.write(FILE, &site.config().text());
    machine.run("systemctl enable --now vip-manager 2>&1");
    site.wait_held();

    let clients = Clients::at(&site);
    let before = machine.main_pid(UNIT);
    // vip-manager PR #226: an update overwrote the configuration.
    carry_out(&site, "--upgrade", &newer_rpm());
    site.wait_process(before);
    assert_eq!(machine.run(&format!("cat {FILE}")), site.config().text().trim_end());
    assert!(machine.run("rpm --query vip-manager").contains("-2."));
    clients.noticed_nothing(&site);

    machine.run("rpm --force-debian --erase vip-manager 2>&1");
    assert!(!site.setup.host().carries(VIP));
    assert!(!machine.holds("systemctl is-enabled vip-manager"));
}
