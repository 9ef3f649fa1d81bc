//! Private keys that the daemon's user may not read: the log names a remedy, and the remedy works.

use crate::built::built;
use crate::site::{FILE, Site, UNIT, deb};
use crate::support::daemon::ConfigFile;
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::lab::Lab;
use crate::support::machine::Machine;
use crate::support::observer::AddressObserver;
use crate::support::setup::Setup;
use crate::support::tls::{KeyForm, Tls};

const KEY: &str = "/etc/etcd/client.key";

/// An etcd that requires client certificates, and a daemon whose key has this owner and mode.
fn site(owner: &str, mode: &str) -> (Site, ConfigFile) {
    let lab = Lab::new("pack");
    let tls = Tls::new(&lab);
    let identity = tls.client("db1", KeyForm::EcPkcs8);
    let ca = tls.ca_file();
    let options = ClusterOptions { members: 1, tls: Some(tls), client_certificates: true, ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&lab, &options);
    let (host, client) = (lab.host("db1"), lab.host("client"));
    let observer = AddressObserver::over(&[&host]);
    let setup = Setup { cluster, hosts: vec![host], client, observer, lab };
    setup.set_leader(setup.host());
    let machine = Machine::boot(setup.host(), &built("target/package-test/debian"));
    let site = Site { machine, setup };
    let machine = &site.machine;
    machine.install(&deb());
    machine.run("mkdir -p /etc/etcd && groupadd -f ssl-cert");
    for (from, to) in [(&ca, "ca.crt"), (&identity.certificate, "client.crt"), (&identity.key, "client.key")] {
        let brought = machine.copy_in(from);
        machine.run(&format!("install -m 644 {brought} /etc/etcd/{to}"));
    }
    machine.run(&format!("chown {owner} {KEY} && chmod {mode} {KEY}"));
    let config = site.config().with("etcd-ca-file", "/etc/etcd/ca.crt").with("etcd-cert-file", "/etc/etcd/client.crt");
    machine.write(FILE, &config.clone().with("etcd-key-file", KEY).text());
    machine.run("systemctl start vip-manager");
    (site, config)
}

fn add_drop_in(site: &Site, line: &str) {
    site.machine.run(&format!(
        "mkdir -p /etc/systemd/system/{UNIT}.d && printf '[Service]\\n%s\\n' '{line}' >/etc/systemd/system/{UNIT}.d/key.conf \
         && systemctl daemon-reload && systemctl restart vip-manager"
    ));
}

#[test]
fn a_key_that_only_root_may_read_is_passed_as_a_credential() {
    let (site, config) = site("root:root", "600");
    site.wait_logged("LoadCredential=client.key:/etc/etcd/client.key");
    site.wait_logged("etcd-key-file: client.key");
    site.machine.write(FILE, &config.with("etcd-key-file", "client.key").text());
    add_drop_in(&site, "LoadCredential=client.key:/etc/etcd/client.key");
    site.wait_held();
}

#[test]
fn a_key_that_a_group_may_read_is_read_as_a_member_of_the_group() {
    let (site, _) = site("root:ssl-cert", "640");
    site.wait_logged("SupplementaryGroups=ssl-cert");
    add_drop_in(&site, "SupplementaryGroups=ssl-cert");
    site.wait_held();
}
