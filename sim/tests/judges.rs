//! The simulator itself: it repeats histories, finds no faults where there are none, and reports those it finds.

use vip_manager_sim::history::History;
use vip_manager_sim::plan::{Act, What, When, Whom};
use vip_manager_sim::queue::MOST_HOSTS;
use vip_manager_sim::setup::{Bound, Setup};
use vip_manager_sim::time::{MINUTE, SECOND};
use vip_manager_sim::trace::Trace;
use vip_manager_sim::verdict::{Broken, Judges};

/// The leader's Patroni is down, and its daemon is stopped while the lease runs out: only the kernel keeps the
/// deadline, with its largest delay and the worst clocks. An earlier stop of the daemon is irrelevant.
fn a_daemon_stopped_as_the_lease_ends(margin: u64) -> History {
    let act = |at, when, what, span| Act { at, when, whom: Whom::Host(0), what, span };
    let setup = Setup {
        margin,
        calm: true,
        late_kernel: true,
        rates: [-20_000; MOST_HOSTS],
        etcd_rate: 20_000,
        length: 2 * MINUTE,
        ..Setup::delivered(2)
    };
    let plan = vec![
        act(12 * SECOND, When::Then, What::Stop, SECOND),
        act(30 * SECOND, When::Then, What::PatroniDown, MINUTE),
        act(31 * SECOND, When::LeaseEnd(-4_000_000), What::Stop, 50 * SECOND),
    ];
    History { seed: 7, latency: 7, setup, plan }
}

#[test]
fn keeps_the_promise_with_the_default_margin() {
    let ended = a_daemon_stopped_as_the_lease_ends(3 * SECOND).live(Trace::silent());
    assert_eq!(ended.verdict, None);
}

#[test]
fn finds_and_reduces_a_history_that_breaks_without_a_margin() {
    let history = a_daemon_stopped_as_the_lease_ends(0);
    let ended = history.live(Trace::silent());
    assert_eq!(ended.verdict, Some((Broken::S1, 0)));
    let fault = history.shrink(Broken::S1, 0, ended.at);
    assert_eq!(fault.history.plan.len(), 2, "{:?}", fault.history.plan);
    let trace = fault.trace();
    for line in ["2 of 3 faults are enough", "PatroniDown", "Stop", "its lease has ended", "S1"] {
        assert!(trace.contains(line), "{line} in {trace}");
    }
}

#[test]
fn ignores_promises_that_are_not_selected() {
    let mut history = a_daemon_stopped_as_the_lease_ends(0);
    history.setup.judges = Judges::named("L1,L2").expect("they exist");
    assert_eq!(history.live(Trace::silent()).verdict, None);
    assert_eq!(Judges::named("L9"), None);
}

#[test]
fn repeats_a_history_for_the_same_seed() {
    for seed in [1, 77, 4_242] {
        let [once, again] = [0, 1].map(|_| History::of(seed).live(Trace::silent()));
        assert_eq!((once.steps, once.at, once.verdict), (again.steps, again.at, again.verdict));
        assert!(once.steps > 1_000, "{}", once.steps);
    }
}

#[test]
fn keeps_the_promise_in_the_first_seeds() {
    for seed in 1..40 {
        let ended = History::of(seed).live(Trace::silent());
        assert_eq!(ended.verdict, None, "seed {seed}");
    }
}

/// A renewal was delayed into the last second, and the daemon was killed as soon as it continued: the kernel counted a
/// whole second from there, was late, and the lease had ended.
#[test]
fn keeps_the_promise_if_a_renewal_is_delayed_into_the_last_second() {
    assert_eq!(History::bounded(10_071_219, Some(Bound::Lease)).live(Trace::silent()).verdict, None);
}
