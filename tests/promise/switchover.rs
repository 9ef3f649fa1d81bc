//! The leader moves while everything is connected: when the old host releases, when the new one acquires and announces.

use std::time::Duration;

use vip_manager::time::Moment;

use super::measure::{millis, report};
use super::setup::{SOON, Setup};
use super::support::clock::wait_until;
use super::support::host::VIP;
use super::support::patroni::{Timing, switch_over};

const CHANGES: usize = 20;
/// The longest overlap of two hosts on a busy machine.
const OVERLAP: Duration = Duration::from_secs(1);
/// The observer timestamps notifications when it reads them; packets have the kernel's timestamps.
const OBSERVER_LATE: Duration = Duration::from_secs(1);
const STAMPS_DIFFER: Duration = Duration::from_millis(50);

/// The gap between the two holders of each change, in milliseconds; negative if both held.
fn moves(setup: &Setup, mut change: impl FnMut(usize, usize) -> Moment) -> Vec<f64> {
    let count = setup.hosts.len();
    let mut gaps = Vec::new();
    let mut times = Vec::new();
    for turn in 0..CHANGES {
        let (from, to) = (turn % count, (turn + 1) % count);
        let moved = change(from, to);
        let held = setup.wait_held(to);
        let gone = setup.wait_gone(from, SOON);
        gaps.push(millis(gone, held));
        times.push(millis(moved, held));
    }
    gaps.sort_by(f64::total_cmp);
    times.sort_by(f64::total_cmp);
    let summary = |values: &[f64]| {
        format!("least {:.1} ms, median {:.1} ms, most {:.1} ms", values[0], values[CHANGES / 2], values[CHANGES - 1])
    };
    report(&format!(
        "{CHANGES} changes, from the release on the old host to the address on the new one: {}",
        summary(&gaps)
    ));
    report(&format!("from the write of the key to the address on the new host: {}", summary(&times)));
    gaps
}

/// Asserts that every announcement came from a host that had the VIP.
#[track_caller]
fn only_holders_announced(setup: &Setup) {
    let packets = setup.capture.since(Moment::default(), VIP);
    assert!(packets.len() >= CHANGES, "only {} announcements", packets.len());
    for packet in &packets {
        let sender = setup.hosts.iter().position(|host| host.mac() == packet.mac.to_string());
        let held = sender.is_some_and(|host| {
            setup.intervals(host).iter().any(|held| {
                packet.at + OBSERVER_LATE >= held.from
                    && held.until.is_none_or(|until| packet.at <= until + STAMPS_DIFFER)
            })
        });
        assert!(held, "{packet:?}; {:?}", sender.map(|host| setup.intervals(host)));
        assert_eq!(packet.mac, packet.source);
    }
}

/// Waits until the neighbour table of a client that uses the VIP has the new host.
fn client_follows(setup: &Setup, to: usize) {
    let mac = setup.hosts[to].mac();
    wait_until("the client's neighbour table", SOON, || (setup.client.neighbour(VIP)? == mac).then_some(()));
}

#[test]
fn vip_is_released_before_it_is_acquired_when_the_key_is_overwritten() {
    let setup = Setup::new("by-hand", 3);
    setup.lead(0);
    let pinger = setup.ping();
    let gaps = moves(&setup, |_, to| {
        let moved = setup.set_leader(to);
        client_follows(&setup, to);
        moved
    });
    let pings = pinger.stop();
    report(&format!("a client lost {} of {} pings, {:?} at most", pings.lost(), pings.sent, pings.longest_outage()));
    assert!(gaps[CHANGES / 2] > 0.0, "usually there is a gap, not an overlap: {gaps:?}");
    assert!(gaps[0] > -1_000.0 && setup.overlap() < OVERLAP, "two hosts at the same time: {gaps:?}");
    assert!(pings.longest_outage() < Duration::from_secs(5), "{:?}", pings.outages());
    only_holders_announced(&setup);
}

#[test]
fn vip_is_released_before_it_is_acquired_when_patroni_switches_over() {
    let setup = Setup::new("patroni", 2);
    let patronis = setup.patronis(&Timing::default());
    patronis[0].take_over();
    setup.wait_held(0);
    setup.client.run("ping", &["-n", "-c1", "-w5", &VIP.to_string()]);
    let gaps = moves(&setup, |from, to| {
        let moved = switch_over(&patronis[from], &patronis[to]);
        client_follows(&setup, to);
        moved
    });
    assert!(gaps[0] > 0.0, "the key was absent in between, so no host may hold: {gaps:?}");
    assert_eq!(setup.overlap(), Duration::ZERO);
    only_holders_announced(&setup);
}
