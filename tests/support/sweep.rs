//! Takes labs down: one's own, and what is left of labs whose process was killed before it could.
//!
//! Every namespace and every directory of a lab carries the id of the process that made it. Where that process lives
//! no longer, nobody else will clean up after it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::attempt;

/// What all names of all labs begin with.
const MARK: &str = "viplab-";
const NAMESPACES: &str = "/run/netns";

/// What all names of the given lab of this process begin with.
pub(crate) fn prefix(number: usize) -> String {
    format!("{MARK}{}-{number}-", std::process::id())
}

/// Where labs keep their files: in memory where possible, since etcd waits for every write.
pub(crate) fn directories() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// Ends every process of the lab and removes its namespaces and directories. What is gone already is no failure.
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

/// Takes down every lab whose process lives no longer.
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

/// The process that made a thing of this name, if a lab made it.
fn owner(name: &str) -> Option<i32> {
    name.strip_prefix(MARK)?.split('-').next()?.parse().ok()
}

fn lives(pid: i32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(directory).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
}

fn end_processes(namespace: &str) {
    let listed = attempt("ip", &["netns", "pids", namespace], "").unwrap_or_default();
    let own = Pid::this();
    for pid in listed.lines().filter_map(|line| line.trim().parse().ok()).map(Pid::from_raw).filter(|pid| *pid != own) {
        // It may have ended between the listing and here.
        let _ = kill(pid, Signal::SIGKILL);
    }
}
