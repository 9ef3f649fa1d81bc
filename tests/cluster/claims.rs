//! The key of a claim beside Patroni's own: Patroni and its tool do not mind it.

use std::time::Duration;

use crate::deployment::{Deployment, LIMIT, Options};
use crate::stores::Kind;
use crate::support::clock::wait_for;
use crate::support::setup::report;

#[test]
fn etcd3() {
    run(Kind::Etcd3);
}

#[test]
fn consul() {
    run(Kind::Consul);
}

fn run(kind: Kind) {
    let mut deployment =
        Deployment::start_with(&format!("{}-claim", kind.name()), Options { kind, ..Options::default() });
    let before = deployment.members(0);
    deployment.configure("claim", "require");
    wait_claimed(&deployment, 0);
    assert_eq!(deployment.members(0), before, "the list of members");
    assert_eq!(before, ["db1 Leader", "db2 Replica", "db3 Replica"]);

    deployment.switch_over(0, 1);
    wait_claimed(&deployment, 1);
    deployment.wait_replicates(0);
    assert_eq!(deployment.members(0), ["db1 Replica", "db2 Leader", "db3 Replica"]);

    // It deletes all keys of the scope, and the running Patronis write theirs again.
    let known = deployment.store.claim();
    deployment.remove(0, "db2");
    wait_for("the end of the claim", LIMIT, || deployment.store.claim() != known);
    wait_claimed(&deployment, 1);
    deployment.assert_running();
    report(&format!("{kind:?}: two hosts had the VIP for"), deployment.overlap());
    assert_eq!(deployment.overlap(), Duration::ZERO);
}

/// Waits until this host leads, has the claim, and has the VIP.
fn wait_claimed(deployment: &Deployment, host: usize) {
    let owner = format!("\"host\":\"{}\"", deployment.hosts[host].name());
    wait_for(&format!("the claim of {owner}"), LIMIT, || {
        let claim = deployment.store.claim();
        claim.is_some_and(|(value, _)| value.contains(&owner))
            && deployment.holder() == Some(host)
            && deployment.leaders() == [host]
    });
}
