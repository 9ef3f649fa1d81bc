//! The results as Markdown, for the terminal and for docs/benchmarks.md.

use std::fs;
use std::process::Command;

use crate::changes::Changes;
use crate::fleet::Fleet;
use crate::footprint::Footprint;
use crate::many::Many;
use crate::series::{Series, to_f64};
use crate::stores::{OnStore, Stores};
use crate::support::command::run;
use crate::usage::{Memory, Rest};

pub(crate) fn text(changes: &Changes, stores: &Stores, footprint: &Footprint, many: &Many, fleet: &Fleet) -> String {
    let parts =
        [heading(), leader_changes(changes), each_store(stores), one_vip(footprint), many_vips(many), a_fleet(fleet)];
    parts.concat()
}

fn heading() -> String {
    format!(
        "# Benchmarks\n\n\
         Written by `make bench`. All numbers are from one run on one machine, which also runs etcd and the bench:\n\n\
         | | |\n|---|---|\n\
         | processor | {}, {} cores |\n\
         | kernel | {} |\n\
         | etcd | {}, three members, in memory |\n\
         | Rust | {} |\n\
         | date | {} |\n",
        cpu(),
        std::thread::available_parallelism().map_or(0, usize::from),
        run("uname", &["-r"]).trim(),
        run("etcd", &["--version"]).lines().next().unwrap_or_default().trim_start_matches("etcd Version: "),
        rustc(),
        run("date", &["-u", "+%Y-%m-%d"]).trim(),
    )
}

fn leader_changes(changes: &Changes) -> String {
    let row = |what: &str, series: &Series| {
        let [median, rare, most] = [0.5, 0.99, 1.0].map(|share| series.quantile(share));
        format!("| {what} | {median:.2} | {rare:.2} | {most:.2} |\n")
    };
    let gap = &changes.gap;
    format!(
        "\n## Leader change\n\n\
         {} changes between three hosts, each one write of the leader key. The *reference* is the moment at which the first\n\
         of three bare watch clients, one per member, receives the event: no client of etcd can know earlier.\n\n\
         | milliseconds | p50 | p99 | max |\n|---|---:|---:|---:|\n{}{}{}{}{}\n\
         The shortest gap between the two hosts was {:.2} ms. In {} of {} changes both had the address at the same time.\n",
        gap.len(),
        row("write request → reference", &changes.event),
        row("reference → removed from the old host", &changes.removal),
        row("reference → present on the new host", &changes.address),
        row("reference → first announcement at the client", &changes.announcement),
        row("removed from the old host → present on the new one", gap),
        gap.min(),
        gap.below_zero(),
        gap.len(),
    )
}

pub(crate) fn each_store(stores: &Stores) -> String {
    let Stores { changes, load: [before, after], all } = stores;
    let row = |on: &OnStore| {
        let pair = |series: &Series| match series.len() {
            0 => "– | –".to_owned(),
            _ => format!("{:.2} | {:.2}", series.quantile(0.5), series.quantile(0.99)),
        };
        format!("| {} | {} | {} | {} |\n", on.name, pair(&on.event), pair(&on.announcement), pair(&on.whole))
    };
    format!(
        "\n## Leader change on each store\n\n\
         {changes} changes between three hosts on each store. As in a switchover of Patroni the old leader first gives the key\n\
         up; measured is the write that names the next one. A *bare client* waits for the change and does nothing else, one\n\
         on each server, and the first one counts: a blocking query of Consul, a data watch of ZooKeeper, a wait of etcd's v2\n\
         API, a watch of the Kubernetes object. The daemon then reads the key; on ZooKeeper and etcd's v2 API that read goes\n\
         through the quorum as a write does. Where it claims by default (Consul, ZooKeeper, Kubernetes) it creates its claim\n\
         meanwhile; in Kubernetes it does so after the read, and reads once more. ZooKeeper's servers were warmed up: one that\n\
         was just started interprets its own code. Patroni's REST API tells nobody of a change: the daemon asks every 250 ms.\n\n\
         Measured on {} by `make bench ARGS=--stores`. The load averages over 1, 5 and 15 minutes were\n\
         {before} before and {after} after.{} The *event* is the first bare client's, the\n\
         *announcement* the new holder's first.\n\n\
         | milliseconds | write → event, p50 | p99 | event → announcement, p50 | p99 | write → announcement, p50 | p99 |\n\
         |---|---:|---:|---:|---:|---:|---:|\n{}",
        run("date", &["-u", "+%Y-%m-%d"]).trim(),
        // Then the bare clients are slower than they could be.
        if cfg!(debug_assertions) { "\nThe bench, but not the daemon, was built without optimization." } else { "" },
        all.iter().map(row).collect::<String>(),
    )
}

