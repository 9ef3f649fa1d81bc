//! Faults of the daemon.

use nix::sys::signal::Signal;

use crate::case::{Case, End};
use crate::cases::{EXPIRY, LEASE_ENDS};
use crate::environment::Environment;

pub(crate) const CASES: &[Case] = &[
    Case::noticed("term", "`systemctl stop`", End::Back, 6.0, term).under_the_unit(),
    Case::noticed("kill", "The daemon is killed and not restarted", End::Back, EXPIRY, kill),
    Case::unnoticed("kill-restart", "The daemon crashes, systemd starts it again", kill_restart).under_the_unit(),
    Case::unnoticed("upgrade-keep", "The package is upgraded", upgrade)
        .configured(|config| config.with("on-stop", "keep"))
        .under_the_unit(),
    Case::unnoticed("stop-short", "The daemon hangs for a moment", |env| stopped(env, 1.5)).under_the_unit(),
    Case::noticed("stop-around", "The daemon hangs until about its deadline", End::Named, EXPIRY, around),
    Case::noticed("stop-across", "The daemon hangs past its deadline", End::Back, 12.0, |env| stopped(env, 9.0)),
    Case::noticed(
        "stop-lease",
        "The daemon hangs, Patroni dies, the daemon continues",
        End::Moved,
        LEASE_ENDS,
        stop_lease,
    ),
    Case::noticed("kill-lease", "The daemon and Patroni are killed at once", End::Moved, LEASE_ENDS, kill_lease),
    Case::noticed("frozen-host", "The whole host freezes for 12 s and continues", End::Moved, LEASE_ENDS, frozen),
    Case::unnoticed("signals", "A burst of SIGHUP, SIGPIPE and SIGWINCH", signals),
];

fn term(env: &mut Environment) {
    env.fault("systemctl stop", |env| {
        env.systemctl("stop");
        env.wait_gone(0);
        env.wait(2.0);
    });
    env.systemctl("start");
}

fn kill(env: &mut Environment) {
    env.fault("SIGKILL, not restarted", |env| {
        env.setup.daemons[0].process.kill();
        env.wait_gone(0);
    });
    env.start_again();
}

fn kill_restart(env: &mut Environment) {
    env.fault("SIGKILL", |env| env.signal(Signal::SIGKILL));
    env.wait(6.0);
}

fn upgrade(env: &mut Environment) {
    env.fault("systemctl restart", |env| env.systemctl("restart"));
    env.wait(5.0);
}

fn stop_for(env: &mut Environment, seconds: f64) {
    env.fault("SIGSTOP", |env| {
        env.signal(Signal::SIGSTOP);
        env.wait(seconds);
    });
    env.signal(Signal::SIGCONT);
}

fn stopped(env: &mut Environment, seconds: f64) {
    stop_for(env, seconds);
    env.wait(3.0);
}

fn around(env: &mut Environment) {
    for seconds in [3.2, 3.6, 3.9, 4.1, 4.4] {
        stop_for(env, seconds);
        env.wait(1.5);
    }
}

fn stop_lease(env: &mut Environment) {
    env.fault("SIGSTOP, Patroni dead", |env| {
        env.patronis[0].die();
        env.daemon().process.signal(Signal::SIGSTOP);
        env.wait_moved();
        env.wait(1.0);
    });
    env.daemon().process.signal(Signal::SIGCONT);
    env.wait(2.0);
}

fn kill_lease(env: &mut Environment) {
    env.fault("SIGKILL, Patroni dead", |env| {
        env.patronis[0].die();
        env.setup.daemons[0].process.kill();
    });
}

fn frozen(env: &mut Environment) {
    env.fault("everything on db1 is frozen", |env| {
        env.patronis[0].die();
        env.daemon().process.signal(Signal::SIGSTOP);
        env.wait(12.0);
    });
    env.daemon().process.signal(Signal::SIGCONT);
    env.patronis[0].revive(true);
    env.wait(2.0);
}

fn signals(env: &mut Environment) {
    env.fault("signals", |env| {
        for _ in 0..20 {
            env.daemon().process.signal(Signal::SIGHUP);
        }
        for signal in [Signal::SIGPIPE, Signal::SIGWINCH, Signal::SIGHUP] {
            env.daemon().process.signal(signal);
        }
        env.wait(5.0);
    });
}
