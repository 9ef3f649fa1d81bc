//! The last transitions: named with cause and timing, kept through a reload, and no more than there is room for.

use nix::sys::signal::Signal;

use super::ask::{ask, program, told, wait_told};
use crate::support::daemon::{Daemon, KEY};
use crate::support::host::VIP;
use crate::support::setup::{Setup, wait_logged};

#[test]
fn after_a_switchover_both_hosts_tell_it_with_cause_and_timing_and_a_reload_forgets_nothing() {
    let setup = Setup::new("events", 2);
    let one = setup.lead(&told(&setup, setup.host()), VIP);
    let two = Daemon::start(&setup.hosts[1], &told(&setup, &setup.hosts[1]));
    wait_told(&two.host, "/events", "\"to\":\"standby\"");
    setup.set_leader(&setup.hosts[1]);
    wait_told(&two.host, "/events", "\"to\":\"held\"");
    let left = wait_told(&one.host, "/events", "\"from\":\"held\",\"to\":\"standby\"");
    assert!(left.contains("\"cause\":\"event\"") || left.contains("\"cause\":\"read\""), "{left}");
    assert!(left.contains(&format!("{KEY} holds \\\"db2\\\", this host is \\\"db1\\\"")), "{left}");
    assert!(left.contains("\"source\":\"http://") && left.contains("\"took\":0."), "{left}");

    one.rewrite_config(&told(&setup, setup.host()).with("interval", "500ms"));
    one.process.signal(Signal::SIGHUP);
    wait_logged(&one, "configuration reloaded");
    let (_, after) = ask(&one.host, "/events");
    assert!(after.contains("\"number\":1,") && after.contains("\"from\":\"held\",\"to\":\"standby\""), "{after}");
    wait_told(&one.host, "/metrics", "vip_manager_reloads_total 1");

    let (code, text, _) = program(&one, &["--events"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("held -> standby\n") && text.contains(", took "), "{text}");
}

/// A killed daemon is started again before the kernel has dropped the address.
#[test]
fn the_first_transition_tells_where_it_began() {
    let setup = Setup::new("first", 1);
    let mut daemon = setup.lead(&told(&setup, setup.host()).with("hold-timeout", "60s"), VIP);
    let events = wait_told(setup.host(), "/events", "\"to\":\"held\"");
    assert!(events.contains("\"number\":1,") && events.contains("\"from\":\"unknown\",\"to\":\"held\""), "{events}");
    daemon.process.kill();
    assert!(setup.host().carries(VIP));
    let daemon = Daemon::start(&setup.host().clone(), &told(&setup, setup.host()).with("hold-timeout", "60s"));
    let events = wait_told(setup.host(), "/events", "\"to\":\"held\"");
    assert!(events.contains("\"from\":\"stopped\",\"to\":\"unknown\",\"cause\":\"start\""), "{events}");
    assert!(program(&daemon, &[]).1.contains("stopped -> unknown (start)"));
    assert_eq!(setup.times_held(VIP), 1, "it never went");
}

#[test]
fn no_more_than_256_transitions_are_kept_and_a_reload_keeps_them() {
    let setup = Setup::new("ring", 1);
    let daemon = Daemon::start(setup.host(), &told(&setup, setup.host()));
    wait_told(setup.host(), "/events", "\"to\":\"standby\"");
    // Every new holder that is not this host is a line, and a transition without a move of the address.
    for round in 0..270 {
        let store = setup.cluster.store();
        store.put(KEY, &format!("stranger-{round}"));
        wait_told(setup.host(), "/events", &format!("stranger-{round}\\\""));
    }
    let kept = || {
        let (_, events) = ask(setup.host(), "/events");
        let (_, first) = events.split_once("\"number\":").unwrap();
        (events.matches("\"number\":").count(), first.split_once(',').unwrap().0.to_owned())
    };
    let before = kept();
    assert_eq!(before.0, 256);
    assert_ne!(before.1, "1", "the oldest are forgotten");
    daemon.process.signal(Signal::SIGHUP);
    wait_told(setup.host(), "/metrics", "vip_manager_reloads_total 1");
    assert_eq!(kept(), before);
}
