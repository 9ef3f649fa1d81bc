//! Faults of the store's servers, and of the leader key.

use super::network::{cut_off, one_of_several, over_the_network};
use super::process::{back_after, moved_past_a_hold};
use super::{Expected, Fault, Stage, back_within};
use crate::failover::batch::Pair;
use crate::support::cut::{Cut, Way};
use crate::support::dcs::DcsKind;
use crate::support::patroni::switch_over;

pub(super) const FAULTS: &[Fault] = &[
    Fault::kept("server-killed", "a server is killed and comes back", |stage| kill(stage, stage.follower()))
        .expecting(one_of_several),
    Fault::kept("leader-killed", "the servers' leader is killed and comes back", |stage| {
        kill(stage, stage.dcs.leader());
    })
    .expecting(over_the_network),
    Fault::kept("server-silent", "the host of a server loses its network for 5 s", |stage| {
        let follower = stage.follower();
        let _cut = Cut::off(&stage.lab, stage.dcs.servers()[follower]);
        stage.wait(5.0);
    })
    .expecting(one_of_several),
    Fault::kept("rolling-restart", "the servers are killed and come back, one by one", rolling_restart)
        .expecting(one_of_several),
    Fault::kept("follower-frozen", "a server that does not lead hangs for 6 s", |stage| {
        freeze(stage, &[stage.follower()], 6.0);
    })
    .expecting(one_of_several),
    Fault::kept("leader-frozen", "the servers' leader hangs for 6 s", |stage| {
        freeze(stage, &[stage.dcs.leader()], 6.0);
    })
    .expecting(leader_frozen),
    Fault::kept("slow", "every server hangs for 200 ms, again and again for 6 s", slow).expecting(over_the_network),
    Fault::kept("all-frozen", "all servers hang for 2 s", |stage| freeze(stage, &stage.servers(), 2.0)),
    Fault::interrupted::<5>("all-frozen-long", "all servers hang for 9 s", |stage| {
        freeze(stage, &stage.servers(), 9.0);
    })
    .expecting(back_after),
    Fault::interrupted::<5>("all-killed", "all servers are killed, and come back after 9 s", |stage| {
        kill_and_restart(stage, &stage.servers());
    })
    .expecting(back_after),
    Fault::interrupted::<5>("quorum-lost", "two of three servers are killed, and come back after 9 s", |stage| {
        kill_and_restart(stage, &[0, 1]);
    })
    .expecting(quorum_lost),
    Fault::interrupted::<5>("key-deleted", "the leader key is deleted by hand, Patroni takes it after 1 s", deleted)
        .expecting(|kind| by_hand(kind, back_within::<5>(kind))),
    Fault::interrupted::<5>("key-garbage", "the leader key holds another word for 2 s", garbage)
        .expecting(|kind| by_hand(kind, back_within::<5>(kind))),
    Fault::kept("key-overwritten", "the leader key is overwritten with the other host's name", |stage| {
        stage.pairs.iter().for_each(|pair| stage.dcs.write_by_hand(&pair.scope, pair.hosts[1].name()));
    })
    .expecting(|kind| by_hand(kind, moved_at_once(kind))),
    Fault::kept("switchover", "Patroni switches over", |stage| stage.pairs.iter().for_each(switch))
        .expecting(moved_at_once),
    Fault::kept("moved-while-cut-off", "the leader key moves by hand while the host is cut off", cut_off_and_moved)
        .expecting(|kind| by_hand(kind, moved_past_a_hold(kind))),
];

/// Patroni hands over.
pub(super) fn switch(pair: &Pair) {
    pair.patronis[1].may_lead(false);
    switch_over(&pair.patronis[0], &pair.patronis[1]);
}

/// Consul, ZooKeeper and Kubernetes have claims by default.
const fn moved_at_once(kind: DcsKind) -> Expected {
    Expected::moved_at_once(matches!(kind, DcsKind::Consul | DcsKind::Zookeeper | DcsKind::Kubernetes))
}

const fn by_hand(kind: DcsKind, expected: Expected) -> Expected {
    if matches!(kind, DcsKind::Rest) { Expected::Senseless("Patroni decides who leads") } else { expected }
}

/// ZooKeeper's followers wait for a leader that hangs, for ten seconds with the usual settings.
const fn leader_frozen(kind: DcsKind) -> Expected {
    match kind {
        DcsKind::Zookeeper => back_within::<5>(kind),
        DcsKind::Etcd | DcsKind::Etcd2 | DcsKind::Consul | DcsKind::Kubernetes | DcsKind::Rest => one_of_several(kind),
    }
}

const fn quorum_lost(kind: DcsKind) -> Expected {
    if matches!(kind, DcsKind::Kubernetes) { one_of_several(kind) } else { back_after(kind) }
}

fn kill(stage: &mut Stage, place: usize) {
    stage.dcs.kill(place);
    stage.wait(1.0);
    stage.dcs.restart(place);
}

fn rolling_restart(stage: &mut Stage) {
    for place in stage.servers() {
        kill(stage, place);
        stage.wait(1.0);
    }
}

fn freeze(stage: &Stage, places: &[usize], seconds: f64) {
    freeze_all(stage, places, true);
    stage.wait(seconds);
    freeze_all(stage, places, false);
    for place in places {
        stage.dcs.wait_serving(*place);
    }
}

fn freeze_all(stage: &Stage, places: &[usize], frozen: bool) {
    for place in places {
        if frozen {
            stage.dcs.freeze(*place);
        } else {
            stage.dcs.thaw(*place);
        }
    }
}

fn slow(stage: &mut Stage) {
    let servers = stage.servers();
    for _ in 0..24 {
        freeze_all(stage, &servers, true);
        stage.wait(0.2);
        freeze_all(stage, &servers, false);
        stage.wait(0.05);
    }
}

fn kill_and_restart(stage: &mut Stage, places: &[usize]) {
    for place in places {
        stage.dcs.kill(*place);
    }
    stage.wait(9.0);
    for place in places {
        stage.dcs.begin_restart(*place);
    }
    for place in places {
        stage.dcs.wait_serving(*place);
    }
}

/// Lets the first host's Patroni have its lock again after so many seconds without one.
fn take_back(stage: &Stage, seconds: f64) {
    stage.wait_gone();
    stage.wait(seconds);
    stage.pairs.iter().for_each(|pair| stage.take_key_back(pair));
    stage.pairs.iter().for_each(|pair| pair.patronis[1].may_lead(true));
}

fn deleted(stage: &mut Stage) {
    for pair in &stage.pairs {
        pair.patronis[1].may_lead(false);
        pair.patronis[0].die();
        stage.dcs.delete_by_hand(&pair.scope);
    }
    take_back(stage, 1.0);
}

fn garbage(stage: &mut Stage) {
    stage.pairs.iter().for_each(|pair| stage.dcs.write_by_hand(&pair.scope, "nobody"));
    take_back(stage, 2.0);
}

fn cut_off_and_moved(stage: &mut Stage) {
    let cuts = cut_off(stage, Way::Both);
    for pair in &stage.pairs {
        pair.patronis[1].may_lead(false);
        stage.dcs.delete_by_hand(&pair.scope);
        pair.patronis[1].take_over();
    }
    // The old holder cannot learn of it before the end of its hold.
    stage.wait(13.0);
    drop(cuts);
}
