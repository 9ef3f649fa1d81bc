//! Servers that Exhibitor tells.

use std::time::Duration;

use crate::setup::{SOON, Setup, TTL, wait_logged};
use crate::support::clock::{pause, wait_for};
use crate::support::daemon::{Daemon, KEY};
use crate::support::exhibitor::Exhibitor;

#[test]
fn the_vip_stays_while_the_list_of_servers_changes() {
    let mut setup = Setup::new("exhibitor", 3, 1);
    let exhibitor = Exhibitor::start(&setup.client, &[&setup.ensemble.servers[0].host]);
    // The first one is nobody.
    let endpoints = format!("10.66.0.250, {}", exhibitor.endpoint());
    let config = setup.config(0).with("dcs-type", "exhibitor").with("dcs-endpoints", endpoints);
    setup.daemons = vec![Daemon::start(&setup.hosts[0], &config.with("hold-timeout", "20s").with("claim-ttl", "30s"))];
    let patroni = setup.ensemble.session(1, TTL);
    patroni.lead(KEY, "db1");
    setup.wait_held(0);

    exhibitor.tell(&[&setup.ensemble.servers[1].host, &setup.ensemble.servers[2].host]);
    setup.ensemble.servers[0].kill();
    wait_logged(&setup.daemons[0], "endpoint answers again");
    pause(Duration::from_secs(1));
    let intervals = setup.observer.intervals(&setup.hosts[0], crate::support::host::VIP);
    assert_eq!((intervals.len(), intervals[0].until), (1, None), "{intervals:?}");
    // What comes from the new servers counts.
    assert_eq!(patroni.delete(KEY).0, 0);
    wait_for("the release", SOON, || !setup.holds(0));
}
