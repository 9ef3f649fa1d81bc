//! Runs every fault of the table on the real binary and writes pictures to `target/faults/report.html` and a table to
//! `docs/faults.md`. With names of cases, separated by commas, it runs only these and does not write the table.
//!
//! With `--failover` it lets the holder fail on every store instead, and writes that section of the document; with names
//! of stores and scenarios, separated by commas, it does so only there, and replaces their rows. A number is that of the
//! runs; with another one than usual nothing is written. With `--stores` other faults happen on every store, or only those
//! whose names and stores follow; the document has each result at once.

#[expect(dead_code, reason = "the suite uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/faults/case.rs"]
mod case;
#[path = "../../tests/faults/cases/mod.rs"]
mod cases;
mod document;
#[path = "../../tests/faults/environment.rs"]
mod environment;
#[path = "../../tests/faults/failover/mod.rs"]
mod failover;
#[path = "../../tests/promise/measure.rs"]
#[expect(dead_code, reason = "the suite prints its own measurements")]
mod measure;
#[path = "../../tests/faults/on_host.rs"]
mod on_host;
#[path = "../../tests/faults/picture.rs"]
mod picture;
#[path = "../../tests/faults/proxies.rs"]
mod proxies;
#[path = "../../tests/faults/record.rs"]
mod record;
#[path = "../../tests/faults/report.rs"]
mod report;
#[path = "../../tests/faults/run.rs"]
mod run;
#[expect(dead_code, reason = "the suite uses a part of the setup")]
#[path = "../../tests/promise/setup.rs"]
mod setup;
#[path = "../../tests/faults/shim.rs"]
mod shim;
#[path = "../../tests/faults/units.rs"]
mod units;

use std::fs;
use std::io::{Write, stdout};
use std::process::ExitCode;

use failover::{RUNS, Scenario, every_store, table};
use support::dcs::DcsKind;
use support::fail::OrFail;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&str> =
        arguments.iter().flat_map(|words| words.split(',')).filter(|word| !word.is_empty()).collect();
    let good = match wanted.split_first() {
        Some((&"--stores", wanted)) => on_stores(wanted),
        Some((&"--failover", wanted)) => failovers(wanted),
        Some(_) | None => cases(&wanted),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cases(wanted: &[&str]) -> bool {
    let mut cases = cases::all();
    cases.retain(|case| wanted.is_empty() || wanted.contains(&case.name));
    let outcomes = run::all(&cases);

    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/target/faults");
    fs::create_dir_all(directory).or_fail("making target/faults");
    fs::write(format!("{directory}/report.html"), report::html(&outcomes)).or_fail("writing the report");
    if wanted.is_empty() {
        document::write_cases(&report::markdown(&outcomes));
    }
    let _ = writeln!(stdout(), "{} Pictures: target/faults/report.html", report::sum(&outcomes));
    !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.failures.is_empty())
}

fn on_stores(wanted: &[&str]) -> bool {
    let kinds: Vec<DcsKind> = DcsKind::ALL.into_iter().filter(|kind| wanted.contains(&kind.name())).collect();
    let kinds = if kinds.is_empty() { DcsKind::ALL.to_vec() } else { kinds };
    let mut faults = every_store::all();
    let strange = wanted.iter().find(|name| {
        !faults.iter().any(|fault| fault.name == **name) && !DcsKind::ALL.iter().any(|kind| kind.name() == **name)
    });
    if let Some(strange) = strange {
        let _ = writeln!(stdout(), "There is no store and no fault {strange}.");
        return false;
    }
    if faults.iter().any(|fault| wanted.contains(&fault.name)) {
        faults.retain(|fault| wanted.contains(&fault.name));
    }
    failover::on_stores(&kinds, &faults, &|results| {
        document::update_stores(|before| every_store::table::section(before, results));
    })
}

fn failovers(wanted: &[&str]) -> bool {
    let kinds: Vec<DcsKind> = DcsKind::ALL.into_iter().filter(|kind| wanted.contains(&kind.name())).collect();
    let scenarios: Vec<Scenario> = Scenario::ALL.into_iter().filter(|one| wanted.contains(&one.name())).collect();
    let runs = wanted.iter().find_map(|word| word.parse().ok()).unwrap_or(RUNS);
    let kinds = if kinds.is_empty() { DcsKind::ALL.to_vec() } else { kinds };
    let scenarios = if scenarios.is_empty() { Scenario::ALL.to_vec() } else { scenarios };
    let results = failover::all(&kinds, &scenarios, runs);
    if wanted.is_empty() {
        document::write_failovers(&table::markdown(&results));
    } else if runs == RUNS {
        let rows: Vec<_> = results.iter().map(|one| (table::first_cells(one), table::row(one))).collect();
        document::update_rows(&rows);
    }
    let _ = writeln!(stdout(), "{}", table::sum(&results));
    !results.is_empty() && results.iter().all(failover::Outcome::passed)
}
