//! How fast a VIP follows its leader, and what the daemon costs: the release binary, on a three-member etcd cluster
//! and three hosts in network namespaces, measured from outside.
//!
//! Everything is measured in one run, side by side, with one clock. The floor is what a bare etcd watch client sees
//! at the same time on the same machine, so a slow machine moves both. Prints a table and writes it, with the machine,
//! to `docs/benchmarks.md`; `--quick` makes few changes and writes nothing.

#[expect(dead_code, reason = "the bench uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

mod changes;
mod footprint;
mod many;
mod page;
mod series;
mod usage;

use std::fs;
use std::io::{Write, stderr, stdout};
use std::time::Duration;

use support::fail::OrFail;

/// How much is measured.
pub(crate) struct Effort {
    pub(crate) changes: usize,
    pub(crate) renewals: usize,
    /// How long a daemon is watched at rest.
    pub(crate) rest: Duration,
    pub(crate) vips: usize,
    /// How often all the keys of the many VIPs are moved.
    pub(crate) moves: usize,
}

const FULL: Effort = Effort { changes: 200, renewals: 3600, rest: Duration::from_secs(20), vips: 1000, moves: 5 };
const QUICK: Effort = Effort { changes: 20, renewals: 100, rest: Duration::from_secs(5), vips: 1000, moves: 1 };

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let effort = if quick { QUICK } else { FULL };
    say(&format!("{} leader changes …", effort.changes));
    let changes = changes::measure(&effort);
    say(&format!("{} renewals, then a rest of {:?} …", effort.renewals, effort.rest));
    let footprint = footprint::measure(&effort);
    say(&format!("{} VIPs …", effort.vips));
    let many = many::measure(&effort);

    let text = page::text(&changes, &footprint, &many);
    stdout().write_all(text.as_bytes()).or_fail("printing");
    if !quick {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
        fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).or_fail("making docs");
        fs::write(file, &text).or_fail("writing docs/benchmarks.md");
    }
}

/// Tells the person at the terminal what takes so long.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
