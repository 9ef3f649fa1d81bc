//! Random faults, several at once, for most of a minute. The leader changes only because its lease has expired.
//!
//! This is the first row of the promise's table as a whole: whatever happens to daemons, hosts and members, two hosts
//! never have the address at the same time, and after the last fault the host that the key names has it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use vip_manager::time::Moment;

use super::checks::{held_intervals, nobody_outlived_a_lease};
use super::measure::{report, seconds};
use super::random_faults::{Fault, Rng};
use super::setup::Setup;
use super::support::clock::{now, pause, wait_until};
use super::support::daemon::KEY;
use super::support::patroni::Timing;

const SPAN: Duration = Duration::from_secs(45);
const LEASE: i64 = 8;
/// How many faults are active at the same time.
const AT_ONCE: usize = 3;
const SETTLED: Duration = Duration::from_secs(30);

#[test]
fn two_hosts_never_hold_the_vip_at_once_under_random_faults() {
    let seed = RandomState::new().build_hasher().finish();
    let setup = Setup::new("chaos", 3);
    let patronis = setup.patronis(&Timing { ttl: LEASE, ..Timing::default() });
    let watcher = setup.key_watcher();
    patronis[0].take_over();
    setup.wait_held(0);
    for patroni in &patronis {
        patroni.may_lead(true);
    }

    let begin = now();
    report(&format!("seed {seed:#x}"));
    let mut rng = Rng(seed);
    let mut active: Vec<(Moment, Fault)> = Vec::new();
    while now().since(begin) < SPAN {
        if active.len() < AT_ONCE
            && let Some(fault) = Fault::draw(&mut rng, &setup, &patronis, &active)
        {
            let span = rng.span(500, 16_000);
            report(&format!("{:6.2} s: {} for {span:.1?}", seconds(begin, now()), fault.name()));
            active.push((now() + span, fault));
        }
        pause(rng.span(200, 1_500));
        for (_, over) in active.extract_if(.., |(until, _)| *until <= now()) {
            over.end(&setup, &patronis);
        }
        assert_eq!(
            setup.overlap(),
            Duration::ZERO,
            "two hosts at the same time; seed {seed:#x}\n{}",
            held_intervals(&setup, begin)
        );
    }
    for (_, over) in active {
        over.end(&setup, &patronis);
    }

    let calm = now();
    setup.cluster.wait_healthy();
    let holder = wait_until("the host that the key names, and no other, to hold", SETTLED, || {
        let entry = setup.cluster.store().with(|client| client.get(KEY)).ok()??;
        let holders: Vec<_> = (0..setup.hosts.len()).filter(|host| setup.holds(*host)).collect();
        (holders.len() == 1 && setup.hosts[holders[0]].name() == entry.value).then(|| holders[0])
    });
    report(&format!(
        "{} holds {:.2} s after the last fault\n{}",
        setup.hosts[holder].name(),
        seconds(calm, now()),
        held_intervals(&setup, begin)
    ));
    assert_eq!(
        setup.overlap(),
        Duration::ZERO,
        "two hosts at the same time; seed {seed:#x}\n{}",
        held_intervals(&setup, begin)
    );
    nobody_outlived_a_lease(&setup, &watcher);
}
