//! ZooKeeper and Exhibitor: servers, sessions, ACLs.

use std::time::Duration;

use vip_manager::wire::jute::{Acl, Code};

use crate::check;
use crate::support::clock::wait_for;
use crate::support::daemon::{ConfigFile, KEY};
use crate::support::exhibitor::Exhibitor;
use crate::support::host::VIP;
use crate::support::lab::Lab;
use crate::support::tls::Tls;
use crate::support::zookeeper::{Ensemble, EnsembleOptions};

const TTL: Duration = Duration::from_secs(30);
const SETTINGS: &str = "/service/pg_cluster/config";

#[test]
fn keys_and_sessions_are_judged() {
    let lab = Lab::new("keys");
    let ensemble = Ensemble::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::of_store(&host, "zookeeper", &ensemble.endpoints()).with("claim", "off");
    check(&host, &config).shows("zookeeper-empty");

    let patroni = ensemble.session(0, TTL);
    patroni.put("/service/pg_cluster/members/db1", "{}");
    patroni.put(SETTINGS, r#"{"ttl": 60, "loop_wait": 10}"#);
    let printed = check(&host, &config);
    assert!(printed.text.contains("nobody leads now; the only member is db1"), "{}", printed.text);
    patroni.lead(KEY, "db1");
    let printed = check(&host, &config);
    printed.shows("zookeeper-session-limit");
    assert!(printed.text.contains("ZooKeeper 3.8"), "{}", printed.text);
    assert!(printed.text.contains("(standalone) answered"), "{}", printed.text);
    patroni.put(SETTINGS, r#"{"ttl": 15, "loop_wait": 10}"#);
    check(&host, &config).shows("zookeeper-lease-short");
    patroni.put(SETTINGS, r#"{"ttl": 30}"#);
    let printed = check(&host, &config);
    assert!(printed.text.contains("at least 25 s is assumed"), "{}", printed.text);
    let printed = check(&host, &config.with("trigger-key", "/service/pg_clutser/leader"));
    assert!(printed.text.contains(&format!("does not exist; ZooKeeper has {KEY}")), "{}", printed.text);
}

#[test]
fn the_claim_and_the_right_to_it_are_reported() {
    const SCOPE: &str = "/service/pg_cluster";
    const READ: Acl<'static> = Acl { permissions: 1, scheme: "world", id: "anyone" };
    let lab = Lab::new("claim");
    let ensemble = Ensemble::start(&lab, 1);
    let host = lab.host("db1");
    let config = ConfigFile::of_store(&host, "zookeeper", &ensemble.endpoints());
    let patroni = ensemble.session(0, TTL);
    assert_eq!(patroni.log_in("digest", "patroni:secret"), Code::OK);
    assert_eq!(patroni.create(SCOPE, "", &[Acl::OWN, READ], false), Code::OK);
    patroni.lead(KEY, "db1");
    check(&host, &config).shows("zookeeper-claim-forbidden");
    let printed = check(&host, &config.clone().with("claim", "require"));
    assert!(printed.text.contains("so it never holds the VIP (claim: require)"), "{}", printed.text);

    assert_eq!(patroni.create(&format!("{SCOPE}/vip"), "", &[Acl::OPEN], false), Code::OK);
    let claim = format!("{SCOPE}/vip/{VIP}");
    let free = "nobody has it, and this host may claim (claim: auto)";
    for fence in [false, true] {
        let printed = check(&host, &config);
        assert!(printed.text.contains(free) && !printed.text.contains("is assumed"), "{}", printed.text);
        assert_eq!(patroni.get(&claim), None, "nothing is created");
        assert_eq!(patroni.get(&format!("{claim}.fence")).is_some(), fence, "nothing is created");
        patroni.put(&format!("{claim}.fence"), "");
    }
    patroni.lead(&claim, r#"{"host":"db2","boot":"another"}"#);
    let printed = check(&host, &config);
    assert!(printed.text.contains("db2 has it, but the leader key names this host"), "{}", printed.text);
}

#[test]
fn a_protected_key_is_reported_with_patronis_setting() {
    let lab = Lab::new("acl");
    let ensemble = Ensemble::start(&lab, 1);
    let host = lab.host("db1");
    let patroni = ensemble.session(0, TTL);
    assert_eq!(patroni.log_in("digest", "vip:hunter2"), Code::OK);
    assert_eq!(patroni.create(KEY, "db1", &[Acl::OWN], true), Code::OK);
    let config = ConfigFile::of_store(&host, "zookeeper", &ensemble.endpoints());
    check(&host, &config).shows("zookeeper-forbidden");
    let printed = check(&host, &config.with("dcs-user", "vip").with("dcs-password", "hunter2"));
    assert!(printed.text.contains("which is this host") && !printed.text.contains("hunter2"), "{}", printed.text);
}

#[test]
fn a_server_that_does_not_serve_is_reported_with_its_cause() {
    let lab = Lab::new("serve");
    let mut ensemble = Ensemble::start(&lab, 3);
    let host = lab.host("db1");
    let exhibitor = Exhibitor::start(&host, &ensemble.hosts());
    let config = ConfigFile::of_store(&host, "zookeeper", &ensemble.endpoints());
    let at = |kind: &str, endpoints: &str| config.clone().with("dcs-type", kind).with("dcs-endpoints", endpoints);
    let first = ensemble.servers[0].host.v4();
    check(&host, &at("zookeeper", &format!("{first}:2199"))).shows("zookeeper-refused");
    check(&host, &at("zookeeper", &exhibitor.endpoint())).shows("zookeeper-foreign");
    check(&host, &at("exhibitor", &format!("{first}:8080"))).shows("exhibitor-refused");
    let printed = check(&host, &at("exhibitor", &exhibitor.endpoint()));
    assert_eq!(printed.text.matches("and reaches a quorum").count(), 3, "{}", printed.text);

    ensemble.servers[0].freeze();
    check(&host, &config).shows("zookeeper-hangs");
    ensemble.servers[0].thaw();
    ensemble.wait_serving(0);
    for place in [1, 2] {
        ensemble.servers[place].kill();
    }
    wait_for("the last one to notice", Duration::from_secs(40), || ensemble.servers[0].mode().is_none());
    check(&host, &config).shows("zookeeper-no-quorum");
}

#[test]
fn a_tls_mistake_is_reported() {
    let lab = Lab::new("tls");
    let tls = Tls::new(&lab);
    let options = EnsembleOptions { servers: 1, tls: Some(tls.clone()), ..EnsembleOptions::default() };
    let ensemble = Ensemble::start_with(&lab, &options);
    let host = lab.host("db1");
    let config = ConfigFile::of_store(&host, "zookeeper", &ensemble.endpoints());
    let printed = check(&host, &config.clone().with("dcs-ca-file", tls.ca_file().display()));
    assert!(printed.text.contains("and reaches a quorum"), "{}", printed.text);
    let plain = format!("{}:2180", ensemble.servers[0].host.v4());
    let printed = check(&host, &config.with("dcs-ca-file", tls.ca_file().display()).with("dcs-endpoints", plain));
    printed.shows("zookeeper-not-tls");
}
