//! What the machine withholds from the daemon, or tells it wrongly: memory, descriptors, room for logs, the time.

use crate::case::{Case, End};
use crate::cases::process::EXPIRY;
use crate::stage::Stage;
use crate::support::command::run;

const QUICK: f64 = 2.0;

pub(crate) const CASES: &[Case] = &[
    Case::noticed("memory", "There is no memory left for the daemon", End::Named, EXPIRY + 6.0, memory),
    Case::unnoticed("descriptors", "There are no descriptors left, and a member restarts", descriptors),
    Case::noticed("log-full", "The log's disk is full, and the leader changes", End::Moved, QUICK, log_full),
    Case::unnoticed("log-reader-gone", "Whoever read the log is gone", log_reader_gone),
    Case::noticed(
        "time-namespace",
        "The host has been up for 31 years, as its clock says",
        End::Moved,
        QUICK,
        time_namespace,
    ),
];

/// Only the soft limit: nobody here may raise a hard one again.
fn limit(stage: &Stage, what: &str) {
    run("prlimit", &["--pid", &stage.daemon().process.pid().to_string(), what]);
}

fn memory(stage: &mut Stage) {
    // More than it has already is refused from now on: what it does with that is up to it, the promise is not.
    stage.fault("not a page more", |stage| {
        limit(stage, "--as=1000000:");
        stage.last(6.0);
    });
    if stage.scene.daemons[0].process.ended().is_some() {
        stage.start_again();
    } else {
        limit(stage, "--as=unlimited:");
    }
}

fn descriptors(stage: &mut Stage) {
    stage.fault("not a descriptor more", |stage| {
        limit(stage, "--nofile=4:");
        stage.scene.cluster.members[2].kill();
        stage.last(1.0);
        stage.scene.cluster.members[2].restart();
        stage.scene.cluster.wait_member(2);
        stage.last(5.0);
        limit(stage, "--nofile=1024:");
    });
    stage.last(1.0);
}

fn log_full(stage: &mut Stage) {
    stage.fault("stderr is a full disk", |stage| {
        stage.start_through(&["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"]);
        stage.last(5.0);
    });
    stage.fault("switchover", |stage| crate::cases::patroni::switch(stage));
}

fn log_reader_gone(stage: &mut Stage) {
    stage.fault("nobody reads stderr", |stage| {
        stage.start_through(&["bash", "-c", "exec \"$@\" 2> >(exit 0)", "bash"]);
        stage.last(6.0);
    });
}

fn time_namespace(stage: &mut Stage) {
    stage.fault("restarted with another clock", |stage| {
        stage.start_through(&["unshare", "--time", "--boottime", "1000000000", "--monotonic", "5000000"]);
        stage.last(5.0);
    });
    stage.fault("switchover", |stage| crate::cases::patroni::switch(stage));
}
