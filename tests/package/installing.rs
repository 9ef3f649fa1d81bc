//! From installation to the first leader.

use crate::site::{FILE, Site, UNIT, transcript};
use crate::support::clock::wait_for;
use crate::support::setup::SOON;

#[test]
fn the_unit_is_not_enabled_after_installation_and_a_start_lists_the_missing_settings() {
    let site = Site::installed();
    let machine = &site.machine;
    assert_eq!(machine.attempt("systemctl is-enabled vip-manager || true"), Ok("disabled".to_owned()));
    assert_eq!(machine.attempt("systemctl is-active vip-manager || true"), Ok("inactive".to_owned()));
    assert_eq!(machine.run(&format!("stat -c '%a %U:%G' {FILE}")), "640 root:vip-manager");

    assert!(!machine.succeeds("systemctl start vip-manager"));
    let status = || machine.run("systemctl status --no-pager --full --lines=100 vip-manager || true");
    let said = status();
    assert!(said.contains("status=78"), "{said}");
    // The journal may be a moment behind.
    for key in ["ip is empty", "interface is empty", "trigger-key is empty"] {
        wait_for(&format!("{key:?} in the status"), SOON, || status().contains(key));
    }
    let journal = machine.journal(UNIT);
    assert!(journal.contains("configuration rejected; systemd tries again until it is correct"), "{journal}");
}

#[test]
fn the_daemon_leads_without_root_and_with_two_capabilities() {
    let site = Site::leading(|config| config);
    let machine = &site.machine;
    let pid = machine.main_pid(UNIT).unwrap();
    assert_eq!(machine.run(&format!("stat -c %U /proc/{pid}")), "vip-manager");
    let status = machine.run(&format!("cat /proc/{pid}/status"));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd"] {
        // CAP_NET_ADMIN is 12, CAP_NET_RAW is 13.
        assert!(status.contains(&format!("{set}:\t0000000000003000")), "{set}\n{status}");
    }
    assert!(status.contains("CapAmb:\t0000000000000000"), "hooks inherit no capability\n{status}");
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
    assert!(machine.property(UNIT, "StatusText").contains("2 held"), "{}", machine.property(UNIT, "StatusText"));
    let score = machine.run("systemd-analyze security --no-pager vip-manager.service | tail -1");
    transcript(&score);
    let score = score.split_whitespace().find_map(|word| word.parse::<f64>().ok()).unwrap();
    assert!(score <= 2.0);
}

#[test]
fn a_reload_applies_a_new_configuration_and_keeps_the_vips() {
    let site = Site::leading(|config| config);
    let clients = crate::site::Clients::at(&site);
    site.machine.write(FILE, &site.config().with("announce-refresh", "30s").text());
    site.machine.run("systemctl reload vip-manager");
    site.wait_logged("configuration reloaded");
    clients.assert_undisturbed(&site);
}

#[test]
fn instances_have_their_own_configuration_from_a_file_or_from_debians_variables() {
    let site = Site::installed();
    let machine = &site.machine;
    let endpoint = &site.setup.cluster.endpoints()[0];
    let variables = format!(
        "VIP_IP=\"10.66.0.100\"\nVIP_MASK=\"32\"\nVIP_NETMASK=\"32\"\nVIP_IFACE=\"eth0\"\n\
         VIP_KEY=\"/service/pg_cluster/leader\"\nVIP_TRIGGER_KEY=\"/service/pg_cluster/leader\"\n\
         VIP_HOST=\"db1\"\nVIP_TRIGGER_VALUE=\"db1\"\nVIP_TYPE=\"etcd3\"\n\
         VIP_DCS_ENDPOINTS=\"{endpoint}\"\nVIP_ENDPOINT=\"{endpoint}\"\n"
    );
    machine.run("mkdir -p /etc/patroni");
    machine.write("/etc/patroni/15-main.vip", &variables);
    machine.write("/etc/vip-manager/other.yml", &site.setup.config().with("ip", "10.66.0.101").text());
    machine.run("systemctl start vip-manager@15-main vip-manager@other");
    for address in ["10.66.0.100", "10.66.0.101"] {
        site.setup.observer.wait_held(site.setup.host(), address.parse().unwrap(), SOON);
    }
    machine.run("systemctl stop 'vip-manager@*'");
    for address in ["10.66.0.100", "10.66.0.101"] {
        assert!(!site.setup.host().carries(address.parse().unwrap()), "{address}");
    }
}
