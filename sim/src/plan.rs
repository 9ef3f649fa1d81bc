//! The plan of a history: a list of actions, drawn from a seed.
//!
//! Faults are not spread evenly. A cluster gets some kinds of them, mostly close together and mostly at the leader.
//! Many wait for a critical moment: between a request and its answer, between two steps of a turn, a millisecond before
//! a deadline, the instant at which a lease ends.

use vip_manager::driver::Point;

use crate::host::{Place, Trap};
use crate::network::Obstacle;
use crate::queue::MEMBERS;
use crate::rng::Rng;
use crate::setup::Setup;
use crate::time::{MILLI, MINUTE, Micros, SECOND};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Act {
    pub at: Micros,
    pub when: When,
    pub whom: Whom,
    pub what: What,
    /// How long it lasts, if it has an end.
    pub span: Micros,
}

/// The moment at which a due action begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    Then,
    /// This long after the next such event on the host.
    After(Hook, Micros),
    /// At the host's present deadline, with an offset.
    Deadline(i64),
    /// At the present end of the lease of the key, with an offset.
    LeaseEnd(i64),
}

/// An event that an action may wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    Sent,
    Served,
    Answered,
    Event,
    Put,
    Doubt,
    /// A request about the claim is sent, or its answer has been read.
    ClaimSent,
    ClaimAnswered,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    Leader,
    Host(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// SIGKILL. If clean, `vip-manager release` follows, as with systemd.
    Kill {
        clean: bool,
    },
    /// SIGSTOP, and SIGCONT after the span.
    Stop,
    Trap(Trap),
    /// SIGTERM.
    Terminate {
        keep: bool,
    },
    /// The path to every member, of the daemon alone or of Patroni as well.
    Cut {
        obstacle: Obstacle,
        patroni: bool,
    },
    CutPath {
        obstacle: Obstacle,
        path: u8,
    },
    /// All hosts lose one member.
    MemberDown {
        path: u8,
    },
    Slow {
        low: Micros,
        high: Micros,
    },
    /// All of etcd is unreachable for everybody.
    Away,
    /// etcd elects a leader: it answers nobody for a while, and every lease restarts.
    Election,
    LateEvents,
    LateNotices,
    /// Notices are dropped until the daemon lists the addresses.
    Overrun,
    /// Patroni is killed or stopped: it neither refreshes nor takes the key.
    PatroniDown,
    /// The leader deletes the key.
    Demote,
    /// The leader hands the key over.
    Switchover,
    /// Somebody writes the key by hand, without a lease.
    PutByHand,
    DeleteByHand,
    BackUp,
    Restore,
    /// The machine is paused. Afterwards its clock shows the pause or not.
    Pause {
        clock_jumps: bool,
    },
    /// The machine loses power and boots again.
    Crash,
    /// Somebody removes the address.
    Flush,
    /// Somebody adds the address permanently, or makes it permanent.
    PutForever,
    /// Somebody adds the address with another prefix length.
    PutStray,
    LinkDown,
    LinkGone,
    /// The kernel refuses every change.
    Refuse,
}

pub fn draw(rng: &mut Rng, setup: &Setup) -> Vec<Act> {
    let kinds: Vec<Kind> = loop {
        let some: Vec<Kind> = KINDS.iter().copied().filter(|_| rng.one_in(2)).collect();
        if !some.is_empty() {
            break some;
        }
    };
    let mut actions = Vec::new();
    let mut at = 5 * SECOND;
    while at < setup.length {
        at += gap(rng);
        let kind = rng.pick(&kinds);
        act(rng, setup, at, kind, &mut actions);
    }
    actions
}

/// The kind of an action. Its details are drawn separately.
#[derive(Clone, Copy)]
enum Kind {
    Process,
    Trap,
    Terminate,
    Cut,
    Path,
    Etcd,
    Watch,
    Notices,
    Patroni,
    Handover,
    ByHand,
    Restore,
    Pause,
    Crash,
    Meddle,
    Link,
    Refuse,
    LastMoment,
    LastWish,
}

