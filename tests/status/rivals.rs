//! Another host claims the address: every way to ask tells of it, and of its end.

use super::ask::{PATIENT, metric, program, told, wait_told};
use crate::support::clock::wait_for;
use crate::support::daemon::Daemon;
use crate::support::host::VIP;
use crate::support::rival::Rival;
use crate::support::setup::{Setup, wait_logged};

const PLACE: &str = "{vip=\"10.66.0.100/32\",interface=\"eth0\"}";

/// A leader whose address the second host claims, and that host's hardware address.
fn contested(name: &str) -> (Setup, Daemon, String) {
    let setup = Setup::new(name, 2);
    let daemon = setup.lead(&told(&setup, setup.host()), VIP);
    wait_told(setup.host(), "/status", "\"state\":\"held\",");
    let mut rival = Rival::on(&setup.hosts[1]);
    let theirs = setup.hosts[1].mac();
    // A claim in the first moments may be an echo of the holder before, and is told as one.
    wait_for("a conflict", PATIENT, || {
        rival.claim(VIP);
        metric(setup.host(), &format!("vip_manager_conflicts_total{PLACE}")) == Some(1.0)
    });
    (setup, daemon, theirs)
}

#[test]
fn a_rival_is_in_the_status_its_json_the_events_and_the_metrics() {
    let (setup, daemon, theirs) = contested("claimed");
    let (code, text, _) = program(&daemon, &[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("10.66.0.100/32 on eth0: held") && text.contains("conflicts  1\n"), "{text}");
    assert!(text.contains(" held (conflict)"), "{text}");
    let (_, json, _) = program(&daemon, &["--json"]);
    assert!(json.contains("\"conflicts\":1") && json.contains("\"cause\":\"conflict\""), "{json}");
    let (_, events, _) = program(&daemon, &["--events"]);
    let words: Vec<&str> = events.split_whitespace().collect();
    let story = words.join(" ");
    assert!(story.contains("on eth0: held conflict: 10.66.0.100/32 on eth0 also claimed by"), "{events}");
    assert!(story.contains(&theirs), "{events}");
    let metrics = wait_told(setup.host(), "/metrics", &format!("vip_manager_conflicts_total{PLACE} 1\n"));
    assert!(metrics.contains("to=\"held\",cause=\"conflict\"} 1\n"), "{metrics}");
}

/// It is over when nobody has claimed the address for a minute, and at once when it is not ours any more.
#[test]
fn the_end_of_a_conflict_is_told_too_and_counts_as_no_other() {
    let (setup, daemon, theirs) = contested("over");
    setup.set_unknown_leader();
    wait_logged(&daemon, "no longer claimed by another host");
    let over = wait_told(setup.host(), "/events", "\"cause\":\"conflict-over\"");
    assert!(over.contains(&format!("the last by {theirs}")), "{over}");
    let (_, text, _) = program(&daemon, &[]);
    assert!(text.contains("(conflict-over, "), "{text}");
    let metrics = wait_told(setup.host(), "/metrics", "cause=\"conflict-over\"} 1\n");
    assert!(metrics.contains(&format!("vip_manager_conflicts_total{PLACE} 1\n")), "{metrics}");
}
