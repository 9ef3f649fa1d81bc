//! Removes labs: those of this process, and the leftovers of killed processes.
//!
//! The name of every namespace and directory of a lab contains the id of the process that created it. If that process
//! no longer exists, the namespace or directory is a leftover.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::attempt;

/// The prefix of the names of all labs.
const MARK: &str = "viplab-";
const NAMESPACES: &str = "/run/netns";

/// The prefix of the names of the given lab of this process.
pub(crate) fn prefix(number: usize) -> String {
    format!("{MARK}{}-{number}-", std::process::id())
}

/// Where labs keep their files: in memory if possible, because etcd syncs every write.
pub(crate) fn directories() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// Kills every process of the lab and removes its namespaces and directories. Missing ones are ignored.
pub(crate) fn take_down(prefix: &str) {
    let namespaces: Vec<String> = names(Path::new(NAMESPACES)).filter(|name| name.starts_with(prefix)).collect();
    for namespace in &namespaces {
        end_processes(namespace);
    }
    let script: Vec<String> = namespaces.iter().map(|name| format!("netns del {name}\n")).collect();
    let _ = attempt("ip", &["-force", "-batch", "-"], &script.concat());
    let directories = directories();
    for name in names(&directories).filter(|name| name.starts_with(prefix)) {
        let _ = fs::remove_dir_all(directories.join(name));
    }
}

/// Removes every lab whose process no longer exists.
pub(crate) fn leftovers() {
    let mut dead: Vec<String> = names(Path::new(NAMESPACES))
        .chain(names(&directories()))
        .filter_map(|name| owner(&name).filter(|pid| !lives(*pid)).map(|pid| format!("{MARK}{pid}-")))
        .collect();
    dead.sort();
    dead.dedup();
    for prefix in dead {
        take_down(&prefix);
    }
}

/// The process that created something of this name, if a lab did.
fn owner(name: &str) -> Option<i32> {
    name.strip_prefix(MARK)?.split('-').next()?.parse().ok()
}

fn lives(pid: i32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(directory).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

/// SIGKILL for every process in a namespace but this one.
pub(crate) fn end_processes(namespace: &str) {
    let listed = attempt("ip", &["netns", "pids", namespace], "").unwrap_or_default();
    let own = Pid::this();
    for pid in listed.lines().filter_map(|line| line.trim().parse().ok()).map(Pid::from_raw).filter(|pid| *pid != own) {
        // It may have ended since it was listed.
        let _ = kill(pid, Signal::SIGKILL);
    }
}
