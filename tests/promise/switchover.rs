//! The leader moves, everybody is connected: who lets go when, who takes when, and who speaks.

use std::time::Duration;

use vip_manager::time::Moment;

use super::measure::{millis, report};
use super::setup::{SOON, Setup};
use super::support::clock::wait_until;
use super::support::host::VIP;
use super::support::patroni::{Timing, switch_over};

const CHANGES: usize = 20;
/// Two hosts at once, on the busiest machine.
const OVERLAP: Duration = Duration::from_secs(1);
/// The observer reads notices when it gets to it, and packets bear the kernel's own stamp.
const OBSERVER_LATE: Duration = Duration::from_secs(1);
const STAMPS_DIFFER: Duration = Duration::from_millis(50);

/// How the two hosts of each change lay to each other, in milliseconds: negative where both held.
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
    let told = |values: &[f64]| {
        format!("least {:.1} ms, median {:.1} ms, most {:.1} ms", values[0], values[CHANGES / 2], values[CHANGES - 1])
    };
    report(&format!("{CHANGES} changes, from the old host's release to the new one's hold: {}", told(&gaps)));
    report(&format!("from the written key to the new host's hold: {}", told(&times)));
    gaps
}

/// Every packet that spoke for the VIP came from a host that had it.
#[track_caller]
fn only_holders_announced(setup: &Setup) {
    let packets = setup.capture.since(Moment::default(), VIP);
    assert!(packets.len() >= CHANGES, "only {} announcements", packets.len());
    for packet in &packets {
        let speaker = setup.hosts.iter().position(|host| host.mac() == packet.mac.to_string());
        let held = speaker.is_some_and(|host| {
            setup.intervals(host).iter().any(|held| {
                packet.at + OBSERVER_LATE >= held.from
                    && held.until.is_none_or(|until| packet.at <= until + STAMPS_DIFFER)
            })
        });
        assert!(held, "{packet:?}; {:?}", speaker.map(|host| setup.intervals(host)));
        assert_eq!(packet.mac, packet.source);
    }
}

/// The neighbour table of a client that speaks to the VIP follows each change.
fn client_follows(setup: &Setup, to: usize) {
    let mac = setup.hosts[to].mac();
    wait_until("the client's neighbour table", SOON, || (setup.client.neighbour(VIP)? == mac).then_some(()));
}

#[test]
fn the_key_is_moved_by_hand_and_the_old_host_lets_go_before_the_new_one_takes() {
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
    assert!(gaps[CHANGES / 2] > 0.0, "the usual case is a gap, not an overlap: {gaps:?}");
    assert!(gaps[0] > -1_000.0 && setup.overlap() < OVERLAP, "two hosts answered: {gaps:?}");
    assert!(pings.longest_outage() < Duration::from_secs(5), "{:?}", pings.outages());
    only_holders_announced(&setup);
}

#[test]
fn patroni_switches_over_and_the_old_host_lets_go_before_the_new_one_takes() {
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
    assert!(gaps[0] > 0.0, "the key was absent in between, so nobody held then: {gaps:?}");
    assert_eq!(setup.overlap(), Duration::ZERO);
    only_holders_announced(&setup);
}
