//! The keeper's invariants, tried with whatever can happen in whatever order.

mod world;

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::renewal::SHORTEST_LIFETIME;
use super::*;
use crate::pace::Pace;
use crate::time::{Lifetime, Moment};
use crate::vip::Mac;

use world::{ClaimOp, Op, World};

/// A configuration with so many cases, unless `PROPTEST_CASES` asks for another number: many for a whole day, or the
/// few that suffice where each test runs a thousand times.
pub(super) fn cases(usual: u32) -> Config {
    let asked = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { usual };
    Config { cases, failure_persistence: None, ..asked }
}

fn op() -> impl Strategy<Value = Op> {
    let prefix = prop_oneof![Just(32_u8), Just(24_u8)];
    let present = prop::collection::vec((prefix, prop::option::of(1_u64..30)), 0..3);
    let link = prop::option::weighted(0.9, (1_u32..3, any::<bool>(), 0_u8..2));
    let mode = prop_oneof![Just(StopMode::Release), Just(StopMode::Keep)];
    prop_oneof![
        60 => (any::<bool>(), 0_u64..15_000, prop::option::of(0_u64..31), prop::option::weighted(0.3, 0_u64..7), -3_i64..4)
            .prop_map(|(ours, age, lease, assumed, revision)| Op::Read { ours, age, lease, assumed, revision }),
        60 => (0_u64..20, 10_u64..31)
            .prop_map(|(age, lease)| Op::Read { ours: true, age, lease: Some(lease), assumed: None, revision: 1 }),
        30 => (any::<bool>(), -3_i64..4).prop_map(|(ours, revision)| Op::Changed { ours, revision }),
        10 => prop::option::weighted(0.3, 0_u64..12_000).prop_map(Op::Unreachable),
        40 => (0_u64..500, 5_u64..15, any::<bool>())
            .prop_map(|(age, bound, named)| Op::Claim(ClaimOp::Held { age, bound, named })),
        12 => claim().prop_map(Op::Claim),
        20 => (present, link).prop_map(|(present, link)| Op::Meddle { present, link }),
        20 => (0_u8..8, 1_u32..9).prop_map(|(mac, claims)| Op::Rival { mac, claims }),
        60 => (0_u64..6_000, prop::bool::weighted(0.8)).prop_map(|(millis, on_time)| Op::Wait { millis, on_time }),
        10 => any::<bool>().prop_map(Op::Refuse),
        10 => (0_u64..2_200).prop_map(Op::Slow),
        3 => (50_u64..2_000).prop_map(Op::Pace),
        1 => mode.prop_map(Op::Stop),
    ]
}

fn claim() -> impl Strategy<Value = ClaimOp> {
    let held =
        (0_u64..15_000, 0_u64..20, any::<bool>()).prop_map(|(age, bound, named)| ClaimOp::Held { age, bound, named });
    let others = [ClaimOp::Taken, ClaimOp::Lost, ClaimOp::Refused, ClaimOp::Unknown, ClaimOp::Absent];
    prop_oneof![held, prop::sample::select(others.to_vec())]
}

fn rules() -> impl Strategy<Value = Rules> {
    let claim = prop::sample::select(vec![ClaimMode::Off, ClaimMode::Auto, ClaimMode::Require]);
    (1_u64..5, 0_u64..21, 0_u64..20, 1_u64..6, any::<u64>(), prop::option::of(1_u32..9), 0_u64..70, claim).prop_map(
        |(interval, longest, extra, margin, seed, count, refresh, claim)| Rules {
            prefix: 32,
            pace: Pace { full: Duration::from_millis(interval * 500), longest: Duration::from_millis(longest * 500) },
            hold_timeout: Duration::from_millis(interval * 1_500 + 500 + extra * 100),
            lease_margin: Duration::from_secs(margin),
            claim,
            schedule: Schedule { count, interval: None, refresh: Duration::from_secs(refresh) },
            seed,
        },
    )
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn keeps_the_promise_for_any_sequence_of_events(rules in rules(), ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new(rules);
        for op in ops {
            world.play(op);
        }
        world.end();
    }

    #[test]
    fn a_leader_whose_reads_come_in_time_never_loses_the_address(
        rules in rules(),
        delays in prop::collection::vec((0_u64..400, 0_u64..100), 1..60),
    ) {
        let mut world = World::new(Rules { claim: ClaimMode::Off, ..rules });
        world.read(true, 0, Some((60, None)), 0);
        for (age, late) in delays {
            let Rules { pace, hold_timeout, .. } = *world.keeper.rules();
            let pause = pace.holding(hold_timeout) + Duration::from_millis(late);
            world.wait(pause, true);
            world.read(true, age, Some((60, None)), 0);
            let holding = matches!(world.keeper.state(), State::Held { .. } | State::Doubtful { .. });
            prop_assert!(holding, "{:?}", world.keeper.state());
        }
    }
}
