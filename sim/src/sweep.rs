//! Every combination of three faults in a short history.
//!
//! A cluster of two hosts with the default configuration, the shortest delays, and a kernel that is punctual or as late
//! as possible. Three faults of every kind hit its leader, at each moment of a grid that is finest around the critical
//! ones.

use vip_manager::driver::Point;

use crate::history::History;
use crate::host::{Place, Trap};
use crate::network::Obstacle;
use crate::plan::{Act, What, When, Whom};
use crate::setup::Setup;
use crate::time::{MILLI, Micros, SECOND};

/// All histories of the sweep. Their numbers serve as seeds.
pub fn histories() -> impl Iterator<Item = History> {
    let scenes = FIRST.iter().flat_map(|first| SECOND_AT.iter().map(move |at| (*first, *at)));
    let pairs = scenes.flat_map(|(first, at)| STRIKES.iter().map(move |second| (first, at, *second)));
    let triples = pairs.flat_map(|triple| THIRD_AFTER.iter().map(move |after| (triple, *after)));
    let all = triples.flat_map(|pair| STRIKES.iter().map(move |third| (pair, *third)));
    let late = all.flat_map(|history| [false, true].map(|late| (history, late)));
    late.enumerate().map(|(number, ((((first, at, second), after), third), late))| {
        let setup = Setup {
            calm: true,
            late_kernel: late,
            rates: slow(late),
            etcd_rate: fast(late),
            length: 75 * SECOND,
            ..Setup::delivered(2)
        };
        let (what, span) = first;
        let begin = 12 * SECOND;
        let plan = vec![
            Act { at: begin, when: When::Then, whom: Whom::Host(0), what, span },
            strike(begin + at, second),
            strike(begin + at + after, third),
        ];
        History { seed: number as u64, latency: 0, setup, plan }
    })
}

/// Clocks that are as wrong as the promise allows, in the harmful direction.
const fn slow(worst: bool) -> [i64; 4] {
    if worst { [-20_000; 4] } else { [0; 4] }
}

const fn fast(worst: bool) -> i64 {
    if worst { 20_000 } else { 0 }
}

const fn strike(at: Micros, (what, span): (What, Micros)) -> Act {
    Act { at, when: When::Then, whom: Whom::Host(0), what, span }
}

/// The first fault: the lease runs out, the host is cut off, or the key is moved.
const FIRST: [(What, Micros); 6] = [
    (What::PatroniDown, 60 * SECOND),
    (What::Cut { obstacle: Obstacle::Silence, patroni: true }, 40 * SECOND),
    (What::Cut { obstacle: Obstacle::Deafness, patroni: false }, 40 * SECOND),
    (What::Cut { obstacle: Obstacle::Silence, patroni: false }, 9 * SECOND),
    (What::Switchover, 0),
    (What::LateEvents, 20 * SECOND),
];

/// From the first fault to the second. The lease of a Patroni that is down ends after 20 to 30 s.
const SECOND_AT: [Micros; 22] = [
    0,
    500 * MILLI,
    1_500 * MILLI,
    3 * SECOND,
    5 * SECOND,
    7_900 * MILLI,
    8_900 * MILLI,
    9_500 * MILLI,
    9_990 * MILLI,
    12 * SECOND,
    15_500 * MILLI,
    17 * SECOND,
    18_200 * MILLI,
    19 * SECOND,
    20 * SECOND,
    21 * SECOND,
    22 * SECOND,
    23 * SECOND,
    23_500 * MILLI,
    24 * SECOND,
    25 * SECOND,
    26 * SECOND,
];

const THIRD_AFTER: [Micros; 8] =
    [1, 400 * MILLI, 900 * MILLI, 1_400 * MILLI, 2_100 * MILLI, 3 * SECOND, 6 * SECOND, 9_800 * MILLI];

const STRIKES: [(What, Micros); 14] = [
    (What::Kill { clean: false }, 0),
    (What::Stop, 1_300 * MILLI),
    (What::Stop, 12 * SECOND),
    (trapped(Place::Began, Some(11 * SECOND)), 0),
    (trapped(Place::Step(Point::Putting), Some(700 * MILLI)), 0),
    (trapped(Place::Step(Point::Putting), Some(1_400 * MILLI)), 0),
    (trapped(Place::Step(Point::Putting), Some(11 * SECOND)), 0),
    (trapped(Place::Step(Point::Put), None), 0),
    (trapped(Place::Step(Point::Removing), None), 0),
    (trapped(Place::Step(Point::Announcing), Some(11 * SECOND)), 0),
    (What::Pause { clock_jumps: true }, 15 * SECOND),
    (What::Cut { obstacle: Obstacle::Silence, patroni: false }, 3 * SECOND),
    (What::Flush, 0),
    (What::DeleteByHand, 0),
];

const fn trapped(place: Place, stop: Option<Micros>) -> What {
    What::Trap(Trap { place, passes: 0, stop })
}
