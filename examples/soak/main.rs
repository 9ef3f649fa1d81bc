//! A soak test: random faults on three etcd members and three hosts for a given time. No resource may grow.
//!
//! The faults are those of the chaos test. Each minute ends with a calm time, after which the host that the key names
//! must hold the VIP; then the resources of the daemons are measured. The daemons run from start to end, so a leak adds up.
//! The first argument is the number of minutes, the second one a seed.

#[expect(dead_code, reason = "the soak uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/promise/checks.rs"]
mod checks;
#[expect(dead_code, reason = "the soak prints its own measurements")]
#[path = "../../tests/promise/measure.rs"]
mod measure;
#[path = "../../tests/promise/random_faults.rs"]
mod random_faults;
#[expect(dead_code, reason = "the soak uses a part of the setup")]
#[path = "../../tests/promise/setup.rs"]
mod setup;

mod footprint;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use vip_manager::time::Moment;

use checks::{held_intervals, nobody_outlived_a_lease};
use footprint::Footprint;
use random_faults::{Fault, Rng};
use setup::Setup;
use support::clock::{now, pause, wait_for};
use support::daemon::KEY;
use support::patroni::{Patroni, Timing};

/// The part of each minute with faults.
const FAULTS: Duration = Duration::from_secs(48);
/// The rest of each minute, for recovery.
const CALM: Duration = Duration::from_secs(12);
const SETTLED: Duration = Duration::from_secs(30);
const LEASE: i64 = 8;
const AT_ONCE: usize = 3;
const HOSTS: usize = 3;
/// Minutes after which a daemon has allocated all that it needs.
const WARM: usize = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let minutes = arguments.next().and_then(|minutes| minutes.parse().ok()).unwrap_or(30).max(WARM + 1);
    let drawn = || RandomState::new().build_hasher().finish();
    let seed = arguments.next().and_then(|seed| seed.parse().ok()).unwrap_or_else(drawn);
    say(&format!("{minutes} minutes, seed {seed}"));
    let grown = soak(minutes, seed);
    for growth in &grown {
        say(&format!("grown: {growth}"));
    }
    say(if grown.is_empty() { "pass" } else { "fail" });
    if grown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs for `minutes` and returns what has grown since the warm-up.
fn soak(minutes: usize, seed: u64) -> Vec<String> {
    let setup = Setup::new("soak", HOSTS);
    let patronis = setup.patronis(&Timing { ttl: LEASE, ..Timing::default() });
    let watcher = setup.key_watcher();
    let begin = now();
    patronis[0].take_over();
    setup.wait_held(0);
    for patroni in &patronis {
        patroni.may_lead(true);
    }

    let mut rng = Rng(seed);
    let (mut faults, mut warm) = (0, Vec::new());
    for minute in 1..=minutes {
        faults += inject_faults(&setup, &patronis, &mut rng, seed);
        settle(&setup);
        nobody_outlived_a_lease(&setup, &watcher);
        let prints = Footprint::of_all(&setup);
        let holds: usize = (0..HOSTS).map(|host| setup.intervals(host).len()).sum();
        say(&format!(
            "minute {minute:3}: {faults} faults, {holds} holds, overlap {:?}; {}; etcd watches {}",
            setup.overlap(),
            prints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            watches(&setup),
        ));
        if minute == WARM {
            warm = prints;
        } else if minute == minutes {
            say(&format!("{:.0} s in total", now().since(begin).as_secs_f64()));
            return warm.iter().zip(&prints).flat_map(|(warm, last)| warm.growth(last)).collect();
        }
    }
    Vec::new()
}

/// Faults for most of a minute. Returns their number.
fn inject_faults(setup: &Setup, patronis: &[Patroni], rng: &mut Rng, seed: u64) -> usize {
    let begin = now();
    let mut faults = 0;
    let mut active: Vec<(Moment, Fault)> = Vec::new();
    while now().since(begin) < FAULTS {
        if active.len() < AT_ONCE
            && let Some(fault) = Fault::draw(rng, setup, patronis, &active)
        {
            faults += 1;
            active.push((now() + rng.span(500, 16_000), fault));
        }
        pause(rng.span(200, 1_500));
        for (_, over) in active.extract_if(.., |(until, _)| *until <= now()) {
            over.end(setup, patronis);
        }
        assert_eq!(
            setup.overlap(),
            Duration::ZERO,
            "two hosts at the same time; seed {seed}\n{}",
            held_intervals(setup, begin)
        );
    }
    for (_, over) in active {
        let name = over.name();
        over.end(setup, patronis);
        say(&format!("           ended last: {name}"));
    }
    faults
}

/// Waits until only the host that the key names holds the VIP.
fn settle(setup: &Setup) {
    let calm = now();
    setup.cluster.wait_healthy();
    wait_for("the host that the key names, and no other, to hold", SETTLED, || {
        let Some(entry) = setup.cluster.store().with(|client| client.get(KEY)).ok().flatten() else { return false };
        (0..HOSTS).all(|host| setup.holds(host) == (setup.hosts[host].name() == entry.value))
    });
    pause(CALM.saturating_sub(now().since(calm)));
}

/// The number of watches on all members, including the lab's own.
fn watches(setup: &Setup) -> f64 {
    setup.cluster.members.iter().map(|member| member.metric("etcd_debugging_mvcc_watcher_total ")).sum()
}

fn say(text: &str) {
    // The reader may be gone.
    let _ = writeln!(stdout(), "{text}").and_then(|()| stdout().flush());
}