const KINDS: [Kind; 19] = [
    Kind::Process,
    Kind::Trap,
    Kind::Terminate,
    Kind::Cut,
    Kind::Path,
    Kind::Etcd,
    Kind::Watch,
    Kind::Notices,
    Kind::Patroni,
    Kind::Handover,
    Kind::ByHand,
    Kind::Restore,
    Kind::Pause,
    Kind::Crash,
    Kind::Meddle,
    Kind::Link,
    Kind::Refuse,
    Kind::LastMoment,
    Kind::LastWish,
];

fn gap(rng: &mut Rng) -> Micros {
    match rng.below(10) {
        0..=3 => rng.within(0, 2 * SECOND),
        4..=6 => rng.within(SECOND, 15 * SECOND),
        _ => rng.within(10 * SECOND, 80 * SECOND),
    }
}

fn span(rng: &mut Rng, setup: &Setup) -> Micros {
    match rng.below(8) {
        0 => rng.within(MILLI, 50 * MILLI),
        1 | 2 => rng.within(100 * MILLI, 2 * SECOND),
        3 => setup.hold.saturating_sub(SECOND) + rng.within(0, 2 * SECOND),
        4 => rng.within(SECOND, setup.hold),
        5 => setup.ttl.saturating_sub(2 * SECOND) + rng.within(0, 4 * SECOND),
        6 => rng.within(2 * SECOND, 2 * setup.ttl),
        _ => 40 * SECOND,
    }
}

fn when(rng: &mut Rng) -> When {
    match rng.below(6) {
        0 | 1 => {
            let hook = rng.pick(&[Hook::Sent, Hook::Served, Hook::Answered, Hook::Event, Hook::Put, Hook::Doubt]);
            When::After(hook, rng.pick(&[0, 1, 50, 400, 2_000, 100_000, 900_000]))
        }
        2 => When::LeaseEnd(offset(rng)),
        _ => When::Then,
    }
}

fn offset(rng: &mut Rng) -> i64 {
    const NEAR: [i64; 9] = [-3_000_000, -1_020_000, -990_000, -500_000, -15_000, -1, 0, 1_000, 500_000];
    rng.pick(&NEAR)
}

fn whom(rng: &mut Rng, setup: &Setup) -> Whom {
    if rng.below(3) < 2 { Whom::Leader } else { Whom::Host(rng.below(setup.hosts as u64) as u8) }
}

fn act(rng: &mut Rng, setup: &Setup, at: Micros, kind: Kind, actions: &mut Vec<Act>) {
    let path = rng.below(MEMBERS as u64) as u8;
    let what = match kind {
        Kind::Process => match rng.below(2) {
            0 => What::Kill { clean: rng.one_in(3) },
            _ => What::Stop,
        },
        Kind::Trap => What::Trap(trap(rng, setup)),
        Kind::Terminate => What::Terminate { keep: rng.one_in(2) },
        Kind::Cut => What::Cut { obstacle: obstacle(rng), patroni: rng.one_in(2) },
        Kind::Path => match rng.below(4) {
            0 => What::MemberDown { path },
            1 => {
                let low = rng.pick(&[5, 100, 400]) * MILLI;
                What::Slow { low, high: low * rng.within(1, 8) }
            }
            _ => What::CutPath { obstacle: obstacle(rng), path },
        },
        Kind::Etcd => rng.pick(&[What::Away, What::Election]),
        Kind::Watch => What::LateEvents,
        Kind::Notices => rng.pick(&[What::LateNotices, What::Overrun]),
        Kind::Patroni => What::PatroniDown,
        Kind::Handover => rng.pick(&[What::Demote, What::Switchover]),
        Kind::ByHand => rng.pick(&[What::PutByHand, What::DeleteByHand]),
        Kind::Restore => rng.pick(&[What::BackUp, What::Restore]),
        Kind::Pause => What::Pause { clock_jumps: rng.one_in(2) },
        Kind::Crash => What::Crash,
        Kind::Meddle => rng.pick(&[What::Flush, What::PutForever, What::PutStray]),
        Kind::Link => rng.pick(&[What::LinkDown, What::LinkGone]),
        Kind::Refuse => What::Refuse,
        Kind::LastMoment => return last_moment(rng, setup, at, actions),
        Kind::LastWish => return last_wish(rng, setup, at, actions),
    };
    let (when, whom, span) = (when(rng), whom(rng, setup), span(rng, setup));
    actions.push(Act { at, when, whom, what, span });
}

