//! A switchover by `patronictl` while an application writes.

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
    let gap = longest_gap(&writes);
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
