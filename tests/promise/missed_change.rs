//! The leader moves while the old holder is cut off from etcd, and the history is compacted meanwhile.

use std::time::Duration;

use super::measure::{report, seconds};
use super::setup::{HOLD, SOON, Setup};
use super::support::clock::{now, pause, wait_for};
use super::support::cut::Way;
use super::support::daemon::KEY;
use super::support::host::VIP;

/// The time until the daemon is in doubt, on a busy machine.
const UNTIL_DOUBT: Duration = Duration::from_secs(4);

/// Cuts only the old holder off from etcd for `cut_for`. The clients still reach it.
fn move_during_cut(name: &str, cut_for: Duration) {
    let setup = Setup::new(name, 2);
    setup.lead(0);
    setup.client.run("ping", &["-n", "-c1", "-w5", &VIP.to_string()]);
    let cut = setup.cut_etcd(0, Way::Both);
    let cut_at = now();
    setup.set_leader(1);
    setup.wait_held(1);
    for number in 0..20 {
        setup.write(&format!("{KEY}-other"), &number.to_string(), 0);
    }
    setup.cluster.compact();
    let new_mac = setup.hosts[1].mac();
    let neighbour = || setup.client.neighbour(VIP);
    wait_for("the client's neighbour table", SOON, || neighbour().as_deref() == Some(new_mac.as_str()));

    pause(cut_for.saturating_sub(now().since(cut_at)));
    cut.heal();
    let healed = now();
    let gone = setup.wait_gone(0, SOON);
    report(&format!(
        "cut for {cut_for:?}: released {:.2} s after the cut, {:.2} s after its end; two hosts for {:.2} s",
        seconds(cut_at, gone),
        seconds(healed, gone),
        setup.overlap().as_secs_f64()
    ));
    assert!(gone < cut_at + HOLD + Duration::from_millis(500), "{:.2} s", seconds(cut_at, gone));

    setup.assert_stays_released(0, Duration::from_secs(4));
    assert!(setup.holds(1));
    let old_mac = setup.hosts[0].mac();
    let packets = setup.capture.since(cut_at + UNTIL_DOUBT, VIP);
    let wrong: Vec<_> = packets.iter().filter(|packet| packet.mac.to_string() == old_mac).collect();
    assert!(wrong.is_empty(), "announced while in doubt: {wrong:?}");
    assert_eq!(neighbour().as_deref(), Some(new_mac.as_str()), "the client follows the new holder");
}

/// vip-manager #394. The connections survive the cut, and with them the watches.
#[test]
fn the_old_holder_releases_after_a_short_cut_during_which_etcd_was_compacted() {
    move_during_cut("short", Duration::from_secs(2));
}

/// vip-manager #394 and #208. Every session ends meanwhile, and new watches would start at a compacted revision.
#[test]
fn the_old_holder_releases_after_a_long_cut_during_which_etcd_was_compacted() {
    move_during_cut("long", Duration::from_secs(7));
}

#[test]
fn the_old_holder_releases_at_its_deadline_while_it_is_cut_off() {
    move_during_cut("deadline", Duration::from_secs(14));
}
