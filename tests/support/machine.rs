//! A booted systemd on a host of the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::clock::{pause, wait_for, wait_until};
use super::command::attempt;
use super::daemon::binary;
use super::fail::OrFail;
use super::host::Host;
use super::process::Process;

/// How long systemd may take to boot on a busy machine.
const BOOT: Duration = Duration::from_secs(60);
/// How many attempts are made to remove the control groups of a machine.
const REMOVAL_ATTEMPTS: usize = 100;

/// A machine. It is switched off on drop.
#[derive(Debug)]
pub(crate) struct Machine {
    namespace: String,
    /// The pid of its process 1 outside of the machine.
    init: Pid,
    supervisor: Process,
    /// The daemon's journal, for the message of a failed wait.
    _journal: Process,
}

impl Machine {
    /// Boots it on `host`, whose network it uses. It sees the files of `root` and changes only copies of them. With `/`
    /// it is this very machine, and starts nothing but a journal and a system bus.
    pub(crate) fn boot(host: &Host, root: &Path) -> Self {
        let mut command = Command::new(tree("tests/support/boot"));
        let place = host.directory().join(format!("machine-{}", host.name()));
        command.arg(host.namespace()).arg(root).arg(place);
        let supervisor = Process::start(&format!("the machine {}", host.name()), command);
        let init = wait_until("process 1 of the machine", BOOT, || only_child(supervisor.pid()));
        wait_for("systemd to be up", BOOT, || inside(init, "systemctl is-system-running") == Ok("running".to_owned()));
        let mut follow = Command::new("nsenter");
        follow.args(way_in(init)).args(["journalctl", "--follow", "--output", "cat", "--identifier", "vip-manager"]);
        let journal = Process::start(&format!("vip-manager on the machine {}", host.name()), follow);
        Self { namespace: host.namespace().to_owned(), init, supervisor, _journal: journal }
    }

    /// Runs a shell command on the machine and returns its output. Panics if it fails.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> String {
        self.attempt(line).or_fail("on the machine")
    }

    /// Runs a shell command on the machine. An `Err` is its error message.
    pub(crate) fn attempt(&self, line: &str) -> Result<String, String> {
        inside(self.init, line)
    }

    /// Whether a shell command succeeds on the machine.
    pub(crate) fn succeeds(&self, line: &str) -> bool {
        self.attempt(line).is_ok()
    }

    /// The path, outside of the machine, of a file inside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init))
    }

    pub(crate) fn write(&self, inside: &str, text: &str) {
        // The owner and mode of the file do not change.
        fs::write(self.path(inside), text).or_fail(&format!("writing {inside}"));
    }

    /// Copies a file to /root on the machine and returns its path there.
    pub(crate) fn copy_in(&self, file: &Path) -> String {
        let name = file.file_name().and_then(|name| name.to_str()).or_fail("naming a file");
        let inside = format!("/root/{name}");
        fs::copy(file, self.path(&inside)).or_fail(&format!("copying {}", file.display()));
        inside
    }

    /// Installs or upgrades a Debian package with dpkg.
    #[track_caller]
    pub(crate) fn install(&self, package: &Path) -> String {
        let inside = self.copy_in(package);
        self.run(&format!("dpkg --force-confold --install {inside} 2>&1"))
    }

    /// Installs the program and its unit, with the user that it runs as.
    pub(crate) fn install_unit(&self) {
        for (from, to) in [
            (binary(), "/usr/bin/vip-manager"),
            (tree("systemd/vip-manager.service"), "/etc/systemd/system/vip-manager.service"),
            (tree("systemd/vip-manager.sysusers"), "/etc/sysusers.d/vip-manager.conf"),
        ] {
            let place = self.path(to);
            place.parent().map(fs::create_dir_all).or_fail("finding a directory").or_fail("making a directory");
            fs::copy(from, place).or_fail(&format!("copying {to}"));
        }
        self.run("systemd-sysusers vip-manager.conf");
    }

    /// The journal of the unit.
    pub(crate) fn journal(&self, unit: &str) -> String {
        self.run(&format!("journalctl --no-pager --output cat --unit {unit}"))
    }

    /// A property of a unit.
    pub(crate) fn property(&self, unit: &str, property: &str) -> String {
        self.run(&format!("systemctl show --property {property} --value {unit}"))
    }

    /// The pid of the unit's main process on the machine, if there is one.
    pub(crate) fn main_pid(&self, unit: &str) -> Option<u32> {
        self.property(unit, "MainPID").parse().ok().filter(|pid| *pid != 0)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = kill(self.init, Signal::SIGKILL);
        self.supervisor.kill();
        let groups = attempt("findmnt", &["--noheadings", "--types", "cgroup2", "--output", "TARGET"], "");
        let Some(mount) = groups.unwrap_or_default().lines().next().map(str::to_owned) else { return };
        // The kernel needs a moment to remove the processes. A panic here would hide the original one.
        let group = format!("{mount}/{}", self.namespace);
        for _ in 0..REMOVAL_ATTEMPTS {
            let _ = attempt("find", &[&group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], "");
            if !Path::new(&group).exists() {
                break;
            }
            pause(Duration::from_millis(20));
        }
    }
}

fn inside(init: Pid, line: &str) -> Result<String, String> {
    let way_in = way_in(init);
    let words: Vec<&str> = way_in.iter().map(String::as_str).chain(["sh", "-c", line]).collect();
    attempt("nsenter", &words, "").map(|said| said.trim_end().to_owned())
}

/// The arguments of `nsenter` before the command: all namespaces of that process, and a clean environment.
fn way_in(init: Pid) -> Vec<String> {
    let enter = format!("-t {init} -m -p -u -i -C -n -r -w");
    let clean = "env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive";
    enter.split(' ').chain(clean.split(' ')).map(str::to_owned).collect()
}

fn only_child(pid: u32) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let child = children.split_whitespace().next()?.parse().ok()?;
    // Before it executes systemd, it is the boot script.
    let name = fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
    (name.trim() == "systemd").then_some(Pid::from_raw(child))
}

pub(crate) fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
