//! Switchovers by `patronictl` while an application writes.

use std::time::Duration;

use crate::deployment::{Deployment, LIMIT};
use crate::support::clock::{now, wait_for};
use crate::support::host::VIP;
use crate::support::setup::report;
use crate::writer::{Writer, longest_gap, lost};

/// Enough writes to be sure that the application works.
const SOME: usize = 100;

#[test]
fn the_vip_follows_a_switchover_and_no_acknowledged_write_is_lost() {
    let mut deployment = Deployment::start("switchover");
    let application = Writer::start(&deployment.client, VIP);
    let begun = now();
    wait_for("writes before the switchover", LIMIT, || application.acknowledged_since(begun) > SOME);

    let asked = now();
    deployment.switch_over(0, 1);
    let held = deployment.observer.wait_held(&deployment.hosts[1], VIP, LIMIT);
    deployment.wait_leads(1);
    wait_for("writes after the switchover", LIMIT, || application.acknowledged_since(held) > SOME);
    let writes = application.stop();

    let failed = writes.iter().filter(|write| write.error.is_some()).count();
    let gap = longest_gap(&writes, begun);
    report("from the command to the VIP on the new leader", held.since(asked));
    report("the longest time without an acknowledged write", gap);
    report("writes, failed writes", (writes.len(), failed));
    let released = deployment.observer.wait_gone(&deployment.hosts[0], VIP, Duration::ZERO);
    assert!(released.is_some_and(|released| released <= held), "released {released:?}, acquired {held:?}");
    assert_eq!(deployment.overlap(), Duration::ZERO);
    let holds = deployment.hosts.iter().map(|host| deployment.observer.intervals(host, VIP).len());
    assert_eq!(holds.collect::<Vec<_>>(), [1, 1, 0], "each leader held the VIP once");
    assert_eq!(lost(&writes, &deployment.stored()), Vec::<u64>::new(), "acknowledged writes are missing");
    // Shutdown checkpoint, promotion and reconnection on a busy machine.
    assert!(gap < Duration::from_secs(30), "{gap:?}");
    deployment.assert_running();
}

/// A client's SYN that reaches the old host while nobody has the VIP is refused or lost; if it is lost, TCP repeats it a
/// second later.
#[test]
fn refusing_connections_after_a_release_makes_no_switchover_longer() {
    let mut deployment = Deployment::start("refusing");
    let mut gaps = [Vec::new(), Vec::new()];
    // Each leads as often with as without.
    for (turn, mode) in [0, 1, 1, 0, 0, 1].into_iter().enumerate() {
        let (from, to) = (turn % 2, (turn + 1) % 2);
        deployment.configure("refuse-after-release", ["10s", "0"][mode]);
        deployment.wait_replicates(to);
        gaps[mode].push(gaps_of(&deployment, from, to));
    }
    let [refusing, silent] = &mut gaps;
    for (what, gaps) in [("refuse-after-release 10s", &mut *refusing), ("refuse-after-release 0", &mut *silent)] {
        gaps.sort();
        report(&format!("{what}: per switchover, the longest time without a write, and the longest attempt"), &*gaps);
    }
    // Patroni and PostgreSQL, checkpoint and promotion, add to it what they like.
    assert!(refusing[1].0 < silent[1].0 + Duration::from_secs(5), "{refusing:?}, {silent:?}");
    deployment.assert_running();
}

/// The longest time without an acknowledged write in a switchover, and the longest that a single attempt took.
fn gaps_of(deployment: &Deployment, from: usize, to: usize) -> (Duration, Duration) {
    deployment.query("TRUNCATE writes");
    let application = Writer::start(&deployment.client, VIP);
    let begun = now();
    wait_for("writes before the switchover", LIMIT, || application.acknowledged_since(begun) > SOME);
    deployment.switch_over(from, to);
    let held = deployment.observer.wait_held(&deployment.hosts[to], VIP, LIMIT);
    deployment.wait_leads(to);
    wait_for("writes after the switchover", LIMIT, || application.acknowledged_since(held) > SOME);
    let writes = application.stop();
    let attempts = writes.windows(2).map(|pair| pair[1].at.since(pair[0].at));
    (longest_gap(&writes, begun), attempts.max().unwrap_or_default())
}
