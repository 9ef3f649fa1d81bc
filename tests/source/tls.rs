//! Certificates: those that work, those that do not and are called by their name, and those that change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ED25519,
    date_time_ymd,
};
use vip_manager::config::model::{Endpoint, Identity, StoreConfig};
use vip_manager::source::Report;
use vip_manager::source::{EndpointLink, Source};

use crate::etcd::{Cluster, Folder, connections_to, hang};
use crate::wait::{SOON, all_up, down_saying, until, why_down};
use crate::{config, read_naming, source};

/// An authority and the files of what it signed.
struct Authority {
    folder: Folder,
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new() -> Self {
        Self::named("authority")
    }

    fn named(name: &str) -> Self {
        let folder = Folder::new();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let file = folder.write("ca.pem", params.self_signed(&key).unwrap().pem());
        Self { folder, issuer: Issuer::new(params, key), file }
    }

    /// A certificate for a server on this machine.
    fn server(&self) -> Identity {
        self.signed("server", &["127.0.0.1", "localhost"], |_| {})
    }

    fn client(&self) -> Identity {
        self.signed("client", &["client"], |_| {})
    }

    fn signed(&self, file: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        self.signed_for(file, names, &key, change)
    }

    fn signed_for(
        &self,
        file: &str,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Identity {
            certificate: self.folder.write(&format!("{file}.pem"), certificate.pem()),
            key: self.folder.write(&format!("{file}.key"), key.serialize_pem()),
        }
    }

    /// A member with this certificate; with `demand` it wants one from its clients too.
    fn member(&self, server: &Identity, demand: bool) -> Cluster {
        let certificate = format!("--cert-file={}", server.certificate.display());
        let key = format!("--key-file={}", server.key.display());
        let ca = format!("--trusted-ca-file={}", self.file.display());
        let plain = [&*certificate, &*key];
        let demanding = [&*certificate, &*key, &*ca, "--client-cert-auth"];
        Cluster::tls(if demand { &demanding } else { &plain })
    }
}

fn config_of(cluster: &Cluster, ca: &Path, identity: Option<Identity>) -> StoreConfig {
    StoreConfig { ca_file: Some(ca.to_owned()), identity, ..config(cluster.endpoints()) }
}

fn openssl(arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).output().expect("openssl must be installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

async fn is_let_in(source: &mut Source) {
    all_up(source).await;
    until(source, "a read", SOON, read_naming(None)).await;
}

#[tokio::test]
async fn a_ca_alone_lets_us_trust_the_member() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), false);
    is_let_in(&mut source(&config_of(&cluster, &authority.file, None))).await;
}

#[tokio::test]
async fn keys_in_pkcs8_pkcs1_and_sec1_all_serve() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), true);
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let path = |name: &str| authority.folder.path().join(name);

    let pkcs8 = authority.client();
    assert!(text(&pkcs8.key).contains("BEGIN PRIVATE KEY"));

    let sec1 = Identity { key: path("sec1.key"), ..pkcs8.clone() };
    openssl(&["ec", "-in", pkcs8.key.to_str().unwrap(), "-out", sec1.key.to_str().unwrap()]);
    assert!(text(&sec1.key).contains("BEGIN EC PRIVATE KEY"));

    let (rsa, pkcs1) = (path("rsa.key"), path("pkcs1.key"));
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", rsa.to_str().unwrap()]);
    openssl(&["rsa", "-in", rsa.to_str().unwrap(), "-traditional", "-out", pkcs1.to_str().unwrap()]);
    assert!(text(&pkcs1).contains("BEGIN RSA PRIVATE KEY"));
    let rsa_key = KeyPair::from_pem(&text(&rsa)).unwrap();
    let pkcs1 = Identity { key: pkcs1, ..authority.signed_for("rsa", &["client"], &rsa_key, |_| {}) };

    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let ed25519 = authority.signed_for("ed25519", &["client"], &ed25519, |_| {});

    for identity in [pkcs8, sec1, pkcs1, ed25519] {
        is_let_in(&mut source(&config_of(&cluster, &authority.file, Some(identity)))).await;
    }
}

