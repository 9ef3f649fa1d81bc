//! A REST API that speaks TLS and demands a client's certificate, with the options of old files.

use std::fs;

use crate::support::daemon::Daemon;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::support::process::Process;
use crate::support::rest::PORT;
use crate::support::setup::wait_logged;
use crate::support::tls::{KeyForm, Tls};
use crate::{SOON, config};

/// Answers to `/leader` and `/config` from files, as Patroni would give them.
fn serve(host: &Host, tls: &Tls) -> Process {
    let answer = |body: &str| format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
    let files = host.directory().join("rest");
    fs::create_dir_all(&files).unwrap();
    let leader = "{\"state\": \"running\", \"role\": \"master\", \"patroni\": {\"name\": \"db1\"}}";
    fs::write(files.join("leader"), answer(leader)).unwrap();
    fs::write(files.join("config"), answer("{\"ttl\": 30}")).unwrap();
    let server = tls.server(host);
    let mut command = host.command("openssl");
    command.current_dir(&files).args(["s_server", "-quiet", "-HTTP", "-Verify", "1", "-verify_return_error"]);
    command.arg("-accept").arg(PORT.to_string()).arg("-CAfile").arg(tls.ca_file());
    command.arg("-cert").arg(&server.certificate).arg("-key").arg(&server.key);
    Process::start("the REST API", command)
}

#[test]
fn the_files_of_etcds_options_serve_the_rest_api() {
    let lab = Lab::new("rest-tls");
    let host = lab.host("db1");
    let observer = AddressObserver::over(&[&host]);
    let tls = Tls::new(&lab);
    let _server = serve(&host, &tls);
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
