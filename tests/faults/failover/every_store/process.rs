//! Faults of the daemon and of its machine.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::network::{cut_off, over_the_network};
use super::store::switch;
use super::{BACK, Expected, Fault, Stage};
use crate::failover::batch::Pair;
use crate::on_host;
use crate::shim::Shim;
use crate::support::clock::wait_for;
use crate::support::cut::Way;
use crate::support::dcs::DcsKind;

const DAY: i64 = 86_400;

pub(super) const FAULTS: &[Fault] = &[
    Fault::kept("daemon-stopped", "the daemon is stopped for 1.5 s", |stage| stop_for(stage, 1.5)),
    Fault::interrupted::<5>("daemon-stopped-long", "the daemon is stopped for 13 s", |stage| stop_for(stage, 13.0))
        .expecting(back_after),
    Fault::kept("daemon-killed", "the daemon is killed and started again", |stage| {
        stage.pairs.iter_mut().for_each(Pair::start_again);
    }),
    Fault::kept("daemon-restarted", "the daemon is restarted", |stage| {
        for pair in &mut stage.pairs {
            pair.daemons[0].process.signal(Signal::SIGTERM);
            pair.daemons[0].process.wait(BACK);
            pair.start_again();
        }
    }),
    Fault::kept(
        "daemon-killed-cut",
        "the daemon is killed and started without a path to the servers, for 2 s",
        |stage| {
            let cuts = cut_off(stage, Way::Both);
            stage.pairs.iter_mut().for_each(Pair::start_again);
            stage.wait(2.0);
            drop(cuts);
        },
    )
    .expecting(over_the_network),
    Fault::interrupted::<5>("daemon-ended", "the daemon is stopped for good, and started after 3 s", ended),
    Fault::kept("signals", "twenty SIGHUP, and SIGPIPE and SIGWINCH", signals),
    Fault::kept("reloaded", "the configuration is changed and reloaded, and back", reloaded),
    Fault::kept("reloaded-broken", "a broken configuration is reloaded", reloaded_broken),
    Fault::kept("clock-back", "the wall clock is set back by a day", |stage| shift_clock(stage, -DAY)),
    Fault::kept("clock-forward", "the wall clock is set forward by a day", |stage| shift_clock(stage, DAY)),
    Fault::kept("descriptors", "no file descriptor is left, and a server is killed", descriptors).expecting(|kind| {
        if kind == DcsKind::Kubernetes { Expected::Senseless("there is one server") } else { Expected::Kept }
    }),
    Fault::kept("daemon-killed-moved", "the daemon is killed for good, and Patroni switches over", killed_and_moved)
        .expecting(moved_past_a_hold),
];

/// Back soon after an outage. Consul may have ended the session of the claim, and lets nobody lock it before the
/// lock-delay is over. In Kubernetes a record that was not looked at for long is a ground to hold again once Patroni has
/// renewed it.
pub(super) const fn back_after(kind: DcsKind) -> Expected {
    let seconds = match kind {
        DcsKind::Consul => 17,
        DcsKind::Kubernetes => 11,
        DcsKind::Etcd | DcsKind::Etcd2 | DcsKind::Zookeeper | DcsKind::Rest => 5,
    };
    Expected::Interrupted { after: Duration::from_secs(seconds) }
}

/// Moved while the old holder cannot learn of it: where there is no claim both have it for a hold-timeout at most, and the
/// kernel may be two seconds late. A claim lasts for `claim-ttl`; Consul may wait for two, and for the lock-delay.
pub(super) const fn moved_past_a_hold(kind: DcsKind) -> Expected {
    let seconds = Duration::from_secs;
    match kind {
        DcsKind::Etcd | DcsKind::Etcd2 => Expected::Moved { within: seconds(5), overlap: seconds(13) },
        DcsKind::Rest => Expected::Moved { within: seconds(5), overlap: seconds(10) },
        DcsKind::Kubernetes | DcsKind::Zookeeper => Expected::Moved { within: seconds(20), overlap: Duration::ZERO },
        DcsKind::Consul => Expected::Moved { within: seconds(40), overlap: Duration::ZERO },
    }
}

