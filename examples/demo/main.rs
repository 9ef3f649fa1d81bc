//! A virtual IP follows its leader through a switchover, a crash, a silent etcd and a cut, before one's eyes.
//!
//! Three database hosts and three etcd members stand as network namespaces on this machine. On each database host
//! run the real daemon and a stand-in for Patroni; a client pings the VIP and holds a TCP connection through it. All
//! that is printed comes from observers, not from the daemon: the kernels' notices, the packets on the client's link,
//! the client's own pings.

#[expect(dead_code, reason = "the demo uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

mod observers;
mod stage;
mod story;
mod timeline;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut stage = stage::Stage::build();
    let chapters = story::tell(&mut stage);
    timeline::close(&chapters);
    if chapters.iter().all(|chapter| chapter.overlap.is_zero()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