#[tokio::test]
async fn a_ca_that_did_not_sign_the_certificate_is_called_by_its_name() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), false);
    for other in [Authority::new(), Authority::named("another authority")] {
        let mut source = source(&config_of(&cluster, &other.file, None));
        down_saying(&mut source, "not signed by an authority that is trusted here; set etcd-ca-file").await;
    }
}

/// What `openssl req -x509` makes: self-signed, for a server, and marked as an authority.
fn self_signed(folder: &Folder, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    Identity {
        certificate: folder.write("self.pem", params.self_signed(&key).unwrap().pem()),
        key: folder.write("self.key", key.serialize_pem()),
    }
}

fn member_with(server: &Identity) -> Cluster {
    Cluster::tls(&[
        &format!("--cert-file={}", server.certificate.display()),
        &format!("--key-file={}", server.key.display()),
    ])
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_the_ca_file_is_trusted() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("req.pem"), path("req.key"));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=etcd",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        &key,
        "-out",
        &certificate,
    ]);
    let server = Identity { certificate: certificate.into(), key: key.into() };
    let cluster = member_with(&server);
    is_let_in(&mut source(&config_of(&cluster, &server.certificate, None))).await;
}

#[tokio::test]
async fn a_self_signed_certificate_beside_others_in_the_ca_file_is_trusted() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let server = self_signed(&folder, |_| {});
    let cluster = member_with(&server);
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let both = folder.write("both.pem", text(&authority.file) + &text(&server.certificate));
    is_let_in(&mut source(&config_of(&cluster, &both, None))).await;
}

#[tokio::test]
async fn a_self_signed_certificate_that_is_not_in_the_ca_file_is_refused_with_the_cure() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let cluster = member_with(&self_signed(&folder, |_| {}));
    let other = Folder::new();
    let twin = self_signed(&other, |_| {});
    for ca in [&authority.file, &twin.certificate] {
        let mut source = source(&config_of(&cluster, ca, None));
        down_saying(&mut source, "is itself an authority (CA:TRUE), not a server's; add it to etcd-ca-file").await;
    }
}

#[tokio::test]
async fn a_self_signed_certificate_in_the_ca_file_must_be_valid_and_for_this_name() {
    let folder = Folder::new();
    let expired = self_signed(&folder, |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let cluster = member_with(&expired);
    down_saying(&mut source(&config_of(&cluster, &expired.certificate, None)), "has expired").await;

    let folder = Folder::new();
    let elsewhere = self_signed(&folder, |params| {
        params.subject_alt_names = CertificateParams::new(["etcd1.example".to_owned()]).unwrap().subject_alt_names;
    });
    let cluster = member_with(&elsewhere);
    let mut source = source(&config_of(&cluster, &elsewhere.certificate, None));
    down_saying(&mut source, "is not for that name, but for etcd1.example").await;
}

#[tokio::test]
async fn without_a_ca_file_the_roots_of_the_system_are_asked() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), false);
    let mut source = source(&config(cluster.endpoints()));
    down_saying(&mut source, "set etcd-ca-file").await;
}

#[tokio::test]
async fn a_missing_client_certificate_is_called_one() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), true);
    let mut source = source(&config_of(&cluster, &authority.file, None));
    down_saying(&mut source, "client certificate").await;
    down_saying(&mut source, "etcd-cert-file and etcd-key-file").await;
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_called_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let cluster = authority.member(&authority.server(), true);
    let mut source = source(&config_of(&cluster, &authority.file, Some(other.client())));
    down_saying(&mut source, "client certificate").await;
}

