//! The keeper: whatever happens in whatever order, the promise holds.
//!
//! The world and its invariants are those of the properties in the library; here the coverage of the code steers the
//! operations.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use vip_manager::keeper::{
    ClaimMode, ClaimReport, ClaimWish, Event, Keeper, KeyEvent, KeyRead, Link, LinkView, Names, Note, Order, Outcome,
    PresentAddress, Rules, Schedule, State, StopMode, Target, Tenure, Version,
};
use vip_manager::pace::Pace;
use vip_manager::time::{Lifetime, Moment};
use vip_manager::vip::Mac;

#[path = "../../src/keeper/properties/world.rs"]
mod world;

use world::{ClaimOp, Op, World};

/// A longer history reaches nothing new and only slows the search.
const LONGEST_HISTORY: usize = 200;
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let Ok(rules) = rules(&mut bytes) else { return };
    let mut world = World::new(rules);
    for _ in 0..LONGEST_HISTORY {
        match op(&mut bytes) {
            Ok(op) if !bytes.is_empty() => world.play(op),
            Ok(_) | Err(_) => break,
        }
    }
    world.end();
});

fn rules(bytes: &mut Unstructured<'_>) -> Result<Rules> {
    let interval = Duration::from_millis(bytes.int_in_range(1..=20_u64)? * 50);
    let count = bytes.arbitrary::<bool>()?.then(|| bytes.int_in_range(1..=9)).transpose()?;
    let pause = bytes.arbitrary::<bool>()?.then(|| bytes.int_in_range(10..=5_000)).transpose()?;
    let refresh = Duration::from_secs(bytes.int_in_range(0..=70)?);
    Ok(Rules {
        prefix: 32,
        pace: Pace { full: interval, longest: interval * bytes.int_in_range(1..=10_u32)? },
        hold_timeout: (interval * 3).max(Duration::from_secs(2))
            + Duration::from_millis(bytes.int_in_range(0..=9_000)?),
        lease_margin: Duration::from_secs(bytes.int_in_range(1..=6)?),
        claim: *bytes.choose(&[ClaimMode::Off, ClaimMode::Auto, ClaimMode::Require])?,
        schedule: Schedule { count, interval: pause.map(Duration::from_millis), refresh },
        seed: bytes.arbitrary()?,
    })
}

fn op(bytes: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match bytes.int_in_range(0..=14_u8)? {
        0 | 1 => Op::Read {
            ours: bytes.arbitrary()?,
            age: bytes.int_in_range(0..=15_000)?,
            lease: bytes.arbitrary::<bool>()?.then(|| bytes.int_in_range(0..=60)).transpose()?,
            assumed: bytes.arbitrary::<bool>()?.then(|| bytes.int_in_range(0..=6)).transpose()?,
            revision: bytes.int_in_range(-3..=3)?,
        },
        2 => Op::Read { ours: true, age: 0, lease: Some(30), assumed: None, revision: 1 },
        3 => Op::Changed { ours: bytes.arbitrary()?, revision: bytes.int_in_range(-3..=3)? },
        4 => Op::Unreachable(bytes.arbitrary::<bool>()?.then(|| bytes.int_in_range(0..=12_000)).transpose()?),
        5 => Op::Meddle { present: present(bytes)?, link: link(bytes)? },
        6 => Op::Wait { millis: bytes.int_in_range(0..=200)?, on_time: bytes.arbitrary()? },
        7 => Op::Wait { millis: bytes.int_in_range(0..=20_000)?, on_time: bytes.arbitrary()? },
        8 => Op::Refuse(bytes.arbitrary()?),
        9 => Op::Rival { mac: bytes.int_in_range(0..=7)?, claims: bytes.int_in_range(1..=u32::MAX)? },
        10 => Op::Slow(bytes.int_in_range(0..=2_200)?),
        11 => Op::Claim(ClaimOp::Held {
            age: bytes.int_in_range(0..=500)?,
            bound: bytes.int_in_range(0..=15)?,
            named: bytes.arbitrary()?,
        }),
        12 => Op::Claim(match bytes.int_in_range(0..=4_u8)? {
            0 => ClaimOp::Taken,
            1 => ClaimOp::Lost,
            2 => ClaimOp::Refused,
            3 => ClaimOp::Unknown,
            _ => ClaimOp::Absent,
        }),
        13 => Op::Pace(bytes.int_in_range(50..=2_000)?),
        _ => Op::Stop(if bytes.arbitrary()? { StopMode::Release } else { StopMode::Keep }),
    })
}

fn present(bytes: &mut Unstructured<'_>) -> Result<Vec<(u8, Option<u64>)>> {
    let count = bytes.int_in_range(0..=2_u8)?;
    let one = |bytes: &mut Unstructured<'_>| {
        let prefix = *bytes.choose(&[32, 24, 1])?;
        Ok((prefix, bytes.arbitrary::<bool>()?.then(|| bytes.int_in_range(1..=30)).transpose()?))
    };
    (0..count).map(|_| one(bytes)).collect()
}

fn link(bytes: &mut Unstructured<'_>) -> Result<Option<(u32, bool, u8)>> {
    let there = !bytes.ratio(1, 8)?;
    there.then(|| Ok((bytes.int_in_range(1..=2)?, bytes.arbitrary()?, bytes.int_in_range(0..=1)?))).transpose()
}