fn one_vip(footprint: &Footprint) -> String {
    let Footprint { early, late, .. } = footprint;
    format!(
        "\n## One VIP\n\n| | |\n|---|---:|\n\
         | binary, stripped | {:.2} MiB |\n\
         | resident memory after acquiring the address | {} |\n\
         | resident memory {} renewals later ({:.0} s) | {} |\n\
         | threads | {} |\n{}\
         | watch streams per member | {:.0} |\n",
        bytes_to_mib(footprint.binary_bytes),
        resident(early),
        footprint.renewals,
        footprint.renewals_took.as_secs_f64(),
        resident(late),
        late.threads,
        at_rest(&footprint.holder),
        footprint.streams_per_member,
    )
}

fn many_vips(many: &Many) -> String {
    let Many { announced, all, .. } = many;
    format!(
        "\n## {} VIPs on one daemon\n\n\
         Each has its own key, all keys share a lease, and all are moved at once, {} times.\n\n| | |\n|---|---:|\n\
         | change of a key → its first announcement, p50 | {:.1} ms |\n\
         | … p99 | {:.1} ms |\n\
         | … max | {:.1} ms |\n\
         | change of the first key → last announcement, slowest move | {:.1} ms |\n\
         | resident memory | {} |\n{}\
         | watch streams per member, with two daemons and the bench | {:.0} |\n",
        many.vips,
        all.len(),
        announced.quantile(0.5),
        announced.quantile(0.99),
        announced.max(),
        all.max(),
        resident(&many.memory),
        at_rest(&many.holder),
        many.streams_per_member,
    )
}

pub(crate) fn a_fleet(fleet: &Fleet) -> String {
    let requests: f64 = fleet.requests.iter().map(|(_, rate)| rate).sum();
    let methods = fleet.requests.iter().filter(|(_, rate)| *rate > 0.0);
    let methods = methods.map(|(method, rate)| format!("| … {method} | {:.3} |\n", fleet.per_daemon(*rate)));
    format!(
        "\n## {} daemons on one etcd\n\n\
         {} of them hold a VIP each, and nothing happens: every key is under a lease of 30 s that is refreshed every 10 s.\n\
         Measured for {} s. etcd has {} members; what they use without the daemons is not counted.\n\n| | |\n|---|---:|\n\
         | processor time of etcd per daemon, all members | {:.3} ms per second |\n\
         | … of etcd where one bare client reads as often as all daemons ask | {:.3} ms per second |\n\
         | processor time of etcd without daemons, all members | {:.1} ms per second |\n\
         | processor time of a daemon | {:.2} ms per second |\n\
         | requests to etcd per daemon and second | {:.3} |\n{}\
         | all keys moved → the last old holder has released, the last new one holds | {:.0} ms |\n",
        fleet.daemons,
        fleet.holders,
        fleet.span.as_secs(),
        fleet.members,
        fleet.per_daemon(fleet.etcd - fleet.etcd_alone),
        fleet.per_daemon(fleet.etcd_bare - fleet.etcd_alone),
        fleet.etcd_alone,
        fleet.per_daemon(fleet.own),
        fleet.per_daemon(requests),
        methods.collect::<String>(),
        fleet.moved_within.as_secs_f64() * 1e3,
    )
}

fn at_rest(rest: &Rest) -> String {
    let calls =
        rest.calls.iter().map(|(method, rate)| format!("| {method} calls per second, whole cluster | {rate:.1} |\n"));
    format!("| processor time when idle | {:.2} ms per second |\n", rest.cpu) + &calls.collect::<String>()
}

fn resident(memory: &Memory) -> String {
    format!("{:.2} MiB (PSS {:.2} MiB)", kib_to_mib(memory.rss_kib), kib_to_mib(memory.pss_kib))
}

fn kib_to_mib(kib: u64) -> f64 {
    to_f64(usize::try_from(kib).unwrap_or(usize::MAX)) / 1024.0
}

fn bytes_to_mib(bytes: u64) -> f64 {
    kib_to_mib(bytes / 1024)
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or("unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

fn rustc() -> String {
    let version = Command::new("rustc").arg("--version").output().ok();
    let text = version.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    text.split_whitespace().nth(1).unwrap_or("unknown").to_owned()
}
