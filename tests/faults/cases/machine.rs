//! What the machine withholds from the daemon, or tells it wrongly: memory, descriptors, room for logs, the time.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::case::{Case, End, Ground};
use crate::cases::{EXPIRY, LEASE_ENDS, QUICK};
use crate::shim::Shim;
use crate::stage::Stage;
use crate::support::command::run;
use crate::support::cut::Way;
use crate::support::daemon::KEY;

const END: Duration = Duration::from_secs(10);
const DAY: i64 = 86_400;

pub(crate) const CASES: &[Case] = &[
    Case::noticed(
        "memory",
        "There is not a page left, and a megabyte stands in the key",
        End::Back,
        EXPIRY + 6.0,
        megabyte,
    )
    .on(Ground::Tls),
    Case::noticed(
        "memory-lease",
        "No allocation succeeds any more, and Patroni is dead",
        End::Moved,
        LEASE_ENDS,
        no_memory,
    ),
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
    Case::noticed(
        "clock-back",
        "The wall clock is set back by a day, and the host is cut off",
        End::Moved,
        LEASE_ENDS,
        clock_back,
    )
    .on(Ground::Tls),
    Case::noticed(
        "clock-forth",
        "The wall clock is set forth by a year, and the leader changes",
        End::Moved,
        QUICK,
        clock_forth,
    )
    .on(Ground::Tls),
];

/// Only the soft limit: nobody here may raise a hard one again.
fn limit(stage: &Stage, what: &str) {
    run("prlimit", &["--pid", &stage.daemon().process.pid().to_string(), what]);
}

fn megabyte(stage: &mut Stage) {
    stage.fault("not a page more, and a megabyte in the key", |stage| {
        limit(stage, "--as=1000000:");
        stage.setup.write(KEY, &"x".repeat(1 << 20), 0);
        stage.wait_gone(0);
    });
    // What it did about the memory is up to it.
    if stage.setup.daemons[0].process.ended().is_some() {
        stage.start_again();
    } else {
        limit(stage, "--as=unlimited:");
    }
    stage.setup.set_leader(0);
}

/// The first host's daemon, with the library before its own.
fn shimmed(stage: &mut Stage) -> Shim {
    let shim = Shim::new(stage.setup.lab.directory());
    stage.start_through(&shim.words().each_ref().map(String::as_str));
    stage.setup.wait_renewed(0);
    shim
}

fn no_memory(stage: &mut Stage) {
    let shim = shimmed(stage);
    stage.fault("every allocation fails, Patroni dead", |stage| {
        stage.patronis[0].die();
        shim.refuse_memory();
        let end = stage.setup.daemons[0].process.wait(END);
        assert_eq!(end.signal(), Some(Signal::SIGABRT as i32), "it went on without memory");
        stage.wait_moved();
    });
}

fn clock_back(stage: &mut Stage) {
    let shim = shimmed(stage);
    let today = date(stage);
    stage.fault("a day back, and db1 is cut off from etcd", |stage| {
        shim.shift_clock(-DAY);
        let _cut = stage.setup.cut_members(0, Way::Both);
        stage.wait_moved();
        stage.last(1.0);
    });
    assert_ne!(date(stage), today, "the log's stamps do not know of the jump");
}

fn clock_forth(stage: &mut Stage) {
    let shim = shimmed(stage);
    let today = date(stage);
    stage.fault("a year forth, and a member restarts", |stage| {
        stage.unharmed(|stage| {
            shim.shift_clock(365 * DAY);
            // A new connection looks at the clock, because of the certificate.
            stage.setup.cluster.members[2].terminate();
            stage.setup.cluster.members[2].restart();
            stage.setup.cluster.wait_member(2);
            stage.last(4.0);
        });
        crate::cases::patroni::switch(stage);
    });
    assert_ne!(date(stage), today, "the log's stamps do not know of the jump");
}

/// What the first host's daemon takes for today, by its last word.
fn date(stage: &Stage) -> Option<String> {
    let lines = stage.daemon().process.lines();
    lines.last().map(|line| line.text.chars().take_while(|sign| *sign != 'T').collect())
}

fn descriptors(stage: &mut Stage) {
    stage.fault("not a descriptor more", |stage| {
        limit(stage, "--nofile=4:");
        stage.setup.cluster.members[2].kill();
        stage.last(1.0);
        stage.setup.cluster.members[2].restart();
        stage.setup.cluster.wait_member(2);
        stage.last(5.0);
        limit(stage, "--nofile=1024:");
    });
    stage.last(1.0);
}

fn log_full(stage: &mut Stage) {
    stage.fault("stderr is a full disk", |stage| {
        stage.unharmed(|stage| {
            stage.start_through(&["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"]);
            stage.last(5.0);
        });
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
        stage.unharmed(|stage| {
            stage.start_through(&["unshare", "--time", "--boottime", "1000000000", "--monotonic", "5000000"]);
            stage.last(5.0);
        });
    });
    stage.fault("switchover", |stage| crate::cases::patroni::switch(stage));
}
