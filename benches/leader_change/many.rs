//! Measures a thousand VIPs on one daemon, each with its own key, all moved at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vip_manager::time::Moment;

use crate::Effort;
use crate::series::{Series, after};
use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::etcd::Cluster;
use crate::support::host::{Host, INTERFACE};
use crate::support::lab::Lab;
use crate::support::watcher::Watcher;
use crate::usage::{Memory, Rest, at_rest, memory, streams_per_member};

const LIMIT: Duration = Duration::from_secs(60);
const LEASE: i64 = 3600;
const PREFIX: &str = "/many/";
/// A key under the prefix that shows when the watches are established.
const PROBE: &str = "/many/probe";

#[derive(Clone, Debug)]
pub(crate) struct Many {
    pub(crate) vips: usize,
    /// From a key's change at a bare watch client to the announcement at the client.
    pub(crate) announced: Series,
    /// From the first key's change to the last announcement, one value per move.
    pub(crate) all: Series,
    pub(crate) memory: Memory,
    pub(crate) holder: Rest,
    /// With two daemons and the bench's own watch on the cluster.
    pub(crate) streams_per_member: f64,
}

pub(crate) fn measure(effort: &Effort) -> Many {
    let lab = Lab::new("many");
    let hosts = [lab.host("db1"), lab.host("db2")];
    let client = lab.host("client");
    let cluster = Cluster::start(&lab, 3);
    let lease = cluster.store().grant(LEASE);
    let capture = Capture::on(&client);
    let move_to = |host: &Host| {
        let pairs = (0..effort.vips).map(|number| (key(number), host.name().to_owned())).collect();
        cluster.store().put_all(pairs, lease);
    };

    move_to(&hosts[0]);
    let daemons = hosts.each_ref().map(|host| Daemon::start_with(host, &config(host, &cluster, effort.vips), &[]));
    wait_for("the daemons", LIMIT, || daemons.iter().all(Daemon::ready));
    wait_for("all addresses on db1", LIMIT, || {
        pause(Duration::from_millis(200));
        addresses(&hosts[0]) >= effort.vips
    });
    let (mut announced, mut all) = (Series::default(), Series::default());
    for round in 0..effort.moves {
        // The announcements of the previous change end after some seconds.
        pause(Duration::from_secs(6));
        let to = &hosts[(round + 1) % 2];
        let watcher = watching(&client, &cluster);
        capture.clear();
        let sent = now();
        move_to(to);
        let firsts = announcements(&capture, to, sent, effort.vips);
        let changed: BTreeMap<String, Moment> =
            watcher.changes().into_iter().map(|change| (change.key, change.at)).collect();
        for (number, at) in &firsts {
            announced.add(after(changed[&key(*number)], *at));
        }
        let first_change = (0..effort.vips).map(|number| changed[&key(number)]).min().unwrap_or(sent);
        let last = firsts.values().max().copied().unwrap_or(sent);
        all.add(after(first_change, last));
    }
    let streams_per_member = streams_per_member(&cluster);
    pause(Duration::from_secs(10));
    let holder = &daemons[effort.moves % 2];
    Many {
        vips: effort.vips,
        announced,
        all,
        memory: memory(holder.process.pid()),
        holder: at_rest(holder.process.pid(), &cluster, effort.rest),
        streams_per_member,
    }
}

/// A watcher whose watches are established.
fn watching(client: &Host, cluster: &Cluster) -> Watcher {
    let watcher = Watcher::on(client, cluster, PREFIX);
    wait_for("the bare watch client", LIMIT, || {
        cluster.store().put(PROBE, "?");
        pause(Duration::from_millis(100));
        !watcher.changes().is_empty()
    });
    watcher
}

/// The first announcement of each VIP from the new host.
fn announcements(capture: &Capture, to: &Host, since: Moment, vips: usize) -> BTreeMap<usize, Moment> {
    let mac = to.mac();
    let numbers: BTreeMap<IpAddr, usize> = (0..vips).map(|number| (address(number), number)).collect();
    let mut firsts = BTreeMap::new();
    wait_for("all announcements", LIMIT, || {
        pause(Duration::from_millis(100));
        for packet in capture.all() {
            if packet.at >= since
                && packet.mac.to_string() == mac
                && let Some(number) = numbers.get(&packet.address)
            {
                firsts.entry(*number).or_insert(packet.at);
            }
        }
        firsts.len() == vips
    });
    firsts
}

fn config(host: &Host, cluster: &Cluster, vips: usize) -> String {
    let mut text = ConfigFile::basic(host, cluster).without("ip").without("trigger-key").text();
    text.push_str("vips:\n");
    for number in 0..vips {
        let _ = writeln!(text, "  - {{ ip: {}, trigger-key: {} }}", address(number), key(number));
    }
    text
}

fn key(number: usize) -> String {
    format!("{PREFIX}{number:04}/leader")
}

/// Addresses from 10.66.100.1, without last bytes that look like a broadcast address.
fn address(number: usize) -> IpAddr {
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    IpAddr::V4(Ipv4Addr::new(10, 66, byte(100 + number / 250), byte(1 + number % 250)))
}

fn addresses(host: &Host) -> usize {
    host.ip(&format!("-o -4 addr show dev {INTERFACE}")).lines().count().saturating_sub(1)
}
