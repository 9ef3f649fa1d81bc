//! The log reports an unreachable etcd once, with the cause, and not again.

use std::time::Duration;

use super::measure::report;
use super::setup::{HOLD, SOON, Setup};
use super::support::clock::{pause, wait_for};
use super::support::cut::{Cut, Way};
use super::support::etcd::Member;
use super::support::process::Line;

/// How long the log is observed during a steady failure.
const STEADY: Duration = Duration::from_secs(15);
/// By then every kind of failure has occurred: a silent stream, a silent connection, a refused one.
const SETTLED: Duration = Duration::from_secs(6);

/// Makes etcd unreachable for the holder's daemon and checks the log.
fn check_log(name: &str, lose: impl FnOnce(&mut Setup) -> Option<Cut>, find: impl FnOnce(&mut Setup), cause: &str) {
    let mut setup = Setup::new(name, 2);
    setup.lead(0);
    setup.wait_renewed(0);
    let before = setup.daemons[0].process.lines().len();
    let cut = lose(&mut setup);
    setup.wait_gone(0, HOLD + SOON);
    pause(SETTLED);
    let said = setup.daemons[0].process.lines_after(before);
    pause(STEADY);
    let later = setup.daemons[0].process.lines_after(before + said.len());
    report(&format!("{name}: {} lines at first, then {} in {STEADY:?}\n{}", said.len(), later.len(), text(&said)));
    assert_eq!(text(&later), "", "a steady failure is not logged again");

    for member in setup.members() {
        let address = member.v4().to_string();
        let warned = said.iter().filter(|line| line.text.contains("does not serve") && line.text.contains(&address));
        let warned: Vec<_> = warned.map(|line| line.text.clone()).collect();
        assert!(!warned.is_empty(), "nothing was logged about {address}:\n{}", text(&said));
        assert!(warned.iter().any(|line| line.contains(cause)), "the cause is missing: {warned:?}");
        assert!(warned.len() <= 3, "logged repeatedly: {warned:?}");
    }
    for once in ["not announced", "released in"] {
        let lines: Vec<_> = said.iter().filter(|line| line.text.contains(once)).collect();
        assert_eq!(lines.len(), 1, "\"{once}\": {lines:?}");
    }

    drop(cut);
    find(&mut setup);
    wait_for("the VIP's return", SOON + SOON, || setup.holds(0));
    let daemon = &setup.daemons[0].process;
    wait_for("a line about each member", SOON, || {
        let lines = daemon.lines_after(before);
        lines.iter().filter(|line| line.text.contains("answers again")).count() == 3
    });
    wait_for("a line about the VIP", SOON, || {
        daemon.lines_after(before).iter().any(|line| line.text.contains("acquired in"))
    });
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>().join("\n")
}

/// vip-manager #354, #205, #146.
#[test]
fn an_etcd_that_does_not_answer_is_logged_once_with_the_cause() {
    check_log("quiet", |setup| Some(setup.cut_etcd(0, Way::Both)), |_| {}, "does not answer");
}

/// vip-manager #354, #205, #146.
#[test]
fn an_etcd_that_refuses_connections_is_logged_once_with_the_cause() {
    let stop = |setup: &mut Setup| {
        setup.cluster.members.iter_mut().for_each(Member::kill);
        None
    };
    let start = |setup: &mut Setup| {
        setup.cluster.members.iter_mut().for_each(Member::restart);
        setup.cluster.wait_healthy();
    };
    check_log("refused", stop, start, "refused");
}
