//! The lab's own ensemble: what the other tests rely on.

use std::time::Duration;

use vip_manager::wire::jute::{Acl, Code};

use crate::support::clock::{now, wait_for};
use crate::support::lab::Lab;
use crate::support::zookeeper::{Ensemble, EnsembleOptions};

const SOON: Duration = Duration::from_secs(30);
const KEY: &str = "/service/pg/leader";

#[test]
fn three_servers_elect_a_leader_and_survive_its_loss() {
    let lab = Lab::new("three");
    let mut ensemble = Ensemble::start(&lab, 3);
    let leader = ensemble.leader();
    ensemble.session(leader, Duration::from_secs(10)).put("/a", "1");
    ensemble.servers[leader].kill();
    let next = || ensemble.servers.iter().position(|server| server.mode().as_deref() == Some("leader"));
    wait_for("another leader", SOON, || next().is_some());
    assert_eq!(ensemble.session(next().unwrap(), Duration::from_secs(10)).get("/a").unwrap().0, "1");
}

#[test]
fn an_ephemeral_znode_ends_with_its_session() {
    let lab = Lab::new("ephemeral");
    let tick = Duration::from_millis(500);
    let ensemble = Ensemble::start_with(&lab, &EnsembleOptions { servers: 1, tick, ..EnsembleOptions::default() });
    let watching = ensemble.session(0, Duration::from_secs(10));
    let holder = |watching: &super::support::zookeeper::Session| watching.get(KEY).map(|(value, _)| value);

    let first = ensemble.session(0, Duration::from_secs(2));
    assert_eq!(first.timeout, Duration::from_secs(2));
    first.lead(KEY, "pg1");
    let second = ensemble.session(0, Duration::from_secs(60));
    assert_eq!(second.timeout, tick * 20, "sessions last at most twenty ticks");
    second.lead(KEY, "pg2");
    let (value, stat) = watching.get(KEY).unwrap();
    assert_eq!((&*value, stat.owner, stat.version), ("pg2", second.id, 0));
    second.close();
    assert_eq!(holder(&watching), None, "a session that is closed takes its znodes with it");

    first.lead(KEY, "pg1");
    let since = now();
    first.fall_silent();
    wait_for("the end of the session", SOON, || holder(&watching).is_none());
    let took = now().since(since);
    // Its last ping is up to a quarter of the timeout old.
    assert!(took > Duration::from_millis(1_400) && took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn an_acl_keeps_others_out() {
    let lab = Lab::new("acl");
    let ensemble = Ensemble::start(&lab, 1);
    let (owner, other) = (ensemble.session(0, Duration::from_secs(10)), ensemble.session(0, Duration::from_secs(10)));
    assert_eq!(owner.log_in("digest", "patroni:secret"), Code::OK);
    assert_eq!(owner.create(KEY, "pg1", &[Acl::OWN], true), Code::OK);
    assert_eq!(other.get(KEY), None);
    assert_eq!(other.log_in("digest", "patroni:secret"), Code::OK);
    assert_eq!(other.get(KEY).unwrap().0, "pg1");
}
