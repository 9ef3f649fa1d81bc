//! Faults of the machine: no memory, no descriptors, no space for logs, a wrong clock.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::case::{Case, ClusterKind, End};
use crate::cases::{EXPIRY, LEASE_ENDS, QUICK};
use crate::environment::Environment;
use crate::on_host;
use crate::shim::Shim;
use crate::support::cut::Way;
use crate::support::daemon::KEY;

const END: Duration = Duration::from_secs(10);
const DAY: i64 = 86_400;

pub(crate) const CASES: &[Case] = &[
    Case::noticed(
        "memory",
        "The daemon cannot allocate a page, and the key holds a megabyte",
        End::Back,
        EXPIRY + 6.0,
        megabyte,
    )
    .on(ClusterKind::Tls),
    Case::noticed("memory-lease", "Every allocation fails, and Patroni is dead", End::Moved, LEASE_ENDS, no_memory),
    Case::unnoticed("descriptors", "No file descriptor is left, and a member restarts", descriptors),
    Case::noticed("log-full", "The log's disk is full, and the leader changes", End::Moved, QUICK, log_full),
    Case::unnoticed("log-reader-gone", "The reader of the log exits", log_reader_gone),
    Case::noticed(
        "time-namespace",
        "The boot clock says that the host has been up for 31 years",
        End::Moved,
        QUICK,
        time_namespace,
    ),
    Case::noticed(
        "clock-back",
        "The wall clock is set back by a day, and the host is partitioned",
        End::Moved,
        LEASE_ENDS,
        clock_back,
    )
    .on(ClusterKind::Tls),
    Case::noticed(
        "clock-forth",
        "The wall clock is set forward by a year, and the leader changes",
        End::Moved,
        QUICK,
        clock_forth,
    )
    .on(ClusterKind::Tls),
];

fn limit(env: &Environment, what: &str) {
    on_host::limit(env.daemon().process.pid(), what);
}

fn megabyte(env: &mut Environment) {
    env.fault("no more memory, and a megabyte in the key", |env| {
        limit(env, "--as=1000000:");
        env.setup.write(KEY, &"x".repeat(1 << 20), 0);
        env.wait_gone(0);
    });
    // The daemon may have ended or not.
    if env.setup.daemons[0].process.ended().is_some() {
        env.start_again();
    } else {
        limit(env, "--as=unlimited:");
    }
    env.setup.set_leader(0);
}

/// Starts the first host's daemon with the preloaded library.
fn shimmed(env: &mut Environment) -> Shim {
    let shim = Shim::new(env.setup.lab.directory());
    env.start_through(&shim.words().each_ref().map(String::as_str));
    env.setup.wait_renewed(0);
    shim
}

fn no_memory(env: &mut Environment) {
    let shim = shimmed(env);
    env.fault("every allocation fails, Patroni dead", |env| {
        env.patronis[0].die();
        shim.refuse_memory();
        let end = env.setup.daemons[0].process.wait(END);
        assert_eq!(end.signal(), Some(Signal::SIGABRT as i32), "the daemon continued without memory");
        env.wait_moved();
    });
}

fn clock_back(env: &mut Environment) {
    let shim = shimmed(env);
    let today = date(env);
    env.fault("a day back, and db1 is cut off from etcd", |env| {
        shim.shift_clock(-DAY);
        let _cut = env.setup.cut_members(0, Way::Both);
        env.wait_moved();
        env.wait(1.0);
    });
    assert_ne!(date(env), today, "the log's timestamps do not show the jump");
}

fn clock_forth(env: &mut Environment) {
    let shim = shimmed(env);
    let today = date(env);
    env.fault("a year forward, and a member restarts", |env| {
        env.undisturbed(|env| {
            shim.shift_clock(365 * DAY);
            // A new connection uses the clock to verify the certificate.
            env.setup.cluster.members[2].terminate();
            env.setup.cluster.members[2].restart();
            env.setup.cluster.wait_member(2);
            env.wait(4.0);
        });
        crate::cases::patroni::switch(env);
    });
    assert_ne!(date(env), today, "the log's timestamps do not show the jump");
}

/// The date in the last log line of the first host's daemon.
fn date(env: &Environment) -> Option<String> {
    let lines = env.daemon().process.lines();
    lines.last().map(|line| line.text.chars().take_while(|sign| *sign != 'T').collect())
}

fn descriptors(env: &mut Environment) {
    env.fault("no more descriptors", |env| {
        limit(env, "--nofile=4:");
        env.setup.cluster.members[2].kill();
        env.wait(1.0);
        env.setup.cluster.members[2].restart();
        env.setup.cluster.wait_member(2);
        env.wait(5.0);
        limit(env, "--nofile=1024:");
    });
    env.wait(1.0);
}

fn log_full(env: &mut Environment) {
    env.fault("stderr is a full disk", |env| {
        env.undisturbed(|env| {
            env.start_through(&["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"]);
            env.wait(5.0);
        });
    });
    env.fault("switchover", |env| crate::cases::patroni::switch(env));
}

fn log_reader_gone(env: &mut Environment) {
    env.fault("stderr has no reader", |env| {
        env.start_through(&["bash", "-c", "exec \"$@\" 2> >(exit 0)", "bash"]);
        env.wait(6.0);
    });
}

fn time_namespace(env: &mut Environment) {
    env.fault("restarted with another clock", |env| {
        env.undisturbed(|env| {
            env.start_through(&["unshare", "--time", "--boottime", "1000000000", "--monotonic", "5000000"]);
            env.wait(5.0);
        });
    });
    env.fault("switchover", |env| crate::cases::patroni::switch(env));
}
