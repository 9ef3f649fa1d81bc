//! Measures leader changes between three hosts.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::Effort;
use crate::series::{Series, after};
use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::daemon::{ConfigFile, Daemon, KEY};
use crate::support::etcd::Cluster;
use crate::support::host::{Host, VIP};
use crate::support::lab::Lab;
use crate::support::observer::AddressObserver;
use crate::support::store::Store;
use crate::support::watcher::Watcher;

const LIMIT: Duration = Duration::from_secs(10);
/// After a change the bench sleeps, so that it does not compete for the processor.
const SETTLE: Duration = Duration::from_millis(60);
/// Longer than any run, so that the bench does not have to renew the lease.
const LEASE: i64 = 3600;

/// All times but the first and the gap are relative to the event at the bare watch client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// From the write request to the event at the first bare watch client: the lower bound.
    pub(crate) event: Series,
    pub(crate) removal: Series,
    pub(crate) address: Series,
    pub(crate) announcement: Series,
    /// From the removal on the old host to the address on the new one; negative if both had it.
    pub(crate) gap: Series,
}

struct Bench {
    hosts: Vec<Host>,
    store: Store,
    lease: i64,
    watcher: Watcher,
    observer: AddressObserver,
    capture: Capture,
}

pub(crate) fn measure(effort: &Effort) -> Changes {
    let lab = Lab::new("changes");
    let hosts: Vec<Host> = ["db1", "db2", "db3"].map(|name| lab.host(name)).into();
    let client = lab.host("client");
    let cluster = Cluster::start(&lab, 3);
    let store = cluster.store().clone();
    let bench = Bench {
        lease: store.grant(LEASE),
        store,
        watcher: Watcher::on(&client, &cluster, KEY),
        observer: AddressObserver::over(&hosts.iter().collect::<Vec<_>>()),
        capture: Capture::on(&client),
        hosts,
    };
    let daemons: Vec<Daemon> =
        bench.hosts.iter().map(|host| Daemon::start(host, &ConfigFile::basic(host, &cluster))).collect();
    wait_for("the daemons", LIMIT, || daemons.iter().all(Daemon::ready));

    bench.store.put_leased(KEY, bench.hosts[0].name(), bench.lease);
    bench.observer.wait_held(&bench.hosts[0], VIP, LIMIT);
    let mut changes = Changes::default();
    for round in 0..effort.changes {
        let (from, to) = (round % bench.hosts.len(), (round + 1) % bench.hosts.len());
        // Avoids running in step with the daemons' intervals.
        pause(SETTLE + Duration::from_millis(7 * (round as u64 % 13)));
        bench.change(&bench.hosts[from], &bench.hosts[to], &mut changes);
    }
    changes
}

impl Bench {
    fn change(&self, from: &Host, to: &Host, changes: &mut Changes) {
        let mac = to.mac();
        self.capture.clear();
        let sent = now();
        let revision = self.store.put_leased(KEY, to.name(), self.lease);
        pause(SETTLE);
        let event = wait_until("the bare watch client's event", LIMIT, || self.watcher.seen_at(revision, KEY));
        let address = self.begun(to, sent);
        let removal = self.ended(from, sent);
        let wire = wait_until("the announcement", LIMIT, || self.capture.first(sent, VIP, &mac)).at;
        changes.event.add(after(sent, event));
        changes.removal.add(after(event, removal));
        changes.address.add(after(event, address));
        changes.announcement.add(after(event, wire));
        changes.gap.add(after(removal, address));
    }

    fn begun(&self, host: &Host, since: Moment) -> Moment {
        wait_until(&format!("the address on {}", host.name()), LIMIT, || {
            let begun = self.observer.intervals(host, VIP).last()?.from;
            (begun > since).then_some(begun)
        })
    }

    fn ended(&self, host: &Host, since: Moment) -> Moment {
        wait_until(&format!("the removal on {}", host.name()), LIMIT, || {
            self.observer.intervals(host, VIP).last()?.until.filter(|end| *end > since)
        })
    }
}
