//! The resources that a process uses, as the kernel counts them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::series::to_f64;
use crate::support::clock::{now, pause};
use crate::support::etcd::Cluster;
use crate::support::fail::OrFail;

/// Memory and threads of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) rss_kib: u64,
    pub(crate) pss_kib: u64,
    pub(crate) threads: u64,
}

/// What an idle daemon and etcd use.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// Milliseconds of processor time per second.
    pub(crate) cpu: f64,
    /// Calls per second that all members answered together, by method.
    pub(crate) calls: Vec<(&'static str, f64)>,
}

/// The methods that a daemon may call.
const METHODS: [&str; 5] = ["Range", "Txn", "LeaseTimeToLive", "Watch", "Authenticate"];

pub(crate) fn memory(pid: u32) -> Memory {
    let process = process(pid);
    Memory {
        rss_kib: field(&process.join("smaps_rollup"), "Rss:"),
        pss_kib: field(&process.join("smaps_rollup"), "Pss:"),
        threads: field(&process.join("status"), "Threads:"),
    }
}

/// Measures a process and the cluster for a while.
pub(crate) fn at_rest(pid: u32, cluster: &Cluster, span: Duration) -> Rest {
    let (start, cpu, calls) = (now(), cpu_time(pid), calls(cluster));
    pause(span);
    let (cpu_after, seconds) = (cpu_time(pid), now().since(start).as_secs_f64());
    let calls_after = self::calls(cluster);
    let rate = |method: &'static str, before: f64, after: f64| (method, (after - before) / seconds);
    Rest {
        cpu: cpu_after.saturating_sub(cpu).as_secs_f64() * 1e3 / seconds,
        calls: METHODS
            .iter()
            .zip(calls.iter().zip(calls_after))
            .map(|(method, (before, after))| rate(method, *before, after))
            .collect(),
    }
}

/// The average number of watch streams per member.
pub(crate) fn streams_per_member(cluster: &Cluster) -> f64 {
    let streams: f64 =
        cluster.members.iter().map(|member| member.metric("etcd_debugging_mvcc_watch_stream_total")).sum();
    streams / to_f64(cluster.members.len())
}

fn process(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// The processor time of all threads, with nanosecond precision.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(process(pid).join("task")).or_fail("listing threads");
    let spent = tasks.flatten().filter_map(|task| {
        let schedule = fs::read_to_string(task.path().join("schedstat")).ok()?;
        schedule.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// The messages that all members have received from clients, by method: requests, and questions on a watch stream.
pub(crate) fn received(cluster: &Cluster) -> Vec<(&'static str, f64)> {
    METHODS.into_iter().zip(counted(cluster, "grpc_server_msg_received_total{")).collect()
}

fn calls(cluster: &Cluster) -> Vec<f64> {
    counted(cluster, "grpc_server_handled_total{")
}

fn counted(cluster: &Cluster, family: &str) -> Vec<f64> {
    let pages: Vec<String> = cluster.members.iter().map(crate::support::etcd::Member::metrics).collect();
    let answered = |method: &str| {
        let label = format!("grpc_method=\"{method}\"");
        let lines = pages.iter().flat_map(|page| page.lines());
        let counted = lines.filter(|line| line.starts_with(family) && line.contains(&label));
        counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    METHODS.iter().map(|method| answered(method)).collect()
}

fn field(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).or_fail(&format!("reading {}", file.display()));
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.or_fail(&format!("finding {name} in {}", file.display()))
}
