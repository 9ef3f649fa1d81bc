//! Faults of the leader key and of Patroni.

use crate::case::{Case, End};
use crate::cases::{HOLD_TIMEOUT, LEASE_ENDS, QUICK};
use crate::environment::Environment;
use crate::support::cut::Way;
use crate::support::daemon::KEY;
use crate::support::host::{VIP, VIP6};
use crate::support::patroni::switch_over;

pub(crate) const CASES: &[Case] = &[
    Case::noticed("switchover", "A switchover, all hosts connected", End::Moved, QUICK, |env| {
        env.fault("switchover", |env| switch(env));
    }),
    Case::noticed("patroni-killed", "Patroni is killed, its daemon runs", End::Moved, LEASE_ENDS, |env| {
        env.fault("Patroni dead", |env| env.patronis[0].die());
    }),
    Case::noticed("patroni-paused", "Patroni hangs and continues, its daemon runs", End::Moved, LEASE_ENDS, paused),
    Case::unnoticed("patroni-late", "Patroni refreshes its lease late", late),
    Case::noticed("moved-by-hand", "The key is moved to another name by hand", End::Moved, QUICK, by_hand),
    Case::noticed(
        "moved-while-cut-off",
        "The leader moves while the old daemon is partitioned",
        End::Moved,
        HOLD_TIMEOUT + 2.0,
        cut_off,
    )
    .overlapping(HOLD_TIMEOUT + 0.5),
    Case::noticed("key-deleted", "The key is deleted by hand", End::Named, LEASE_ENDS, deleted),
    Case::noticed("wrong-name", "The key holds a name that no host has, for a while", End::Back, 6.0, wrong_name),
    Case::noticed("ipv6-only", "A switchover of an IPv6 address", End::Moved, QUICK, |env| {
        env.fault("switchover", |env| switch(env));
    })
    .at(VIP6)
    .configured(|config| config.with("ip", format!("\"{VIP6}\""))),
    Case::noticed("several-vips", "A switchover of three addresses", End::Moved, QUICK, |env| {
        env.fault("switchover", |env| switch(env));
    })
    .configured(|config| config.with("ip", format!("[{VIP}, 10.66.0.101, \"{VIP6}\"]"))),
];

/// Patroni on the first host hands over to the second.
pub(crate) fn switch(env: &Environment) {
    switch_between(env, 0, 1);
}

/// Patroni on one host hands over to another. The third one must not take the key.
pub(crate) fn switch_between(env: &Environment, from: usize, to: usize) {
    env.patronis.iter().for_each(|patroni| patroni.may_lead(false));
    switch_over(&env.patronis[from], &env.patronis[to]);
    env.wait_held(to);
    env.wait_gone(from);
}

fn paused(env: &mut Environment) {
    env.fault("Patroni of db1 hangs", |env| {
        env.patronis[0].freeze();
        env.wait_moved();
        env.wait(1.0);
        env.patronis[0].thaw();
    });
    env.wait(3.0);
}

fn late(env: &mut Environment) {
    // The same name with a lease of the test, renewed late, as a slow Patroni does.
    let lease = env.setup.cluster.store().grant(12);
    env.setup.write(KEY, "db1", lease);
    env.fault("renewed only every 5 s", |env| {
        for _ in 0..2 {
            env.wait(5.0);
            env.setup.cluster.store().keep_alive(lease);
        }
    });
}

fn by_hand(env: &mut Environment) {
    env.fault("the key is written", |env| {
        env.setup.set_leader(1);
        env.wait_held(1);
        env.wait_gone(0);
    });
}

fn cut_off(env: &mut Environment) {
    env.fault("db1's daemon is cut off from etcd", |env| {
        let cut = env.setup.cut_etcd(0, Way::Both);
        env.wait(0.5);
        // No other host may take the free key.
        env.patronis[1].may_lead(false);
        env.patronis[2].may_lead(false);
        switch_over(&env.patronis[0], &env.patronis[1]);
        env.wait_held(1);
        env.wait_gone(0);
        env.wait(1.0);
        cut.heal();
    });
    env.wait(2.0);
}

fn deleted(env: &mut Environment) {
    env.fault("the key is deleted", |env| env.setup.cluster.store().delete(KEY));
    env.wait(2.0);
}

fn wrong_name(env: &mut Environment) {
    env.fault("the key holds \"nobody\"", |env| {
        env.setup.write(KEY, "nobody", 0);
        env.wait_gone(0);
        env.wait(2.0);
    });
    env.setup.set_leader(0);
}
