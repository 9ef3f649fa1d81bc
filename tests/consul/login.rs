//! Tokens and TLS.

use std::fs;

use crate::support::consul::{Consul, ConsulOptions};
use crate::support::daemon::Daemon;
use crate::support::host::VIP;
use crate::support::lab::Lab;
use crate::support::setup::wait_logged;
use crate::support::tls::Tls;
use crate::{KEY, SOON, Setup};

fn setup(name: &str, options: &ConsulOptions) -> Setup {
    let lab = Lab::new(name);
    let consul = Consul::start_with(&lab, 1, options);
    let hosts = vec![lab.host("db1")];
    Setup::of(lab, consul, hosts)
}

#[test]
fn a_token_needs_the_right_to_read_the_key_and_nothing_else() {
    let mut setup = setup("rights", &ConsulOptions { acl: true, ..ConsulOptions::default() });
    setup.consul.put(KEY, "db1");
    let token = setup.consul.token("vip", "key \"other\" { policy = \"read\" }");
    setup.start(|config| config.with("consul-token", &token));
    let daemon = &setup.daemons[0];
    wait_logged(
        daemon,
        &format!("cannot read the key {KEY}: Consul does not let this token read {KEY}; add this rule"),
    );
    setup.consul.set_rules("vip", &format!("key \"{KEY}\" {{ policy = \"read\" }}"));
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
    wait_logged(daemon, &format!("the key {KEY} can be read again"));
    assert!(!daemon.process.text().contains(&token), "the token is in the log");
}

#[test]
fn without_a_token_the_cure_is_one_and_a_wrong_one_is_named() {
    let setup = setup("tokens", &ConsulOptions { acl: true, ..ConsulOptions::default() });
    setup.consul.put(KEY, "db1");
    let config = setup.config(&setup.hosts[0]);
    let daemon = Daemon::start(&setup.hosts[0], &config);
    wait_logged(&daemon, "Consul does not let anybody without a token read");
    drop(daemon);
    // The token comes from a file, which is corrected while the daemon runs.
    let file = setup.lab.directory().join("token");
    fs::write(&file, "5d1c2a70-1d3b-4f0e-9a0f-00000000dead\n").unwrap();
    let daemon = Daemon::start(&setup.hosts[0], &config.with("consul-token-file", file.display()));
    wait_logged(&daemon, "Consul does not know the token (ACL not found)");
    let token = setup.consul.token("vip", &format!("key \"{KEY}\" {{ policy = \"read\" }}"));
    fs::write(&file, format!("{token}\n")).unwrap();
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
}

#[test]
fn consul_is_asked_by_tls() {
    let lab = Lab::new("tls");
    let tls = Tls::new(&lab);
    let options = ConsulOptions { tls: Some(tls.clone()), ..ConsulOptions::default() };
    let consul = Consul::start_with(&lab, 1, &options);
    let hosts = vec![lab.host("db1")];
    let mut setup = Setup::of(lab, consul, hosts);
    setup.consul.put(KEY, "db1");
    let config = setup.config(&setup.hosts[0]);
    let plain = config.clone().with("dcs-endpoints", setup.consul.endpoints()[0].replace("https", "http"));
    let daemon = Daemon::start(&setup.hosts[0], &plain);
    wait_logged(&daemon, "it expects TLS; set https:// in dcs-endpoints");
    drop(daemon);
    let daemon = Daemon::start(&setup.hosts[0], &config);
    wait_logged(&daemon, "is not signed by an authority that is trusted here");
    drop(daemon);
    setup.start(|config| config.with("dcs-ca-file", tls.ca_file().display()));
    setup.observer.wait_held(&setup.hosts[0], VIP, SOON);
}