#[tokio::test]
async fn a_client_certificate_made_for_servers_is_called_refused() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), true);
    let server_only = authority.signed("wrong-use", &["client"], |params| {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
    });
    let mut source = source(&config_of(&cluster, &authority.file, Some(server_only)));
    down_saying(&mut source, "client certificate").await;
}

#[tokio::test]
async fn a_certificate_without_an_alternative_name_is_called_so() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.signed("nameless", &[], |_| {}), false);
    let mut source = source(&config_of(&cluster, &authority.file, None));
    down_saying(&mut source, "has no subject alternative name").await;
}

#[tokio::test]
async fn a_certificate_for_another_name_tells_its_names() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.signed("other", &["etcd1.example", "10.9.8.7"], |_| {}), false);
    let mut source = source(&config_of(&cluster, &authority.file, None));
    let why = down_saying(&mut source, "is not for that name, but for").await;
    assert!(why.ends_with("but for etcd1.example, 10.9.8.7"), "{why}");
}

#[tokio::test]
async fn an_expired_certificate_is_called_expired() {
    let authority = Authority::new();
    let expired = authority.signed("expired", &["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
    });
    let cluster = authority.member(&expired, false);
    let mut source = source(&config_of(&cluster, &authority.file, None));
    down_saying(&mut source, "has expired").await;
}

#[tokio::test]
async fn https_to_a_member_without_tls_is_called_so() {
    let authority = Authority::new();
    let cluster = Cluster::new(1).await;
    let endpoint = Endpoint { tls: true, ..cluster.members[0].endpoint() };
    let config = StoreConfig { ca_file: Some(authority.file.clone()), ..config(vec![endpoint]) };
    down_saying(&mut source(&config), "TLS").await;
}

#[tokio::test]
async fn http_to_a_member_with_tls_is_called_so() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), false);
    let endpoint = Endpoint { tls: false, ..cluster.members[0].endpoint() };
    let mut source = source(&config(vec![endpoint]));
    down_saying(&mut source, "does this port expect https?").await;
}

