//! A virtual IP follows its leader through a switchover, a crash, a silent etcd and a cut, before one's eyes.
//!
//! Three database hosts and three etcd members stand as network namespaces on this machine. On each database host
//! run the real daemon and a stand-in for Patroni; a client pings the VIP and holds a TCP connection through it. All
//! that is printed comes from observers, not from the daemon: the kernels' notices, the packets on the client's link,
//! the client's own pings.

#[expect(dead_code, reason = "the demo uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

mod environment;
mod observers;
mod steps;
mod timeline;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut env = environment::Environment::build();
    let results = steps::run(&mut env);
    timeline::close(&results);
    if results.iter().all(|result| result.overlap.is_zero()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
