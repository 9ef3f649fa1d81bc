//! What befalls the daemon itself.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::case::{Case, End};
use crate::cases::{EXPIRY, LEASE_ENDS};
use crate::stage::Stage;

const END: Duration = Duration::from_secs(10);

pub(crate) const CASES: &[Case] = &[
    Case::noticed("term", "`systemctl stop` leaves the VIP behind", End::Back, 6.0, term),
    Case::noticed("kill", "The daemon was killed and the address stayed for ever", End::Back, EXPIRY, kill),
    Case::unnoticed("kill-restart", "The daemon crashed, systemd started it again", kill_restart),
    Case::unnoticed("upgrade-keep", "Each upgrade cuts every session", upgrade)
        .configured(|config| config.with("on-stop", "keep")),
    Case::unnoticed("stop-short", "The daemon hangs for a moment", |stage| stopped(stage, 1.5)),
    Case::noticed("stop-around", "The daemon hangs until just about the deadline", End::Named, EXPIRY, around),
    Case::noticed("stop-across", "The daemon hangs for long and goes on", End::Back, 12.0, |stage| stopped(stage, 9.0)),
    Case::noticed(
        "stop-lease",
        "The daemon hangs, Patroni is dead, and then the daemon goes on",
        End::Moved,
        LEASE_ENDS,
        stop_lease,
    ),
    Case::noticed("kill-lease", "The daemon and Patroni are killed at once", End::Moved, LEASE_ENDS, kill_lease),
    Case::noticed("frozen-host", "The whole host freezes for 12 s and goes on", End::Moved, LEASE_ENDS, frozen),
    Case::unnoticed("signals", "A burst of SIGHUP, SIGPIPE and SIGWINCH", signals),
];

fn term(stage: &mut Stage) {
    stage.fault("SIGTERM, nobody starts it again", |stage| {
        stage.daemon().process.signal(Signal::SIGTERM);
        stage.wait_gone(0);
        assert!(stage.setup.daemons[0].process.wait(END).success(), "it ended badly");
        stage.last(2.0);
    });
    stage.start_again();
}

fn kill(stage: &mut Stage) {
    stage.fault("SIGKILL, nobody starts it again", |stage| {
        stage.setup.daemons[0].process.kill();
        stage.wait_gone(0);
    });
    stage.start_again();
}

fn kill_restart(stage: &mut Stage) {
    stage.fault("SIGKILL", |stage| stage.setup.daemons[0].process.kill());
    stage.last(0.3);
    stage.start_again();
    stage.last(5.0);
}

fn upgrade(stage: &mut Stage) {
    stage.fault("SIGTERM", |stage| {
        stage.daemon().process.signal(Signal::SIGTERM);
        stage.setup.daemons[0].process.wait(END);
    });
    stage.last(0.3);
    stage.start_again();
    stage.last(5.0);
}

fn stop_for(stage: &mut Stage, seconds: f64) {
    stage.fault("SIGSTOP", |stage| {
        stage.daemon().process.signal(Signal::SIGSTOP);
        stage.last(seconds);
    });
    stage.daemon().process.signal(Signal::SIGCONT);
}

fn stopped(stage: &mut Stage, seconds: f64) {
    stop_for(stage, seconds);
    stage.last(3.0);
}

fn around(stage: &mut Stage) {
    for seconds in [3.2, 3.6, 3.9, 4.1, 4.4] {
        stop_for(stage, seconds);
        stage.last(1.5);
    }
}

fn stop_lease(stage: &mut Stage) {
    stage.fault("SIGSTOP, Patroni dead", |stage| {
        stage.patronis[0].die();
        stage.daemon().process.signal(Signal::SIGSTOP);
        stage.wait_moved();
        stage.last(1.0);
    });
    stage.daemon().process.signal(Signal::SIGCONT);
    stage.last(2.0);
}

fn kill_lease(stage: &mut Stage) {
    stage.fault("SIGKILL, Patroni dead", |stage| {
        stage.patronis[0].die();
        stage.setup.daemons[0].process.kill();
    });
}

fn frozen(stage: &mut Stage) {
    stage.fault("everything on db1 stands still", |stage| {
        stage.patronis[0].die();
        stage.daemon().process.signal(Signal::SIGSTOP);
        stage.last(12.0);
    });
    stage.daemon().process.signal(Signal::SIGCONT);
    stage.patronis[0].revive(true);
    stage.last(2.0);
}

fn signals(stage: &mut Stage) {
    stage.fault("signals", |stage| {
        for _ in 0..20 {
            stage.daemon().process.signal(Signal::SIGHUP);
        }
        for signal in [Signal::SIGPIPE, Signal::SIGWINCH, Signal::SIGHUP] {
            stage.daemon().process.signal(signal);
        }
        stage.last(5.0);
    });
}
