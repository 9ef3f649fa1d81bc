//! Measures how fast a VIP follows its leader and how much the daemon uses: the release binary, with a three-member
//! etcd cluster and three hosts in network namespaces, measured from outside.
//!
//! Everything is measured in one run with one clock. The reference is a bare etcd watch client on the same machine at
//! the same time, so a slow machine affects both. Prints a table and writes it, with a description of the machine, to
//! `docs/benchmarks.md`. `--quick` makes few changes and writes nothing, `--fleet` prints what many daemons cost etcd and
//! nothing else, and `--stores` measures leader changes on the other stores and replaces only that section.

#[expect(dead_code, reason = "the bench uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

mod changes;
mod document;
mod fleet;
mod footprint;
mod many;
mod page;
mod series;
mod stores;
mod usage;

use std::io::{Write, stderr, stdout};
use std::time::Duration;

use support::fail::OrFail;

/// How much is measured.
pub(crate) struct Effort {
    pub(crate) changes: usize,
    /// Leader changes on each store but etcd.
    pub(crate) changes_per_store: usize,
    pub(crate) renewals: usize,
    /// How long an idle daemon is measured.
    pub(crate) rest: Duration,
    pub(crate) vips: usize,
    /// How often all keys of the many VIPs are moved.
    pub(crate) moves: usize,
    /// How many daemons share one etcd.
    pub(crate) fleet: usize,
}

const FULL: Effort = Effort {
    changes: 200,
    changes_per_store: 30,
    renewals: 3600,
    rest: Duration::from_secs(20),
    vips: 1000,
    moves: 5,
    fleet: 150,
};
const QUICK: Effort = Effort {
    changes: 20,
    changes_per_store: 5,
    renewals: 100,
    rest: Duration::from_secs(5),
    vips: 1000,
    moves: 1,
    fleet: 15,
};

fn main() {
    let asked = |flag: &str| std::env::args().any(|argument| argument == flag);
    let quick = asked("--quick");
    let effort = if quick { QUICK } else { FULL };
    if asked("--fleet") {
        return print(&page::a_fleet(&fleet::measure(&effort)));
    }
    if asked("--stores") {
        let only = std::env::args().skip_while(|argument| argument != "--stores").nth(1);
        let only = only.filter(|name| !name.starts_with('-'));
        let section = page::each_store(&stores::measure(&effort, only.as_deref()));
        print(&section);
        if !quick && only.is_none() {
            document::replace(&section);
        }
        return;
    }
    say(&format!("{} leader changes …", effort.changes));
    let changes = changes::measure(&effort);
    let stores = stores::measure(&effort, None);
    say(&format!("{} renewals, then {:?} idle …", effort.renewals, effort.rest));
    let footprint = footprint::measure(&effort);
    say(&format!("{} VIPs …", effort.vips));
    let many = many::measure(&effort);

    say(&format!("{} daemons …", effort.fleet));
    let fleet = fleet::measure(&effort);

    let text = page::text(&changes, &stores, &footprint, &many, &fleet);
    print(&text);
    if !quick {
        document::write(&text);
    }
}

fn print(text: &str) {
    stdout().write_all(text.as_bytes()).or_fail("printing");
}

/// Prints progress.
fn say(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
