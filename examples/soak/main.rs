//! Random misfortunes for as long as one likes, at three etcd members and three hosts: whatever grows, shows.
//!
//! The misfortunes are those of the chaos test. Each minute ends with a calm moment, in which the host that the key
//! names has to hold; there the daemons are measured. The daemons are the same processes from first to last, so what
//! they gather, they keep. The first argument is the number of minutes, the second one a seed to draw from again.

#[expect(dead_code, reason = "the soak uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/promise/checks.rs"]
mod checks;
#[expect(dead_code, reason = "the soak tells its own figures")]
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

/// How much of each minute goes wrong.
const STORM: Duration = Duration::from_secs(48);
/// The rest of it, for what was broken to mend.
const CALM: Duration = Duration::from_secs(12);
const SETTLED: Duration = Duration::from_secs(30);
const LEASE: i64 = 8;
const AT_ONCE: usize = 3;
const HOSTS: usize = 3;
/// Minutes after which a daemon has allocated what it needs.
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
    say(if grown.is_empty() { "flat" } else { "failed" });
    if grown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Soaks for so many minutes, and says what has grown since the daemons were warm.
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
        faults += storm(&setup, &patronis, &mut rng, seed);
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
            say(&format!("{:.0} s in all", now().since(begin).as_secs_f64()));
            return warm.iter().zip(&prints).flat_map(|(warm, last)| warm.growth(last)).collect();
        }
    }
    Vec::new()
}

/// Misfortunes for the better part of a minute; returns how many.
fn storm(setup: &Setup, patronis: &[Patroni], rng: &mut Rng, seed: u64) -> usize {
    let begin = now();
    let mut faults = 0;
    let mut there: Vec<(Moment, Fault)> = Vec::new();
    while now().since(begin) < STORM {
        if there.len() < AT_ONCE
            && let Some(fault) = Fault::draw(rng, setup, patronis, &there)
        {
            faults += 1;
            there.push((now() + rng.span(500, 16_000), fault));
        }
        pause(rng.span(200, 1_500));
        for (_, over) in there.extract_if(.., |(until, _)| *until <= now()) {
            over.end(setup, patronis);
        }
        assert_eq!(setup.overlap(), Duration::ZERO, "two hosts at once; seed {seed}\n{}", held_intervals(setup, begin));
    }
    for (_, over) in there {
        let name = over.name();
        over.end(setup, patronis);
        say(&format!("           mended last: {name}"));
    }
    faults
}

/// Waits until all is well: the host that the key names holds, and no other, and each daemon has a fresh read.
fn settle(setup: &Setup) {
    let calm = now();
    setup.cluster.wait_healthy();
    wait_for("the host that the key names, and no other, to hold", SETTLED, || {
        let Some(entry) = setup.cluster.store().with(|client| client.get(KEY)).ok().flatten() else { return false };
        (0..HOSTS).all(|host| setup.holds(host) == (setup.hosts[host].name() == entry.value))
    });
    pause(CALM.saturating_sub(now().since(calm)));
}

/// What the members have open for everybody, the lab's own watches included.
fn watches(setup: &Setup) -> f64 {
    setup.cluster.members.iter().map(|member| member.metric("etcd_debugging_mvcc_watcher_total ")).sum()
}

fn say(text: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(stdout(), "{text}").and_then(|()| stdout().flush());
}
