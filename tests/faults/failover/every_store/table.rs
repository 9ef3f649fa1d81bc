//! The table of the faults on every store.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Expected, Result, all};
use crate::failover::table::title;
use crate::support::dcs::DcsKind;

/// A row of the table.
pub(crate) fn row(result: &Result) -> String {
    let Result { kind, fault, verdicts, load, .. } = result;
    let expected = (fault.expected)(*kind);
    let begin = first_cells(*kind, fault.name);
    if let Expected::Senseless(why) = expected {
        return format!("{begin}– | – | – | – | – | not applicable: {why} |");
    }
    let longest = |of: &dyn Fn(&super::Verdict) -> Duration| {
        format!("{:.2} s", verdicts.iter().map(of).max().unwrap_or_default().as_secs_f64())
    };
    let absent = longest(&|verdict| verdict.absent);
    let overlap = longest(&|verdict| verdict.overlap);
    let good = verdicts.iter().filter(|verdict| verdict.good).count();
    let verdict = if result.passed() { "pass".to_owned() } else { format!("**FAIL** {}", first_line(&result.failure)) };
    format!("{begin}{} | {good} of {} | {absent} | {overlap} | {load} | {verdict} |", expected.text(), verdicts.len())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().replace('|', " ").chars().take(30).collect()
}

/// What no other row begins with.
fn first_cells(kind: DcsKind, name: &str) -> String {
    format!("| {} | {name} | ", title(kind))
}

/// The section of the document, with these rows in place of the same ones of before.
pub(crate) fn section(before: &str, results: &[Result]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for fault in all() {
        let _ = writeln!(page, "| {} | {} |", fault.name, fault.text);
    }
    page += HEAD;
    for kind in DcsKind::ALL {
        for fault in all() {
            let begin = first_cells(kind, fault.name);
            let fresh = results.iter().find(|result| result.kind == kind && result.fault.name == fault.name).map(row);
            let kept = || before.lines().find(|line| line.starts_with(&begin)).map(str::to_owned);
            if let Some(row) = fresh.or_else(kept) {
                page += &(row + "\n");
            }
        }
    }
    page
}

const HEAD: &str = "\n| store | fault | expected | so | nobody | both | load |  |\n\
                    |---|---|---|---:|---:|---:|---:|---|\n";

const INTRODUCTION: &str = "## Faults on every store

Written by `make faults-stores`. Each happens to six holders at once, on hosts and with settings as above: `ttl: 20`,
`loop_wait: 5`, `retry_timeout: 5`, and the daemons' default configuration with `on-stop: keep`. So Consul, Kubernetes
and ZooKeeper have claims, etcd has none. With REST the store is the one of Patroni.

- *expected*: the address stays on its host throughout (*kept*), may be gone meanwhile and is back on the same host so
  soon after the end of the fault, or moves to the other host; a row passes if it came so with all holders
- *nobody*, *both*: for how long no host had the address, in total, and for how long both hosts had it: the longest
- *load*: of the machine, over the minute before the end

| fault | what happens |
|---|---|
";
