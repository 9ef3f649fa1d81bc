//! Somebody else takes the address away: it is back and announced before anybody notices.

use std::net::IpAddr;
use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::host::{Host, INTERFACE, VIP, VIP6};
use crate::support::setup::{SOON, Setup, report, wait_announced, wait_logged, wait_status};

/// The promise is 50 ms after the notice, on a machine that is not also busy with other tests.
const PROMPT: Duration = Duration::from_millis(250);

/// Waits until the address has gone and come back since a moment, and returns both moments. It may go more than once:
/// `ip addr flush` deletes until nothing is left, and what comes back before that is deleted again.
fn gone_and_back(setup: &Setup, address: IpAddr, since: Moment) -> (Moment, Moment) {
    wait_until(&format!("{address} gone and back"), SOON, || {
        let intervals = setup.observer.intervals(setup.host(), address);
        let gone = intervals.iter().filter_map(|interval| interval.until).find(|until| *until >= since)?;
        let back = intervals.iter().map(|interval| interval.from).find(|from| *from >= gone)?;
        Some((gone, back))
    })
}

/// An address of each family, announced once and not in a series, so that what is seen later has its own reason.
fn both(setup: &Setup) -> ConfigFile {
    setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")).with("announce-count", 1)
}

fn assert_back(setup: &Setup, capture: &Capture, address: IpAddr, since: Moment) {
    let (gone, back) = gone_and_back(setup, address, since);
    // Frames are stamped by the kernel, notices when they are read: the frame may seem to be the earlier.
    let announced = wait_announced(capture, setup.host(), address, since).at;
    report(&format!("{address} back after"), back.since(gone));
    report(&format!("{address} announced after"), announced.since(gone));
    assert!(back.since(gone) < PROMPT && announced.since(gone) < PROMPT);
}

/// keepalived #836, #1385, systemd #12050: networkd or NetworkManager strips the address.
#[test]
fn an_address_deleted_by_hand_is_back_and_announced_at_once() {
    let setup = Setup::new("deleted", 1);
    let capture = Capture::on(&setup.client);
    let daemon = setup.lead(&both(&setup), VIP);
    wait_status(&daemon, "2 held");
    for (address, length) in [(VIP, 32), (VIP6, 128)] {
        let since = now();
        setup.host().ip(&format!("addr del {address}/{length} dev {INTERFACE}"));
        assert_back(&setup, &capture, address, since);
        wait_logged(&daemon, &format!("{address}/{length} on eth0 removed by another program"));
    }
}

/// `networkctl reload`, `netplan apply`.
#[test]
fn a_flushed_interface_has_its_addresses_back_at_once() {
    let setup = Setup::new("flushed", 1);
    let capture = Capture::on(&setup.client);
    let daemon = setup.lead(&both(&setup), VIP);
    wait_status(&daemon, "2 held");
    let since = now();
    // For both families at once it may end without having come to IPv6, if IPv4 addresses come back meanwhile.
    for family in ["-4", "-6"] {
        setup.host().ip(&format!("{family} addr flush dev {INTERFACE}"));
    }
    for address in [VIP, VIP6] {
        assert_back(&setup, &capture, address, since);
    }
    for address in [VIP, VIP6] {
        setup.observer.wait_held(setup.host(), address, SOON);
    }
    // Whoever flushed puts the host's own addresses back, and nothing has changed for clients.
    setup.host().ip(&format!("addr add {}/16 dev {INTERFACE}", setup.host().v4()));
    let later = now();
    pause(Duration::from_secs(3));
    wait_status(&daemon, "2 held");
    assert!(setup.observer.held_at(setup.host(), VIP, later) && setup.host().carries(VIP));
}

#[test]
fn an_address_changed_by_hand_is_set_right() {
    let setup = Setup::new("changed", 1);
    let daemon = setup.lead(&setup.config(), VIP);
    wait_status(&daemon, "held");
    // Made permanent, and once more with another prefix length.
    setup.host().ip(&format!("addr change {VIP}/32 dev {INTERFACE} valid_lft forever preferred_lft forever"));
    setup.host().ip(&format!("addr add {VIP}/24 dev {INTERFACE}"));
    wait_for("one address with an end", SOON, || {
        let shown = setup.host().ip(&format!("-o addr show to {VIP}"));
        shown.lines().count() == 1 && shown.contains("/32 ") && !shown.contains("valid_lft forever")
    });
    assert_eq!(setup.times_held(VIP), 1);
}

#[test]
fn an_address_put_up_by_hand_where_the_key_does_not_say_so_goes() {
    let setup = Setup::new("intruder", 1);
    setup.set_unknown_leader();
    let daemon = Daemon::start(setup.host(), &setup.config());
    wait_status(&daemon, "standby");
    let put = now();
    setup.host().ip(&format!("addr add {VIP}/24 dev {INTERFACE}"));
    let gone = wait_until("its end", SOON, || {
        setup.observer.intervals(setup.host(), VIP).last().and_then(|interval| interval.until)
    });
    report("an intruder gone after", gone.since(put));
    assert!(gone.since(put) < Duration::from_secs(1));
    wait_logged(&daemon, "added by another program");
}

/// "The VIP goes with its link and does not come back."
#[test]
fn an_interface_that_flaps_has_both_addresses_back_and_announced() {
    let setup = Setup::new("flap", 1);
    let capture = Capture::on(&setup.client);
    let daemon = setup.lead(&both(&setup), VIP);
    wait_status(&daemon, "2 held");
    for _ in 0..3 {
        pause(Duration::from_millis(500));
        setup.host().ip(&format!("link set {INTERFACE} down"));
        pause(Duration::from_millis(200));
        let down = now();
        setup.host().ip(&format!("link set {INTERFACE} up"));
        let up = now();
        for address in [VIP, VIP6] {
            wait_for(&format!("{address}"), SOON, || setup.host().carries(address));
            let announced = wait_announced(&capture, setup.host(), address, down).at;
            report(&format!("{address}: link up to the announcement"), announced.since(up));
            assert!(announced.since(up) < Duration::from_secs(1));
        }
    }
    // The host's own IPv6 address went with the link, and with it the way back to the client.
    setup.host().ip(&format!("addr add {}/64 dev {INTERFACE} nodad", setup.host().v6()));
    usable(&setup, VIP);
    usable(&setup, VIP6);
}

/// Whether a client reaches it.
fn usable(setup: &Setup, address: IpAddr) {
    wait_for(&format!("an answer of {address}"), SOON, || ping(&setup.client, address));
}

fn ping(client: &Host, address: IpAddr) -> bool {
    client.attempt("ping", &["-n", "-c1", "-W1", &address.to_string()]).is_ok()
}
