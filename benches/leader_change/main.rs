//! Measures how fast a VIP follows its leader and how much the daemon uses: the release binary, with a three-member
//! etcd cluster and three hosts in network namespaces, measured from outside.
//!
//! Everything is measured in one run with one clock. The reference is a bare etcd watch client on the same machine at
//! the same time, so a slow machine affects both. Prints a table and writes it, with a description of the machine, to
//! `docs/benchmarks.md`. `--quick` makes few changes and writes nothing, `--fleet` prints what many daemons cost etcd and
//! nothing else.

#[expect(dead_code, reason = "the bench uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

mod changes;
mod fleet;
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
    /// How long an idle daemon is measured.
    pub(crate) rest: Duration,
    pub(crate) vips: usize,
    /// How often all keys of the many VIPs are moved.
    pub(crate) moves: usize,
    /// How many daemons share one etcd.
    pub(crate) fleet: usize,
}

const FULL: Effort =
    Effort { changes: 200, renewals: 3600, rest: Duration::from_secs(20), vips: 1000, moves: 5, fleet: 150 };
const QUICK: Effort =
    Effort { changes: 20, renewals: 100, rest: Duration::from_secs(5), vips: 1000, moves: 1, fleet: 15 };

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    if std::env::args().any(|argument| argument == "--fleet") {
        let fleet = fleet::measure(if quick { &QUICK } else { &FULL });
        return stdout().write_all(page::a_fleet(&fleet).as_bytes()).or_fail("printing");
    }
    let effort = if quick { QUICK } else { FULL };
    say(&format!("{} leader changes …", effort.changes));
    let changes = changes::measure(&effort);
    say(&format!("{} renewals, then {:?} idle …", effort.renewals, effort.rest));
    let footprint = footprint::measure(&effort);
    say(&format!("{} VIPs …", effort.vips));
    let many = many::measure(&effort);

    say(&format!("{} daemons …", effort.fleet));
    let fleet = fleet::measure(&effort);

    let text = page::text(&changes, &footprint, &many, &fleet);
    stdout().write_all(text.as_bytes()).or_fail("printing");
    if !quick {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
        fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).or_fail("making docs");
        let before = fs::read_to_string(file).unwrap_or_default();
        let kept = before.find(KEPT).map_or_else(String::new, |at| format!("\n{}", &before[at..]));
        fs::write(file, text + &kept).or_fail("writing docs/benchmarks.md");
    }
}

/// Where the part begins that other programs measured.
const KEPT: &str = "## Switchovers of PostgreSQL";

/// Prints progress.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
