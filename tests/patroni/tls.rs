//! A REST API that speaks TLS and demands a client's certificate, with the options of old files.

use crate::support::daemon::Daemon;
use crate::support::host::VIP;
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::support::rest::{PORT, serve_by_tls};
use crate::support::setup::wait_logged;
use crate::support::tls::{KeyForm, Tls};
use crate::{SOON, config};

#[test]
fn the_files_of_etcds_options_serve_the_rest_api() {
    let lab = Lab::new("rest-tls");
    let host = lab.host("db1");
    let observer = AddressObserver::over(&[&host]);
    let tls = Tls::new(&lab);
    let _server = serve_by_tls(&host, &tls, "leader");
    let client = tls.client("db1", KeyForm::EcPkcs8);
    let without = config()
        .with("dcs-endpoints", format!("https://{}:{PORT}", host.v4()))
        .with("etcd-ca-file", tls.ca_file().display());
    let daemon = Daemon::start(&host, &without);
    wait_logged(&daemon, "etcd-cert-file");
    drop(daemon);
    let with = without.with("etcd-cert-file", client.certificate.display()).with("etcd-key-file", client.key.display());
    let _daemon = Daemon::start(&host, &with);
    observer.wait_held(&host, VIP, SOON);
}
