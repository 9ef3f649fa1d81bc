//! Somebody else takes the address away: it is back, and announced, before anybody notices.

use std::net::IpAddr;
use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::capture::Capture;
use crate::support::clock::{now, pause, wait_for, wait_until};
use crate::support::daemon::{ConfigFile, Daemon};
use crate::support::host::{Host, INTERFACE, VIP, VIP6};
use crate::support::scene::{SOON, Scene, figure, wait_announced, wait_said, wait_status};

/// The promise is 50 ms after the notice, on a machine that is not also busy with other tests.
const PROMPT: Duration = Duration::from_millis(250);

/// Waits until the address has gone and come back since a moment, and returns both moments.
fn gone_and_back(scene: &Scene, address: IpAddr, since: Moment) -> (Moment, Moment) {
    wait_until(&format!("{address} gone and back"), SOON, || {
        let intervals = scene.witness.intervals(scene.host(), address);
        let gone = intervals.iter().rev().find_map(|interval| interval.until)?;
        let back = intervals.last().filter(|last| last.until.is_none())?.from;
        (gone >= since && back >= gone).then_some((gone, back))
    })
}

/// An address of each family, announced once and not in a series, so that what is seen later has its own reason.
fn both(scene: &Scene) -> ConfigFile {
    scene.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")).with("announce-count", 1)
}

fn assert_back(scene: &Scene, capture: &Capture, address: IpAddr, since: Moment) {
    let (gone, back) = gone_and_back(scene, address, since);
    // Frames are stamped by the kernel, notices when they are read: the frame may seem to be the earlier.
    let announced = wait_announced(capture, scene.host(), address, since).at;
    figure(&format!("{address} back after"), back.since(gone));
    figure(&format!("{address} announced after"), announced.since(gone));
    assert!(back.since(gone) < PROMPT && announced.since(gone) < PROMPT);
}

/// keepalived #836, #1385, systemd #12050: networkd or NetworkManager strips the address.
#[test]
fn an_address_deleted_by_hand_is_back_and_announced_at_once() {
    let scene = Scene::new("deleted", 1);
    let capture = Capture::on(&scene.client);
    let daemon = scene.lead(&both(&scene), VIP);
    wait_status(&daemon, "2 held");
    for (address, length) in [(VIP, 32), (VIP6, 128)] {
        let since = now();
        scene.host().ip(&format!("addr del {address}/{length} dev {INTERFACE}"));
        assert_back(&scene, &capture, address, since);
        wait_said(&daemon, &format!("{address}/{length} on eth0 was taken away by somebody else"));
    }
}

/// `networkctl reload`, `netplan apply`.
#[test]
fn a_flushed_interface_has_its_addresses_back_at_once() {
    let scene = Scene::new("flushed", 1);
    let capture = Capture::on(&scene.client);
    let daemon = scene.lead(&both(&scene), VIP);
    wait_status(&daemon, "2 held");
    let since = now();
    scene.host().ip(&format!("addr flush dev {INTERFACE}"));
    for address in [VIP, VIP6] {
        assert_back(&scene, &capture, address, since);
    }
    // Whoever flushed puts the host's own addresses back, and nothing has changed for clients.
    scene.host().ip(&format!("addr add {}/16 dev {INTERFACE}", scene.host().v4()));
    let later = now();
    pause(Duration::from_secs(3));
    wait_status(&daemon, "2 held");
    assert!(scene.witness.held_at(scene.host(), VIP, later) && scene.host().carries(VIP));
}

#[test]
fn an_address_changed_by_hand_is_set_right() {
    let scene = Scene::new("changed", 1);
    let daemon = scene.lead(&scene.config(), VIP);
    wait_status(&daemon, "held");
    // Made permanent, and once more with another prefix length.
    scene.host().ip(&format!("addr change {VIP}/32 dev {INTERFACE} valid_lft forever preferred_lft forever"));
    scene.host().ip(&format!("addr add {VIP}/24 dev {INTERFACE}"));
    wait_for("one address with an end", SOON, || {
        let shown = scene.host().ip(&format!("-o addr show to {VIP}"));
        shown.lines().count() == 1 && shown.contains("/32 ") && !shown.contains("valid_lft forever")
    });
    assert_eq!(scene.times_held(VIP), 1);
}

#[test]
fn an_address_put_up_by_hand_where_the_key_does_not_say_so_goes() {
    let scene = Scene::new("intruder", 1);
    scene.name_nobody();
    let daemon = Daemon::start(scene.host(), &scene.config());
    wait_status(&daemon, "standby");
    let put = now();
    scene.host().ip(&format!("addr add {VIP}/24 dev {INTERFACE}"));
    let gone = wait_until("its end", SOON, || {
        scene.witness.intervals(scene.host(), VIP).last().and_then(|interval| interval.until)
    });
    figure("an intruder gone after", gone.since(put));
    assert!(gone.since(put) < Duration::from_secs(1));
    wait_said(&daemon, "somebody put it there");
}

/// "The VIP goes with its link and does not come back."
#[test]
fn an_interface_that_flaps_has_both_addresses_back_and_announced() {
    let scene = Scene::new("flap", 1);
    let capture = Capture::on(&scene.client);
    let daemon = scene.lead(&both(&scene), VIP);
    wait_status(&daemon, "2 held");
    for _ in 0..3 {
        pause(Duration::from_millis(500));
        scene.host().ip(&format!("link set {INTERFACE} down"));
        pause(Duration::from_millis(200));
        let down = now();
        scene.host().ip(&format!("link set {INTERFACE} up"));
        let up = now();
        for address in [VIP, VIP6] {
            wait_for(&format!("{address}"), SOON, || scene.host().carries(address));
            let announced = wait_announced(&capture, scene.host(), address, down).at;
            figure(&format!("{address}: link up to the announcement"), announced.since(up));
            assert!(announced.since(up) < Duration::from_secs(1));
        }
    }
    // The host's own IPv6 address went with the link, and with it the way back to the client.
    scene.host().ip(&format!("addr add {}/64 dev {INTERFACE} nodad", scene.host().v6()));
    usable(&scene, VIP);
    usable(&scene, VIP6);
}

/// Whether a client reaches it.
fn usable(scene: &Scene, address: IpAddr) {
    wait_for(&format!("an answer of {address}"), SOON, || ping(&scene.client, address));
}

fn ping(client: &Host, address: IpAddr) -> bool {
    client.attempt("ping", &["-n", "-c1", "-W1", &address.to_string()]).is_ok()
}