fn obstacle(rng: &mut Rng) -> Obstacle {
    rng.pick(&[Obstacle::Silence, Obstacle::Silence, Obstacle::Deafness, Obstacle::Closed])
}

fn trap(rng: &mut Rng, setup: &Setup) -> Trap {
    const PLACES: [Place; 12] = [
        Place::Began,
        Place::Step(Point::Settling),
        Place::Step(Point::Ordered),
        Place::Step(Point::Putting),
        Place::Step(Point::Putting),
        Place::Step(Point::Putting),
        Place::Step(Point::Put),
        Place::Step(Point::Undoing),
        Place::Step(Point::Removing),
        Place::Step(Point::Applied),
        Place::Step(Point::Refusing),
        Place::Step(Point::Announcing),
    ];
    let stop = (!rng.one_in(4)).then(|| span(rng, setup));
    Trap { place: rng.pick(&PLACES), passes: rng.below(3) as u8, stop }
}

/// The leader stops refreshing its lease or is cut off, and near the end something happens to its daemon.
fn last_moment(rng: &mut Rng, setup: &Setup, at: Micros, actions: &mut Vec<Act>) {
    let whom = Whom::Leader;
    let (what, length, last) = if rng.one_in(2) {
        // As the lease runs out, each read allows a little less.
        let before = rng.pick(&[0, setup.margin as i64]);
        (What::PatroniDown, setup.ttl + rng.within(0, 10 * SECOND), When::LeaseEnd(offset(rng) - before))
    } else {
        let what = What::Cut { obstacle: obstacle(rng), patroni: rng.one_in(2) };
        (what, setup.hold + rng.within(0, 40 * SECOND), When::Deadline(offset(rng)))
    };
    actions.push(Act { at, when: When::Then, whom, what, span: length });
    let daemon = match rng.below(5) {
        0 | 1 => What::Kill { clean: false },
        2 => What::Stop,
        3 => What::Pause { clock_jumps: rng.one_in(2) },
        _ => What::Trap(trap(rng, setup)),
    };
    let later = at + rng.within(500 * MILLI, 2 * SECOND);
    actions.push(Act { at: later, when: last, whom, what: daemon, span: span(rng, setup) });
}