#[tokio::test]
async fn files_that_cannot_serve_are_named_with_what_is_wrong_with_them() {
    let authority = Authority::new();
    let folder = &authority.folder;
    let good = authority.client();
    let nowhere = vec![Endpoint { tls: true, host: "127.0.0.1".into(), port: crate::etcd::free_port() }];
    let with_key = |key: PathBuf| Some(Identity { key, ..good.clone() });
    let path = |name: &str| folder.path().join(name);

    let (p521, encrypted, old_encrypted) = (path("p521.key"), path("encrypted.key"), path("old-encrypted.key"));
    let good_key = good.key.to_str().unwrap();
    openssl(&["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out", p521.to_str().unwrap()]);
    let secret = "pass:word";
    openssl(&["pkcs8", "-topk8", "-in", good_key, "-passout", secret, "-out", encrypted.to_str().unwrap()]);
    openssl(&["ec", "-aes128", "-in", good_key, "-passout", secret, "-out", old_encrypted.to_str().unwrap()]);

    let empty = folder.write("empty.pem", "");
    let damaged = folder.write("damaged.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let ca = || Some(authority.file.clone());
    let other_key = authority.signed("another", &["client"], |_| {}).key;
    let certificate_only = Some(Identity { key: good.certificate.clone(), ..good.clone() });
    for (ca_file, identity, expected) in [
        (Some(empty), None, "empty.pem holds no certificate"),
        (Some(good.key.clone()), None, "client.key holds no certificate"),
        (Some(damaged), None, "damaged.pem is damaged"),
        (Some(path("absent.pem")), None, "absent.pem: No such file"),
        (ca(), with_key(p521), "p521.key holds a key on curve P-521"),
        (ca(), with_key(encrypted), "encrypted.key is encrypted"),
        (ca(), with_key(old_encrypted), "old-encrypted.key is encrypted"),
        (ca(), with_key(other_key), "another.key is not the key of the certificate in etcd-cert-file"),
        (ca(), certificate_only, "client.pem holds no private key"),
    ] {
        let config = StoreConfig { ca_file, identity, ..config(nowhere.clone()) };
        down_saying(&mut source(&config), expected).await;
    }
}

#[tokio::test]
async fn a_ca_that_changes_on_disk_is_used_without_a_restart() {
    let (authority, other) = (Authority::new(), Authority::new());
    let cluster = authority.member(&authority.server(), false);
    let used = authority.folder.write("used.pem", std::fs::read(&other.file).unwrap());
    let mut source = source(&config_of(&cluster, &used, None));
    down_saying(&mut source, "not signed by an authority").await;
    std::fs::copy(&authority.file, &used).unwrap();
    is_let_in(&mut source).await;
}

/// Takes reads, which must go on, and returns when the connection is another one.
async fn until_reconnected(source: &mut Source, port: u16, before: &BTreeSet<String>) {
    until(source, "a connection with the new files", SOON, |report| {
        assert!(!matches!(report, Report::Unreachable { .. }), "{report:?}");
        let now = connections_to(port);
        (!now.is_empty() && now.is_disjoint(before)).then_some(())
    })
    .await;
}

/// Takes enough reads for changed files to be noticed, and expects the connection to be the same afterwards.
async fn stays_connected(source: &mut Source, port: u16, before: &BTreeSet<String>) {
    for _ in 0..10 {
        until(source, "reads go on", SOON, read_naming(None)).await;
    }
    assert!(connections_to(port).is_superset(before));
    assert_eq!(source.endpoints()[0].link, EndpointLink::Up);
}

#[tokio::test]
async fn a_renewed_client_certificate_is_used_and_half_a_key_disturbs_nobody() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), true);
    let client = authority.client();
    let mut source = source(&config_of(&cluster, &authority.file, Some(client.clone())));
    is_let_in(&mut source).await;
    let port = cluster.members[0].port;
    let first = connections_to(port);

    std::fs::write(&client.key, "half a key").unwrap();
    stays_connected(&mut source, port, &first).await;
    let _renewed = authority.client();
    until_reconnected(&mut source, port, &first).await;
    is_let_in(&mut source).await;
}

#[tokio::test]
async fn a_new_client_certificate_that_etcd_refuses_leaves_us_with_the_old_session() {
    let (authority, other) = (Authority::new(), Authority::named("another authority"));
    let cluster = authority.member(&authority.server(), true);
    let client = authority.client();
    let mut source = source(&config_of(&cluster, &authority.file, Some(client.clone())));
    is_let_in(&mut source).await;
    let first = connections_to(cluster.members[0].port);

    let foreign = other.client();
    std::fs::copy(&foreign.certificate, &client.certificate).unwrap();
    std::fs::copy(&foreign.key, &client.key).unwrap();
    stays_connected(&mut source, cluster.members[0].port, &first).await;
    let _good_again = authority.client();
    until_reconnected(&mut source, cluster.members[0].port, &first).await;
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_read_to_its_end_blocks_nobody() {
    let authority = Authority::new();
    let cluster = authority.member(&authority.server(), false);
    hang(&authority.file);
    let mut source = source(&config_of(&cluster, &authority.file, None));
    down_saying(&mut source, "cannot read the TLS files within").await;
}

#[tokio::test]
async fn files_that_hang_under_a_session_stop_neither_its_reads_nor_the_next_session() {
    let authority = Authority::new();
    let mut cluster = authority.member(&authority.server(), true);
    let client = authority.client();
    let mut source = source(&config_of(&cluster, &authority.file, Some(client.clone())));
    is_let_in(&mut source).await;
    let first = connections_to(cluster.members[0].port);
    hang(&client.key);
    stays_connected(&mut source, cluster.members[0].port, &first).await;

    cluster.members[0].kill();
    why_down(&mut source).await;
    cluster.members[0].start();
    is_let_in(&mut source).await;
}
