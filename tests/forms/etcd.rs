//! Forms for etcd v3.

use etcd_client::{Permission, PermissionType};

use crate::support::clock::wait_for;
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::process::Process;
use crate::support::store::User;
use crate::support::tls::{KeyForm, Tls};
use crate::{SOON, Site, interface};

pub(crate) const SAMPLE: &str = "etcd, all keys of the sample of 1.0, quoted";
pub(crate) const TLS: &str = "etcd with TLS on all members";
pub(crate) const PIGSTY: &str = "etcd, as Pigsty writes it";
pub(crate) const CITUS: &str = "etcd, only variables, Citus";
pub(crate) const LOCAL: &str = "etcd, endpoints absent, login empty";
pub(crate) const ETCD3: &str = "etcd3 by its other name";

/// Lets a user read a key.
fn allow(cluster: &Cluster, user: &'static str, password: &'static str, key: &'static str) {
    let made = cluster.store().ask(async move |client| {
        client.role_add(user).await?;
        client.role_grant_permission(user, Permission::new(PermissionType::Read, key)).await?;
        client.user_add(user, password, None).await?;
        client.user_grant_role(user, user).await.map(|_| ())
    });
    made.unwrap();
}

#[test]
fn with_users_and_tls() {
    let site = Site::new("forms-users", "pg1");
    let tls = Tls::new(&site.lab);
    let root = User { name: "root".to_owned(), password: "correct horse".to_owned() };
    let options = ClusterOptions { members: 2, tls: Some(tls.clone()), user: Some(root), ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&site.lab, &options);
    let identity = tls.client("patroni", KeyForm::RsaPkcs1);
    allow(&cluster, "patroni", "Julian's secret password", "/service/pgcluster/leader");
    allow(&cluster, "pg-test", "pg-test", "/pg/pg-test/leader");
    cluster.store().put("/service/pgcluster/leader", "pgcluster_member1");
    cluster.store().put("/pg/pg-test/leader", "pg-test-1");
    let (ca, certificate, key) = (
        tls.ca_file().display().to_string(),
        identity.certificate.display().to_string(),
        identity.key.display().to_string(),
    );
    let secure = cluster.endpoints();
    site.bring_up(
        SAMPLE,
        &[
            ("192.168.0.123", "10.66.0.100"),
            interface("enp0s3"),
            ("http://127.0.0.1:2379", &cluster.plain_endpoints()[0]),
            ("https://192.168.0.42:2379", &secure[1]),
            ("/path/to/etcd/trusted/ca/file", &ca),
            ("/path/to/etcd/client/cert/file", &certificate),
            ("/path/to/etcd/client/key/file", &key),
        ],
    );
    site.bring_up(
        PIGSTY,
        &[
            ("10.10.10.3", "10.66.0.100"),
            interface("eth1"),
            ("https://10.10.10.10:2379", &secure[0]),
            ("/etc/pki/ca.crt", &ca),
        ],
    );
}

#[test]
fn with_client_certificates() {
    let site = Site::new("forms-tls", "pg1");
    let tls = Tls::new(&site.lab);
    let options =
        ClusterOptions { members: 2, tls: Some(tls.clone()), client_certificates: true, ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&site.lab, &options);
    let identity = tls.client("vip", KeyForm::EcSec1);
    cluster.store().put("/service/amfcluster/leader", "pg1");
    let secure = cluster.endpoints();
    site.bring_up(
        TLS,
        &[
            ("10.10.10.18", "10.66.0.100"),
            ("https://10.10.10.20:2379", &secure[0]),
            ("https://10.10.10.21:2379", &secure[1]),
            ("/certs/ca.crt", &tls.ca_file().to_string_lossy()),
            ("/certs/client.crt", &identity.certificate.to_string_lossy()),
            ("/certs/client.key", &identity.key.to_string_lossy()),
        ],
    );
}

#[test]
fn plain() {
    let site = Site::new("forms-plain", "m01");
    let cluster = Cluster::start(&site.lab, 3);
    let endpoints = cluster.endpoints();
    cluster.store().put("/service/citus/0/leader", "coord1");
    cluster.store().put("/service/pg/leader", "pg1");
    site.bring_up(
        CITUS,
        &[
            ("172.30.254.254", "10.66.0.100"),
            ("http://etcd1:2379", &endpoints[0]),
            ("http://etcd2:2379", &endpoints[1]),
            ("http://etcd3:2379", &endpoints[2]),
        ],
    );
    site.bring_up(ETCD3, &[("10.0.0.5", "10.66.0.100"), ("http://10.0.0.1:2379", &endpoints[0])]);
    drop(cluster);

    // On the loopback of the database host.
    let mut command = site.host.command("etcd");
    command.arg("--data-dir").arg(site.lab.directory().join("local")).arg("--log-level=error");
    let _etcd = Process::start("etcd on the loopback", command);
    wait_for("etcd on the loopback", SOON, || {
        site.host.attempt("etcdctl", &["put", "/maunleashdb/18-main/leader", "m01"]).is_ok()
    });
    site.bring_up(LOCAL, &[("172.23.124.74", "10.66.0.100"), interface("ens160")]);
}
