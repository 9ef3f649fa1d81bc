//! When the address is announced, how often, and when it is not.

use std::time::Duration;

use vip_manager::time::Moment;

use crate::support::capture::{Capture, Form};
use crate::support::clock::{now, pause, wait_for};
use crate::support::host::{VIP, VIP6};
use crate::support::setup::{SOON, Setup, wait_announced, wait_logged, wait_status};

/// The rounds of an IPv4 series: when each request went out. A reply follows each.
fn rounds(capture: &Capture, since: Moment) -> Vec<Moment> {
    let seen = capture.since(since, VIP);
    let of = |form: Form| seen.iter().filter(move |packet| packet.form == form).map(|packet| packet.at);
    let requests: Vec<Moment> = of(Form::ArpRequest).collect();
    // The last one's may be on its way.
    assert!(requests.len() - of(Form::ArpReply).count() <= 1, "each round is a request and a reply");
    requests
}

fn gaps(rounds: &[Moment]) -> Vec<u128> {
    rounds.windows(2).map(|pair| pair[1].since(pair[0]).as_millis()).collect()
}

fn assert_about(found: u128, wanted: u128) {
    assert!(found + 60 >= wanted && found <= wanted + 400, "{found} ms instead of {wanted} ms");
}

#[test]
fn the_usual_series_is_six_rounds_in_under_five_seconds_and_ipv6_likewise() {
    let setup = Setup::new("series", 1);
    let capture = Capture::on(&setup.client);
    let start = now();
    let _daemon = setup.lead(&setup.config().with("ip", format!("[{VIP}, \"{VIP6}\"]")), VIP);
    pause(Duration::from_secs(7));
    let rounds = rounds(&capture, start);
    assert_eq!(rounds.len(), 6, "{:?}", gaps(&rounds));
    for (found, wanted) in gaps(&rounds).into_iter().zip([100, 400, 600, 1_100, 2_200]) {
        assert_about(found, wanted);
    }
    assert_eq!(capture.since(start, VIP6).len(), 6);
}

#[test]
fn the_historic_retry_keys_shape_the_series() {
    let setup = Setup::new("series", 1);
    let capture = Capture::on(&setup.client);
    let start = now();
    let _daemon = setup.lead(&setup.config().with("retry-num", 4).with("retry-after", 300), VIP);
    pause(Duration::from_secs(3));
    let rounds = rounds(&capture, start);
    assert_eq!(rounds.len(), 4, "{:?}", gaps(&rounds));
    for gap in gaps(&rounds) {
        assert_about(gap, 300);
    }
}

/// vip-manager #288.
#[test]
fn retry_num_zero_still_announces_once() {
    let setup = Setup::new("series", 1);
    let capture = Capture::on(&setup.client);
    let start = now();
    let _daemon = setup.lead(&setup.config().with("retry-num", 0), VIP);
    wait_announced(&capture, setup.host(), VIP, start);
    pause(Duration::from_secs(2));
    assert_eq!(rounds(&capture, start).len(), 1);
}

/// Switches and gateways forget: a gap was seen as 15 minutes of black hole.
#[test]
fn the_address_is_announced_again_every_now_and_then() {
    let setup = Setup::new("refresh", 1);
    let capture = Capture::on(&setup.client);
    let start = now();
    let config = setup.config().with("announce-count", 1).with("announce-refresh", "1s");
    let _daemon = setup.lead(&config, VIP);
    wait_for("five rounds", SOON, || rounds(&capture, start).len() >= 5);
    for gap in gaps(&rounds(&capture, start)) {
        assert!((800..1_600).contains(&gap), "{gap} ms");
    }
}

#[test]
fn nothing_is_announced_in_doubt_and_a_fresh_series_follows_it() {
    let setup = Setup::new("doubt", 1);
    let capture = Capture::on(&setup.client);
    let config = setup.config().with("interval", 500).with("announce-refresh", "1s").with("hold-timeout", "20s");
    let daemon = setup.lead(&config, VIP);
    wait_status(&daemon, "held");
    setup.cluster.members[0].freeze();
    wait_logged(&daemon, "unconfirmed for");
    wait_status(&daemon, "doubtful");
    pause(Duration::from_millis(100));
    let doubtful = now();
    pause(Duration::from_secs(4));
    assert!(setup.host().carries(VIP), "it is kept");
    assert_eq!(capture.since(doubtful, VIP), [], "but nobody is told to come here");
    setup.cluster.members[0].thaw();
    wait_logged(&daemon, "confirmed again");
    wait_for("a fresh series", SOON, || rounds(&capture, doubtful).len() >= 3);
}

#[test]
fn nothing_is_announced_after_the_address_has_gone() {
    let setup = Setup::new("after", 1);
    let capture = Capture::on(&setup.client);
    // In the middle of a series, so that much is still planned.
    let config = setup.config().with("announce-count", 50).with("announce-interval", 20).with("announce-refresh", "1s");
    let _daemon = setup.lead(&config, VIP);
    wait_for("some rounds", SOON, || rounds(&capture, Moment::default()).len() > 5);
    setup.set_unknown_leader();
    let gone = setup.observer.wait_gone(setup.host(), VIP, SOON).unwrap();
    pause(Duration::from_secs(3));
    assert_eq!(capture.since(gone, VIP), []);
}
