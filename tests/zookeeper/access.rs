//! Logins, ACLs and TLS.

use vip_manager::wire::jute::{Acl, Code};

use crate::setup::{SOON, Setup, TTL, wait_logged};
use crate::support::daemon::{Daemon, KEY};
use crate::support::tls::{KeyForm, Tls};
use crate::support::zookeeper::EnsembleOptions;

#[test]
fn a_protected_key_is_read_after_a_login_and_named_before() {
    let setup = Setup::new("login", 1, 1);
    let patroni = setup.ensemble.session(0, TTL);
    assert_eq!(patroni.log_in("digest", "vip:hunter2"), Code::OK);
    assert_eq!(patroni.create(KEY, "db1", &[Acl::OWN], true), Code::OK);
    let config = setup.config(0);

    let daemon = Daemon::start(&setup.hosts[0], &config);
    let line = wait_logged(&daemon, "cannot read the key");
    assert!(line.contains("does not let this session read it (NOAUTH); log in with dcs-user"), "{line}");
    drop(daemon);
    let login = config.with("dcs-user", "vip");
    let daemon = Daemon::start(&setup.hosts[0], &login.clone().with("dcs-password", "letmein"));
    let line = wait_logged(&daemon, "cannot read the key");
    assert!(line.contains("check dcs-password") && !line.contains("letmein"), "{line}");
    assert!(!setup.holds(0));
    drop(daemon);
    let _daemon = Daemon::start(&setup.hosts[0], &login.with("dcs-password", "hunter2"));
    setup.wait_held(0);
    assert_eq!(patroni.delete(KEY), Code::OK);
    setup.wait_gone(0, SOON);
}

#[test]
fn tls_with_a_client_certificate_works_and_its_mistakes_are_named() {
    let setup = Setup::with("tls", 1, |lab| EnsembleOptions {
        servers: 1,
        tls: Some(Tls::new(lab)),
        client_certificates: true,
        ..EnsembleOptions::default()
    });
    let tls = setup.ensemble.tls.clone().unwrap();
    let _patroni = setup.patroni(0, TTL);
    let plain = Daemon::start(&setup.hosts[0], &setup.config(0));
    wait_logged(&plain, "endpoint does not serve");
    drop(plain);
    let trusting = setup.config(0).with("dcs-ca-file", tls.ca_file().display());
    let anonymous = Daemon::start(&setup.hosts[0], &trusting);
    wait_logged(&anonymous, "endpoint does not serve");
    drop(anonymous);
    let identity = tls.client("vip", KeyForm::EcPkcs8);
    let whole =
        trusting.with("dcs-cert-file", identity.certificate.display()).with("dcs-key-file", identity.key.display());
    let _daemon = Daemon::start(&setup.hosts[0], &whole);
    setup.wait_held(0);
}