fn signal(stage: &Stage, signal: Signal) {
    stage.pairs.iter().for_each(|pair| pair.daemons[0].process.signal(signal));
}

fn stop_for(stage: &mut Stage, seconds: f64) {
    signal(stage, Signal::SIGSTOP);
    stage.wait(seconds);
    signal(stage, Signal::SIGCONT);
}

fn ended(stage: &mut Stage) {
    for pair in &mut stage.pairs {
        let config = pair.config.clone().without("on-stop");
        pair.daemons[0].rewrite_config(&config);
    }
    reload(stage);
    signal(stage, Signal::SIGTERM);
    stage.wait_gone();
    stage.wait(3.0);
    stage.pairs.iter_mut().for_each(Pair::start_again);
}

fn signals(stage: &mut Stage) {
    for _ in 0..20 {
        signal(stage, Signal::SIGHUP);
    }
    for one in [Signal::SIGPIPE, Signal::SIGWINCH, Signal::SIGHUP] {
        signal(stage, one);
    }
}

/// Lets the daemons read their configurations, and waits until they have.
fn reload(stage: &Stage) {
    let reloads = |pair: &Pair| pair.daemons[0].process.text().matches("configuration reloaded").count();
    let before: Vec<usize> = stage.pairs.iter().map(reloads).collect();
    signal(stage, Signal::SIGHUP);
    wait_for("the end of the reload", BACK, || {
        stage.pairs.iter().zip(&before).all(|(pair, before)| reloads(pair) > *before)
    });
}

fn reloaded(stage: &mut Stage) {
    let changed = |pair: &Pair| pair.config.clone().with("interval", "2s").with("announce-count", 3);
    for config in [changed, |pair: &Pair| pair.config.clone()] {
        stage.pairs.iter().for_each(|pair| pair.daemons[0].rewrite_config(&config(pair)));
        reload(stage);
    }
}

fn reloaded_broken(stage: &mut Stage) {
    for pair in &stage.pairs {
        pair.daemons[0].rewrite_config(&pair.config.clone().with("ip", "nowhere").without("dcs-type"));
    }
    signal(stage, Signal::SIGHUP);
    stage.wait(2.0);
    stage.pairs.iter().for_each(|pair| pair.daemons[0].rewrite_config(&pair.config));
    reload(stage);
}

/// The daemons are started with a library that shifts their clock, and without it afterwards.
fn shift_clock(stage: &mut Stage, seconds: i64) {
    let mut shims = Vec::new();
    for pair in &mut stage.pairs {
        let shim = Shim::new_for(stage.lab.directory(), &pair.scope);
        let variables = shim.variables();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        pair.start_again_with(&pair.config.clone(), &variables);
        shims.push(shim);
    }
    // Until the first renewal that it sees, a daemon goes by the wall clock in Kubernetes.
    stage.wait_renewed();
    for shim in &shims {
        shim.shift_clock(seconds);
    }
    stage.wait(11.0);
    stage.pairs.iter_mut().for_each(Pair::start_again);
}

fn descriptors(stage: &mut Stage) {
    let limit = |stage: &Stage, what: &str| {
        stage.pairs.iter().for_each(|pair| on_host::limit(pair.daemons[0].process.pid(), what));
    };
    let follower = stage.follower();
    limit(stage, "--nofile=4:");
    if stage.kind != DcsKind::Rest {
        stage.dcs.kill(follower);
    }
    stage.wait(1.0);
    if stage.kind != DcsKind::Rest {
        stage.dcs.restart(follower);
    }
    limit(stage, "--nofile=1024:");
}

fn killed_and_moved(stage: &mut Stage) {
    for pair in &mut stage.pairs {
        pair.daemons[0].process.kill();
    }
    stage.pairs.iter().for_each(switch);
}
