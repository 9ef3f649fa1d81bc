//! Removing and purging the package.

use crate::site::{FILE, Site, transcript};
use crate::support::host::{VIP, VIP6};

#[test]
fn remove_releases_the_vips_and_keeps_the_configuration_and_purge_deletes_everything() {
    let site = Site::bare();
    let traces = "find /etc /usr /var /run -xdev -name '*vip-manager*' \
                  -not -path '/var/log/journal/*' -not -path '/var/lib/dpkg/*' -not -path '/var/cache/*' | sort";
    assert_eq!(site.machine.run(traces), "");
    site.machine.install(&crate::site::deb());
    site.machine.write(FILE, &site.config().text());
    site.machine.run("systemctl enable --now vip-manager 2>&1");
    site.wait_held();

    transcript(&site.machine.run("dpkg --remove vip-manager 2>&1"));
    for address in [VIP, VIP6] {
        assert!(!site.setup.host().carries(address), "{address}");
    }
    assert!(site.machine.succeeds(&format!("test -e {FILE}")), "the configuration is kept");

    transcript(&site.machine.run("dpkg --purge vip-manager 2>&1"));
    assert_eq!(site.machine.run(traces), "");
    assert!(!site.machine.succeeds("getent passwd vip-manager") && !site.machine.succeeds("getent group vip-manager"));
    assert!(!site.machine.succeeds("test -e /etc/vip-manager"));
    assert_eq!(site.machine.run("systemctl --failed --no-legend"), "");
}

#[test]
fn an_installation_after_a_removal_uses_the_old_configuration() {
    let site = Site::leading(|config| config);
    site.machine.run("dpkg --remove vip-manager 2>&1");
    site.machine.install(&crate::site::deb());
    site.machine.run("systemctl enable --now vip-manager 2>&1");
    site.wait_held();
    assert_eq!(site.setup.times_held(VIP), 2);
}
