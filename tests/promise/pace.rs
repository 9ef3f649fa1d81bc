//! How often the daemon reads: seldom while everything is quiet, at once often in doubt, and always before its deadline.

use std::time::Duration;

use vip_manager::time::Moment;

use super::measure::{report, seconds};
use super::setup::{SOON, Setup};
use super::support::clock::{now, pause, wait_for, wait_until};
use super::support::cut::Way;
use super::support::etcd::ClusterOptions;
use super::support::patroni::Timing;

/// A read of a quiet holder follows the one before after so long at least; in doubt, after so long at most.
const QUIET: Duration = Duration::from_millis(1_800);
const OFTEN: Duration = Duration::from_millis(1_400);
/// Three reads at the full pace, on a busy machine.
const BECOMING_QUIET: Duration = Duration::from_secs(30);
/// The longest time between two reads of a quiet host that the key does not name.
const SLOW_READ: Duration = Duration::from_millis(11_250);
/// A session is given up after a third of the hold-timeout.
const CALL_LIMIT: Duration = Duration::from_millis(3_334);

/// A holder with this interval under Patroni's lease keeps the VIP for as long as it takes to see two reads.
fn keep_without_a_gap(name: &str, interval: &str, ttl: i64, watch_for: Duration) {
    let setup = Setup::with(name, 1, &ClusterOptions { members: 1, ..ClusterOptions::default() }, |_, config| {
        config.with("interval", interval)
    });
    let patronis = setup.patronis(&Timing { ttl, loop_wait: Duration::from_secs(10), ..Timing::default() });
    patronis[0].take_over();
    let held = setup.wait_held(0);
    let pinger = setup.ping();
    pause(watch_for);
    let renewed = setup.shown_since(0, held).len();
    let pings = setup.assert_undisturbed(0, pinger);
    report(&format!("interval {interval}, ttl {ttl} s: {renewed} renewals, {} pings, none lost", pings.sent));
    assert!(renewed > 2, "{renewed} renewals");
}

#[test]
fn an_interval_as_long_as_the_lease_costs_no_ping() {
    keep_without_a_gap("long30", "30s", 30, Duration::from_secs(42));
}

#[test]
fn an_interval_of_half_the_lease_costs_no_ping() {
    keep_without_a_gap("long10", "10s", 20, Duration::from_secs(25));
}

/// The time between the last two renewals of the holder. None is older than `since`.
fn last_pause(setup: &Setup, since: Moment) -> Option<Duration> {
    let shown = setup.shown_since(0, since);
    let [.., before, last] = &shown[..] else { return None };
    Some(last.at.since(before.at))
}

fn wait_quiet(setup: &Setup) {
    let since = now();
    wait_for("seldom renewals", BECOMING_QUIET, || last_pause(setup, since).is_some_and(|pause| pause > QUIET));
}

#[test]
fn a_holder_reads_seldom_while_all_is_quiet_and_often_when_a_member_hangs() {
    let setup = Setup::new("pace", 1);
    setup.lead(0);
    wait_quiet(&setup);
    setup.cluster.members[1].freeze();
    let frozen = now();
    // Every third read asks it.
    wait_for("frequent renewals", SOON, || last_pause(&setup, frozen).is_some_and(|pause| pause < OFTEN));
    report(&format!("read often {:.1} s after a member was frozen", seconds(frozen, now())));
    setup.cluster.members[1].thaw();
    wait_quiet(&setup);
}

/// Neither its watches nor its connections tell that they are dead.
#[test]
fn a_quiet_host_that_is_cut_off_learns_it_by_its_slow_read_and_the_change_when_it_is_back() {
    let setup = Setup::new("deaf", 2);
    setup.lead(0);
    wait_quiet(&setup);
    let cut = setup.cut_etcd(1, Way::Both);
    let cut_at = now();
    let told = wait_until("a word of the dead endpoints", SLOW_READ + CALL_LIMIT + SOON, || {
        let lines = setup.daemons[1].process.lines();
        lines.into_iter().find(|line| line.text.contains("endpoint does not serve")).map(|line| line.at)
    });
    report(&format!("the dead endpoint was found after {:.1} s", seconds(cut_at, told)));
    assert!(told < cut_at + SLOW_READ + CALL_LIMIT + Duration::from_secs(2), "{:.1} s", seconds(cut_at, told));
    setup.set_leader(1);
    setup.wait_gone(0, SOON);
    cut.heal();
    setup.wait_held(1);
    assert_eq!(setup.overlap(), Duration::ZERO);
}

#[test]
fn a_change_is_followed_at_once_however_quiet_it_was() {
    let setup = Setup::new("follow", 2);
    setup.lead(0);
    wait_quiet(&setup);
    let moved = setup.set_leader(1);
    let held = setup.wait_held(1);
    report(&format!("followed within {:.3} s", seconds(moved, held)));
    assert!(held < moved + Duration::from_millis(500), "{:.3} s", seconds(moved, held));
}