/// Faults of a cluster that claims, beside all others: somebody moves the key by hand while the holder is cut off, is
/// stopped while a renewal is under way, or is restarted and stopped while it takes its claim over.
pub fn draw_for_claims(rng: &mut Rng, setup: &Setup, actions: &mut Vec<Act>) {
    let mut at = 10 * SECOND;
    while at < setup.length {
        at += rng.within(20 * SECOND, 120 * SECOND);
        let leader = |at, when, what, span| Act { at, when, whom: Whom::Leader, what, span };
        let cut = What::Cut { obstacle: obstacle(rng), patroni: rng.one_in(2) };
        let by_hand = |rng: &mut Rng, at| leader(at + rng.within(0, 9 * SECOND), When::Then, What::PutByHand, 0);
        match rng.below(3) {
            0 => {
                let when = When::After(Hook::ClaimSent, rng.pick(&[0, 50, 400]));
                actions.push(leader(at, when, What::Stop, rng.within(SECOND, 6 * SECOND)));
                let answered = When::After(Hook::ClaimAnswered, rng.pick(&[0, 1, 1_000]));
                actions.push(leader(at + MILLI, answered, cut, rng.within(10 * SECOND, 30 * SECOND)));
            }
            1 => {
                actions.push(leader(at, When::Then, What::Kill { clean: rng.one_in(3) }, 0));
                let answered = When::After(Hook::ClaimAnswered, 0);
                let span = rng.within(5 * SECOND, 25 * SECOND);
                actions.push(leader(at + MILLI, answered, What::Stop, span));
                let whom = Whom::Host(rng.below(setup.hosts as u64) as u8);
                let later = at + span + rng.within(0, 4 * SECOND);
                actions.push(Act { whom, ..leader(later - SECOND, When::Then, cut, 20 * SECOND) });
                actions.push(by_hand(rng, later - SECOND));
            }
            _ => actions.push(leader(at, When::Then, cut, rng.within(5 * SECOND, 30 * SECOND))),
        }
        actions.push(by_hand(rng, at));
    }
}

/// Failures for an assumed bound: one at a time, or a second one while the session of a Patroni that is down runs out.
pub fn draw_failures(rng: &mut Rng, setup: &Setup) -> Vec<Act> {
    let mut actions = Vec::new();
    let mut at = 5 * SECOND;
    while at < setup.length {
        at += 2 * setup.loop_wait + rng.within(0, 20 * SECOND);
        let whom = Whom::Leader;
        let span = rng.within(SECOND, 2 * setup.ttl);
        let obstacle = obstacle(rng);
        let mut what = match rng.below(8) {
            0 => What::PatroniDown,
            1 => What::Crash,
            2 => What::Kill { clean: rng.one_in(3) },
            3 => What::Stop,
            4 => What::Cut { obstacle, patroni: false },
            5 => rng.pick(&[What::Away, What::Election, What::Demote]),
            _ => What::Cut { obstacle, patroni: true },
        };
        if !setup.singly {
            what = What::PatroniDown;
            let second = What::Cut { obstacle, patroni: rng.one_in(2) };
            let when = When::LeaseEnd(-(rng.within(0, 4 * SECOND) as i64));
            actions.push(Act { at: at + 500 * MILLI, when, whom, what: second, span });
        }
        actions.push(Act { at, when: When::Then, whom, what, span });
        // A daemon that was killed may be started a minute and a half later.
        at += span + setup.ttl + 2 * MINUTE;
    }
    actions
}

/// The lease runs out, and the daemon is cut off, delayed in its last renewals, and killed: from then on only the
/// kernel keeps the deadline.
fn last_wish(rng: &mut Rng, setup: &Setup, at: Micros, actions: &mut Vec<Act>) {
    let whom = Whom::Leader;
    let act = |at, when, what, span| Act { at, when, whom, what, span };
    actions.push(act(at, When::Then, What::PatroniDown, setup.ttl + 10 * SECOND));
    let soon = at + rng.within(500 * MILLI, 2 * SECOND);
    let cut = rng.within(setup.margin, setup.margin + setup.hold) as i64;
    if !rng.one_in(3) {
        let what = What::Cut { obstacle: obstacle(rng), patroni: false };
        actions.push(act(soon, When::LeaseEnd(-cut), what, 15 * SECOND));
    }
    let stop = rng.within(200 * MILLI, 2 * SECOND);
    let trap = Trap { place: Place::Step(Point::Putting), passes: 0, stop: Some(stop) };
    let held_up = cut - rng.within(0, 3 * SECOND) as i64;
    actions.push(act(soon, When::LeaseEnd(-held_up), What::Trap(trap), 0));
    let last = setup.margin as i64 + rng.within(0, 3 * SECOND) as i64;
    actions.push(act(soon, When::LeaseEnd(-last), What::Kill { clean: false }, 0));
}
