//! Shows how a virtual IP follows its leader through a switchover, a crash, an etcd outage and a network cut.
//!
//! Three database hosts and three etcd members run as network namespaces on this machine. Each database host runs the
//! real daemon and a stand-in for Patroni. A client pings the VIP and keeps a TCP connection through it. All output
//! comes from observers, not from the daemon: kernel notifications, packets on the client's link, and the client's pings.

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
