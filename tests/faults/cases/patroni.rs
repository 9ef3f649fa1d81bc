//! What befalls the leader key and whoever writes it.

use crate::case::{Case, End};
use crate::cases::{HELD_ON_TRUST, LEASE_ENDS, QUICK};
use crate::stage::Stage;
use crate::support::cut::Way;
use crate::support::daemon::KEY;
use crate::support::host::{VIP, VIP6};
use crate::support::patroni::switch_over;

pub(crate) const CASES: &[Case] = &[
    Case::noticed("switchover", "A switchover, all connected", End::Moved, QUICK, |stage| {
        stage.fault("switchover", |stage| switch(stage));
    }),
    Case::noticed("patroni-killed", "Patroni is killed, its daemon lives", End::Moved, LEASE_ENDS, |stage| {
        stage.fault("Patroni dead", |stage| stage.patronis[0].die());
    }),
    Case::noticed(
        "patroni-paused",
        "Patroni hangs, its daemon lives, and then Patroni goes on",
        End::Moved,
        LEASE_ENDS,
        paused,
    ),
    Case::unnoticed("patroni-late", "Patroni refreshes its lease late", late),
    Case::noticed("moved-by-hand", "Somebody writes another name into the key", End::Moved, QUICK, by_hand),
    Case::noticed(
        "moved-while-cut-off",
        "The leader moves while the old host's daemon is cut off",
        End::Moved,
        HELD_ON_TRUST + 2.0,
        cut_off,
    )
    .overlapping(HELD_ON_TRUST + 0.5),
    Case::noticed("key-deleted", "Somebody deletes the key", End::Named, LEASE_ENDS, deleted),
    Case::noticed("wrong-name", "The key holds a name that no host has, for a while", End::Back, 6.0, wrong_name),
    Case::noticed("ipv6-only", "A switchover of an IPv6 address", End::Moved, QUICK, |stage| {
        stage.fault("switchover", |stage| switch(stage));
    })
    .at(VIP6)
    .configured(|config| config.with("ip", format!("\"{VIP6}\""))),
    Case::noticed("several-vips", "A switchover of three addresses", End::Moved, QUICK, |stage| {
        stage.fault("switchover", |stage| switch(stage));
    })
    .configured(|config| config.with("ip", format!("[{VIP}, 10.66.0.101, \"{VIP6}\"]"))),
];

/// Patroni on the first host hands over to the second.
pub(crate) fn switch(stage: &Stage) {
    switch_between(stage, 0, 1);
}

/// Patroni on one host hands over to another, and no third one is quicker.
pub(crate) fn switch_between(stage: &Stage, from: usize, to: usize) {
    stage.patronis.iter().for_each(|patroni| patroni.may_lead(false));
    switch_over(&stage.patronis[from], &stage.patronis[to]);
    stage.wait_held(to);
    stage.wait_gone(from);
}

fn paused(stage: &mut Stage) {
    stage.fault("Patroni of db1 hangs", |stage| {
        stage.patronis[0].freeze();
        stage.wait_moved();
        stage.last(1.0);
        stage.patronis[0].thaw();
    });
    stage.last(3.0);
}

fn late(stage: &mut Stage) {
    // A lease of the hand's own beneath the same name, renewed shortly before its margin, as a slow Patroni does.
    let lease = stage.setup.cluster.store().grant(12);
    stage.setup.write(KEY, "db1", lease);
    stage.fault("renewed only every 5 s", |stage| {
        for _ in 0..2 {
            stage.last(5.0);
            stage.setup.cluster.store().keep_alive(lease);
        }
    });
}

fn by_hand(stage: &mut Stage) {
    stage.fault("the key is written", |stage| {
        stage.setup.set_leader(1);
        stage.wait_held(1);
        stage.wait_gone(0);
    });
}

fn cut_off(stage: &mut Stage) {
    stage.fault("db1's daemon is cut off from etcd", |stage| {
        let cut = stage.setup.cut_etcd(0, Way::Both);
        stage.last(0.5);
        // The key is to be free for the one that is told to take it.
        stage.patronis[1].may_lead(false);
        stage.patronis[2].may_lead(false);
        switch_over(&stage.patronis[0], &stage.patronis[1]);
        stage.wait_held(1);
        stage.wait_gone(0);
        stage.last(1.0);
        cut.heal();
    });
    stage.last(2.0);
}

fn deleted(stage: &mut Stage) {
    stage.fault("the key is deleted", |stage| stage.setup.cluster.store().delete(KEY));
    stage.last(2.0);
}

fn wrong_name(stage: &mut Stage) {
    stage.fault("the key holds \"nobody\"", |stage| {
        stage.setup.write(KEY, "nobody", 0);
        stage.wait_gone(0);
        stage.last(2.0);
    });
    stage.setup.set_leader(0);
}
