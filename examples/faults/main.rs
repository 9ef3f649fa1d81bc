//! Runs every fault of the table on the real binary and writes pictures to `target/faults/report.html` and a table to
//! `docs/faults.md`. With names of cases, separated by commas, it runs only these and does not write the table.

#[expect(dead_code, reason = "the suite uses a part of the lab")]
#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/faults/case.rs"]
mod case;
#[path = "../../tests/faults/cases/mod.rs"]
mod cases;
#[path = "../../tests/faults/environment.rs"]
mod environment;
#[path = "../../tests/promise/measure.rs"]
#[expect(dead_code, reason = "the suite prints its own measurements")]
mod measure;
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

use support::fail::OrFail;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let mut cases = cases::all();
    cases.retain(|case| wanted.is_empty() || wanted.contains(&case.name));
    let outcomes = run::all(&cases);

    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    fs::create_dir_all(format!("{root}target/faults")).or_fail("making target/faults");
    fs::write(format!("{root}target/faults/report.html"), report::html(&outcomes)).or_fail("writing the report");
    if wanted.is_empty() {
        fs::write(format!("{root}docs/faults.md"), report::markdown(&outcomes)).or_fail("writing docs/faults.md");
    }
    let _ = writeln!(stdout(), "{} Pictures: target/faults/report.html", report::sum(&outcomes));
    let good = !outcomes.is_empty() && outcomes.iter().all(|outcome| outcome.failures.is_empty());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
