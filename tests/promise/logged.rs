//! What the log says of an etcd that cannot be reached: once, with its cause, and then no more.

use std::time::Duration;

use super::measure::tell;
use super::scene::{HOLD, SOON, Scene};
use super::support::clock::{pause, wait_for};
use super::support::cut::{Cut, Way};
use super::support::etcd::Member;
use super::support::process::Line;

/// How long a steady failure is listened to.
const STEADY: Duration = Duration::from_secs(15);
/// Every cause that follows from a cut has been met by then: a silent stream, a silent connection, a refused one.
const SETTLED: Duration = Duration::from_secs(6);

/// Makes etcd unreachable for the holder's daemon, and listens to it.
fn listen(name: &str, lose: impl FnOnce(&mut Scene) -> Option<Cut>, find: impl FnOnce(&mut Scene), cause: &str) {
    let mut scene = Scene::new(name, 2);
    scene.lead(0);
    scene.wait_renewed(0);
    let before = scene.daemons[0].process.lines().len();
    let cut = lose(&mut scene);
    scene.wait_gone(0, HOLD + SOON);
    pause(SETTLED);
    let said = scene.daemons[0].process.lines_after(before);
    pause(STEADY);
    let later = scene.daemons[0].process.lines_after(before + said.len());
    tell(&format!("{name}: {} lines at first, then {} in {STEADY:?}\n{}", said.len(), later.len(), text(&said)));
    assert_eq!(text(&later), "", "a steady failure is no news");

    for member in scene.members() {
        let address = member.v4().to_string();
        let warned = said.iter().filter(|line| line.text.contains("does not serve") && line.text.contains(&address));
        let warned: Vec<_> = warned.map(|line| line.text.clone()).collect();
        assert!(!warned.is_empty(), "nothing was said of {address}:\n{}", text(&said));
        assert!(warned.iter().any(|line| line.contains(cause)), "not the cause: {warned:?}");
        assert!(warned.len() <= 3, "said again and again: {warned:?}");
    }
    for once in ["is in doubt", "is gone"] {
        let lines: Vec<_> = said.iter().filter(|line| line.text.contains(once)).collect();
        assert_eq!(lines.len(), 1, "\"{once}\": {lines:?}");
    }

    drop(cut);
    find(&mut scene);
    wait_for("the VIP's return", SOON + SOON, || scene.holds(0));
    let daemon = &scene.daemons[0].process;
    wait_for("a word about each member", SOON, || {
        let lines = daemon.lines_after(before);
        lines.iter().filter(|line| line.text.contains("answers again")).count() == 3
    });
    wait_for("a word about the VIP", SOON, || {
        daemon.lines_after(before).iter().any(|line| line.text.contains("is up"))
    });
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>().join("\n")
}

/// vip-manager #354, #205, #146.
#[test]
fn an_etcd_that_does_not_answer_is_told_once_with_the_cause() {
    listen("quiet", |scene| Some(scene.cut_etcd(0, Way::Both)), |_| {}, "does not answer");
}

/// vip-manager #354, #205, #146.
#[test]
fn an_etcd_that_is_not_there_is_told_once_with_the_cause() {
    let stop = |scene: &mut Scene| {
        scene.cluster.members.iter_mut().for_each(Member::kill);
        None
    };
    let start = |scene: &mut Scene| {
        scene.cluster.members.iter_mut().for_each(Member::restart);
        scene.cluster.wait_healthy();
    };
    listen("refused", stop, start, "refused");
}
