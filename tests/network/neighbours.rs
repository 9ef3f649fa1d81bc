//! A client's neighbour table, with the kernel's defaults, points to the new host right after each change.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::clock::{now, wait_for};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::host::{VIP, VIP6};
use crate::support::setup::{SOON, Setup, report, wait_status};

/// vip-manager #12: traffic went to the old host for up to 15 minutes. #272, #288, #245; PR #420 for IPv6.
#[test]
fn after_each_of_ten_changes_clients_reach_the_new_host_at_once() {
    let setup = Setup::new("neighbours", 2);
    let vips = format!("[{VIP}, \"{VIP6}\"]");
    let daemons = [0, 1].map(|place| {
        let host = &setup.hosts[place];
        Daemon::start(host, &ConfigFile::basic(host, &setup.cluster).with("ip", &vips))
    });
    setup.set_leader(&setup.hosts[0]);
    wait_status(&daemons[0], "2 held");
    wait_status(&daemons[1], "2 standby");
    let addresses = [VIP, VIP6];
    for address in addresses {
        ping(&setup, address);
        assert_eq!(setup.client.neighbour(address), Some(setup.hosts[0].mac()));
    }
    let mut longest = Duration::ZERO;
    for change in 1..=10 {
        let next = &setup.hosts[change % 2];
        let mac = next.mac();
        // No pause: the entry is younger than its lock time of a second, in which most packets are ignored.
        setup.set_leader(next);
        for address in addresses {
            let held = setup.observer.wait_held(next, address, SOON);
            wait_for(&format!("change {change}: {address} at {mac}"), SOON, || {
                setup.client.neighbour(address).as_deref() == Some(mac.as_str())
            });
            longest = longest.max(now().since(held));
        }
    }
    report("address up to the client's table, at most", longest);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    for address in addresses {
        ping(&setup, address);
        // One write takes it from one host and gives it to the other; both hear of it at once.
        let overlap = setup.observer.overlap(&setup.hosts[0], &setup.hosts[1], address);
        report(&format!("{address}: both hosts at once, in ten changes"), overlap);
        assert!(overlap < Duration::from_millis(250), "{overlap:?}");
    }
}

fn ping(setup: &Setup, address: IpAddr) {
    setup.client.run("ping", &["-n", "-c1", "-W5", &address.to_string()]);
}
