//! Each endpoint separately: name, TCP, TLS, login, quorum.

use std::time::{Duration, Instant};

use crate::check;
use crate::support::daemon::ConfigFile;
use crate::support::etcd::{Cluster, ClusterOptions};
use crate::support::lab::Lab;
use crate::support::store::User;
use crate::support::tls::Tls;

#[test]
fn an_unreachable_endpoint_is_reported_with_its_cause() {
    let lab = Lab::new("reach");
    let mut cluster = Cluster::start(&lab, 3);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    let at = |endpoints: &str| config.clone().with("dcs-endpoints", endpoints);

    check(&host, &at(&format!("http://{}:2377", cluster.members[0].host.v4()))).shows("endpoint-refused");
    check(&host, &at("http://nosuch.invalid:2379")).shows("endpoint-name");
    check(&host, &at("http://10.66.0.250:2379")).shows("endpoint-silent");
    check(&host, &at(&format!("https://{}", cluster.members[0].client_address()))).shows("endpoint-not-tls");

    check(&host, &at(&format!("http://{}:2380", cluster.members[0].host.v4()))).shows("endpoint-peers");
    let door = |place: usize| cluster.members[place].client_address();
    check(&host, &at(&format!("http://{},https://{}", door(0), door(1)))).shows("endpoints-mixed");

    cluster.members[0].freeze();
    check(&host, &config).shows("endpoint-hung");
    cluster.members[0].thaw();
    cluster.wait_member(0);
    cluster.members[1].kill();
    cluster.members[2].kill();
    let noticed = || check(&host, &config).text.contains("sees no leader");
    crate::support::clock::wait_for("the member to miss the others", Duration::from_secs(30), noticed);
    check(&host, &config).shows("endpoint-no-quorum");
}

#[test]
fn endpoints_of_two_clusters_are_reported() {
    let (one, lab) = (Lab::new("other"), Lab::new("differ"));
    let _other = one;
    let first = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    // The second one stands on the database host itself.
    let directory = lab.directory().join("second");
    let mut command = host.command("etcd");
    let urls = "http://127.0.0.1:2379";
    command
        .arg(format!("--data-dir={}", directory.display()))
        .args(["--name=second", "--initial-cluster-token=second"]);
    command.arg(format!("--listen-client-urls={urls}")).arg(format!("--advertise-client-urls={urls}"));
    command.args(["--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380"]);
    command.arg("--initial-cluster=second=http://127.0.0.1:2380");
    let _second = crate::support::process::Process::start("second etcd", command);
    let config = ConfigFile::basic(&host, &first);
    let config = config.with("dcs-endpoints", format!("{},{urls}", first.endpoints()[0]));
    let ready = || check(&host, &config).text.matches("and sees a leader").count() == 2;
    crate::support::clock::wait_for("both clusters", Duration::from_secs(20), ready);
    check(&host, &config).shows("endpoints-differ");
}

#[test]
fn a_tls_failure_is_reported_with_its_cause() {
    let lab = Lab::new("tls");
    let tls = Tls::new(&lab);
    let options =
        ClusterOptions { members: 1, tls: Some(tls.clone()), client_certificates: true, ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&lab, &options);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    check(&host, &config).shows("tls-issuer");
    let trusting = config.clone().with("etcd-ca-file", tls.ca_file().display());
    check(&host, &trusting).shows("tls-client-certificate");
    check(&host, &config.with("etcd-ca-file", "/nowhere/ca.pem")).shows("tls-file");
    check(&host, &trusting.with("dcs-endpoints", format!("http://{}", cluster.members[0].client_address())))
        .shows("endpoint-tls");
}

#[test]
fn a_login_failure_is_reported_without_the_password() {
    let lab = Lab::new("login");
    let user = User { name: "root".into(), password: "hunter2".into() };
    let options = ClusterOptions { members: 1, user: Some(user), ..ClusterOptions::default() };
    let cluster = Cluster::start_with(&lab, &options);
    let host = lab.host("db1");
    let config = ConfigFile::basic(&host, &cluster);
    check(&host, &config).shows("login-demanded");
    let wrong = config.clone().with("etcd-user", "root").with("etcd-password", "letmein");
    let printed = check(&host, &wrong);
    printed.shows("login-wrong");
    assert!(!printed.text.contains("letmein"), "{}", printed.text);
    let in_url = config.with("dcs-endpoints", format!("http://root:hunter2@{}", cluster.members[0].client_address()));
    let printed = check(&host, &in_url);
    assert!(!printed.text.contains("hunter2"), "{}", printed.text);
}

#[test]
fn a_needless_login_is_reported() {
    let lab = Lab::new("needless");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    check(&host, &ConfigFile::basic(&host, &cluster).with("etcd-user", "root").with("etcd-password", "x"))
        .shows("login-needless");
}

#[test]
fn a_check_ends_in_time_even_if_nobody_answers() {
    let lab = Lab::new("silence");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    cluster.members[0].freeze();
    let silent = format!("{},http://10.66.0.250:2379,http://10.66.0.251:2379", cluster.endpoints()[0]);
    #[expect(clippy::disallowed_methods, reason = "how long a person waits is a matter of the wall clock")]
    let started = Instant::now();
    let printed = check(&host, &ConfigFile::basic(&host, &cluster).with("dcs-endpoints", silent));
    assert_eq!(printed.status, Some(1), "{}", printed.text);
    assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
}

/// Debian 12 has such a release. Where the lab runs a newer one, nothing is to be reported.
#[test]
fn a_release_with_stale_reads_is_reported() {
    let lab = Lab::new("stale");
    let cluster = Cluster::start(&lab, 1);
    let host = lab.host("db1");
    let printed = check(&host, &ConfigFile::basic(&host, &cluster));
    let patch = printed.text.split_once("etcd 3.4.").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    match patch {
        Some(0..42) => printed.shows("endpoint-stale-reads"),
        _ => assert!(!printed.text.contains("update etcd to 3.4."), "{}", printed.text),
    }
}
