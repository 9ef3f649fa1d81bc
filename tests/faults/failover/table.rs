//! The table of the scenarios on every store.

use super::{Outcome, Run};
use crate::support::dcs::DcsKind;

/// A line for whoever watches.
pub(crate) fn line(result: &Outcome) -> String {
    let [runs, overlap, stayed, given, ahead, followed] = figures(result);
    let verdict = if result.passed() { "pass" } else { "FAIL" };
    format!(
        "{:10} {:18} {verdict} {runs}, overlap {overlap}, stayed {stayed}, given away after {given}, ahead {ahead}, \
         followed {followed} {}",
        result.kind.name(),
        result.scenario.name(),
        result.failure.lines().next().unwrap_or_default()
    ) + &failed(result)
}

/// The runs that failed, in full.
fn failed(result: &Outcome) -> String {
    let failed = result.runs.iter().filter(|run| !run.passed(result.kind, result.scenario));
    let lines: Vec<String> = failed.map(|run| format!("\n  {run:?}")).collect();
    lines.concat()
}

/// How many rows pass.
pub(crate) fn sum(results: &[Outcome]) -> String {
    let passed = results.iter().filter(|result| result.passed()).count();
    format!("{passed} of {} scenarios pass.", results.len())
}

/// The section of docs/faults.md.
pub(crate) fn markdown(results: &[Outcome]) -> String {
    let rows: Vec<String> = results.iter().map(row).collect();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "{INTRODUCTION}{} The load of the machine was {load} at the end.\n\n{HEAD}{}\n",
        sum(results),
        rows.join("\n")
    )
}

/// A row of its table.
pub(crate) fn row(result: &Outcome) -> String {
    let verdict = if result.passed() { "pass" } else { "**FAIL**" };
    format!("{}{} | {verdict} |", first_cells(result), figures(result).join(" | "))
}

/// What no other row begins with.
pub(crate) fn first_cells(result: &Outcome) -> String {
    format!("| {} | {} | ", title(result.kind), result.scenario.text())
}

const HEAD: &str = "| store | the holder fails: | no overlap | longest | stayed | given away | ahead | followed |  |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|---|\n";

const INTRODUCTION: &str = "## The holder fails, twenty times on every store

Written by `make faults-failover`. Each store has three servers (Kubernetes: a fake with recorded answers), and the runs
share it at the same time, each with two hosts, a key and an address of its own. A stand-in for Patroni on each host has
`ttl: 20`, `loop_wait: 5`, `retry_timeout: 5`; the daemons have the default configuration. The runs fail at different
points of Patroni's loop; what is stopped continues later. The observer is a netlink socket per host. With REST the
daemons ask their host's Patroni, whose lock is in etcd. With Consul the Patronis share two client agents.

- *longest*: for how long both hosts had the address
- *stayed*: the longest time from the failure to the end of the address on the old host
- *given away*: the shortest time from the failure to the request by which the next Patroni got the lock
- *ahead*: the shortest time from the end of the address to the earliest moment at which the lock could end,
  which is 20 s after the last renewal was sent, or the request of the next Patroni if that was sent earlier; where no
  release ahead is required (below) only the request counts
- *followed*: the longest time from the answer to that request to the address on the new host

A row passes if no run has an overlap or a return of the address to the old host, and if every run has a release ahead.
Consul and ZooKeeper do not tell how much of a lock is left: where only Patroni dies, the address stays while the daemon
can read the lock, and no release ahead is required; the claim keeps the next host waiting for it. In Consul the claim
of a holder that is gone lasts up to 30 s after its last renewal, and the next host waits for that end. The last row is
more than one failure: an overlap of at most one hold (7 s) is allowed.

";

/// What the table calls a store.
pub(super) fn title(kind: DcsKind) -> &'static str {
    match kind {
        DcsKind::Etcd => "etcd",
        DcsKind::Etcd2 => "etcd, v2 API",
        DcsKind::Consul => "Consul",
        DcsKind::Zookeeper => "ZooKeeper",
        DcsKind::Kubernetes => "Kubernetes",
        DcsKind::Rest => "REST",
    }
}

fn figures(result: &Outcome) -> [String; 6] {
    let runs = &result.runs;
    let good = runs.iter().filter(|run| run.overlap == 0.0).count();
    let longest = |of: fn(&Run) -> f64| seconds(runs.iter().map(of).max_by(f64::total_cmp));
    let shortest = |of: fn(&Run) -> f64| seconds(runs.iter().map(of).min_by(f64::total_cmp));
    [
        format!("{good} of {}", runs.len()),
        longest(|run| run.overlap),
        longest(|run| run.stayed),
        shortest(|run| run.given),
        shortest(|run| run.ahead),
        longest(|run| run.followed),
    ]
}

fn seconds(time: Option<f64>) -> String {
    time.map_or("–".to_owned(), |time| format!("{time:.2} s"))
}
