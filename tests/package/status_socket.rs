//! Access to the unit's status socket: root and the group `vip-manager` may use it, nobody else, and the socket survives
//! a restart of the unit.

use crate::site::{FILE, Site, UNIT};
use crate::support::clock::wait_for;
use crate::support::host::VIP;
use crate::support::setup::SOON;

/// The output of `vip-manager status` for this user; an `Err` is its error message.
fn asked(site: &Site, user: &str, arguments: &str) -> Result<String, String> {
    site.machine.attempt(&format!("runuser -u {user} -- vip-manager status {arguments}"))
}

fn is_answered(site: &Site) -> bool {
    asked(site, "root", "").is_ok_and(|said| said.contains(&format!("{VIP}/32 on eth0: held")))
}

#[test]
fn root_and_members_of_the_group_may_read_the_status_and_others_may_not() {
    let site = Site::leading(|config| config);
    let machine = &site.machine;
    machine.run("useradd --groups vip-manager member && useradd stranger");
    wait_for("an answer", SOON, || is_answered(&site));
    assert_eq!(machine.run("stat -c '%a %U:%G' /run/vip-manager"), "750 vip-manager:vip-manager");
    assert_eq!(machine.run("stat -c '%a %U:%G' /run/vip-manager/*.sock"), "660 vip-manager:vip-manager");
    let said = asked(&site, "member", "").unwrap();
    assert!(said.contains("10.66.0.100/32 on eth0: held") && said.contains("which is this host"), "{said}");
    assert!(asked(&site, "member", "--json").unwrap().contains("\"daemon\":true"));
    let refused = asked(&site, "stranger", "").unwrap_err();
    assert!(refused.contains("cannot be read for lack of permission"), "{refused}");
    machine.run(&format!("install -m 644 {FILE} /tmp/vip-manager.yml"));
    let refused = asked(&site, "stranger", "--config /tmp/vip-manager.yml").unwrap_err();
    assert!(refused.contains("it takes root or the group vip-manager"), "{refused}");
}

/// All units share one directory for their sockets.
#[test]
fn the_socket_survives_a_restart_and_the_stop_of_another_unit() {
    let site = Site::leading(|config| config);
    let machine = &site.machine;
    wait_for("an answer", SOON, || is_answered(&site));
    machine.write("/etc/vip-manager/other.yml", &site.setup.config().with("ip", "10.66.0.101").text());
    machine.run("systemctl start vip-manager@other");
    let other = "vip-manager status --config /etc/vip-manager/other.yml";
    wait_for("an answer of the other", SOON, || {
        machine.attempt(other).is_ok_and(|said| said.contains("10.66.0.101/32 on eth0: held"))
    });
    machine.run("systemctl stop vip-manager@other");
    assert!(is_answered(&site), "{}", machine.run("ls -la /run/vip-manager"));
    let said = machine.attempt(other).unwrap_err();
    assert!(said.contains("no daemon answers"), "{said}");
    let before = machine.main_pid(UNIT);
    machine.run("systemctl restart vip-manager");
    site.wait_process(before);
    wait_for("an answer after the restart", SOON, || is_answered(&site));
}
