//! The simulator itself: it repeats itself, it is quiet where all is well, and it tells what went wrong.

use vip_manager_sim::history::History;
use vip_manager_sim::plan::{Act, What, When, Whom};
use vip_manager_sim::queue::MOST_HOSTS;
use vip_manager_sim::setup::Setup;
use vip_manager_sim::time::{MINUTE, SECOND};
use vip_manager_sim::trace::Trace;
use vip_manager_sim::verdict::{Broken, Judges};

/// The leader's Patroni goes down, and its daemon is stopped while the lease runs out: the kernel alone keeps the
/// deadline, as late as it can be, by clocks as wrong as they may be. A stop long before has nothing to do with it.
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
fn the_margin_as_delivered_is_enough_for_a_daemon_that_is_stopped() {
    let ended = a_daemon_stopped_as_the_lease_ends(3 * SECOND).live(Trace::silent());
    assert_eq!(ended.verdict, None);
}

#[test]
fn a_missing_margin_is_found_made_small_and_told() {
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
fn a_judge_who_is_not_asked_says_nothing() {
    let mut history = a_daemon_stopped_as_the_lease_ends(0);
    history.setup.judges = Judges::named("L1,L2").expect("they exist");
    assert_eq!(history.live(Trace::silent()).verdict, None);
    assert_eq!(Judges::named("L9"), None);
}

#[test]
fn the_same_seed_lives_the_same_history() {
    for seed in [1, 77, 4_242] {
        let [once, again] = [0, 1].map(|_| History::of(seed).live(Trace::silent()));
        assert_eq!((once.steps, once.at, once.verdict), (again.steps, again.at, again.verdict));
        assert!(once.steps > 1_000, "{}", once.steps);
    }
}

#[test]
fn a_few_histories_of_every_day_break_nothing() {
    for seed in 1..40 {
        let ended = History::of(seed).live(Trace::silent());
        assert_eq!(ended.verdict, None, "seed {seed}");
    }
}

/// A renewal was held up into the last second, and its daemon was killed as soon as it went on: the kernel counted a whole
/// second from there, was late, and the lease had ended.
#[test]
fn a_renewal_held_up_into_the_last_second_does_not_outlive_the_lease() {
    assert_eq!(History::of(10_071_219).live(Trace::silent()).verdict, None);
}
