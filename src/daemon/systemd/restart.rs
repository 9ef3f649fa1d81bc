//! Asks systemd whether a stop is only the first half of a restart, and whether a start is one of its own.
//!
//! Neither the signal nor the environment tells `systemctl restart` from `systemctl stop`; the job that systemd is
//! carrying out does. While it stops a unit to start it again, the type of that job is `restart`, and `try-restart`
//! has become that too. Everything else is no restart: a stop, a shutdown, a signal sent by hand, a crash.
//!
//! Who cannot tell assumes a stop. And a wrong "restart" would still be safe: an address that is kept has no more
//! than the lifetime in the kernel that the last read of the key has justified.

use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

/// Whether this process belongs to a unit of systemd, so that there is somebody to ask.
pub(crate) fn is_of_a_unit() -> bool {
    env::var_os("INVOCATION_ID").is_some()
}

/// What systemd is doing with this unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Job {
    Restart,
    Stop,
    /// Nothing, something else, or it is unknown.
    Other,
}

/// Whether systemd stops this unit only to start it again.
pub(crate) fn is_restart() -> bool {
    job() == Job::Restart
}

/// What systemd is doing with this unit now.
pub(crate) fn job() -> Job {
    let listing = systemctl(|_| words(&["list-jobs", "--no-legend", "--no-pager", "--full"]));
    listing.map_or(Job::Other, |(unit, listing)| job_of(&unit, &listing))
}

/// Whether systemd has started this process by itself, because the one before it ended: nobody waits for the result of
/// this start. It is assumed where systemd does not answer.
pub(crate) fn is_automatic_start() -> bool {
    let shown = systemctl(|unit| words(&["show", "--property=NRestarts", unit]));
    shown.is_none_or(|(_, shown)| shown.trim() != "NRestarts=0")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Asks systemd about this unit. Returns the unit and the answer. It takes some milliseconds, and never more than the
/// limit.
fn systemctl(arguments: fn(&str) -> Vec<String>) -> Option<(String, String)> {
    let (answer, answered) = mpsc::channel();
    // Nobody waits for the thread: systemd ends what `systemctl` leaves behind with the rest of the unit.
    thread::Builder::new().spawn(move || answer.send(ask(arguments))).ok()?;
    answered.recv_timeout(LIMIT).unwrap_or_else(|_| {
        tracing::warn!("systemctl did not answer within {} s; assuming that this is not a restart", LIMIT.as_secs());
        None
    })
}

fn ask(arguments: fn(&str) -> Vec<String>) -> Option<(String, String)> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let unit = unit_of(&groups)?;
    let answer = answer_of(Command::new("systemctl").args(arguments(unit)))?;
    Some((unit.to_owned(), answer))
}

/// What a program says that this thread starts. systemd may signal every process of a unit that it stops, and looks again for
/// those that came meanwhile; what inherits this thread's mask lives to answer.
fn answer_of(program: &mut Command) -> Option<String> {
    SigSet::from(Signal::SIGTERM).thread_block().ok()?;
    let output = program.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The unit that a process belongs to, by its control groups of either version.
fn unit_of(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let of_systemd = controllers.is_empty() || controllers == "name=systemd";
        path.rsplit('/').find(|part| part.ends_with(".service")).filter(|_| of_systemd)
    })
}

/// Reads lines of number, unit, type and state.
fn job_of(unit: &str, listing: &str) -> Job {
    let mut kinds = listing.lines().filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        (columns.next() == Some(unit)).then(|| columns.next()).flatten()
    });
    let known = |kind| match kind {
        "restart" => Some(Job::Restart),
        "stop" => Some(Job::Stop),
        _ => None,
    };
    kinds.find_map(known).unwrap_or(Job::Other)
}

/// Long enough for a host without breath, and short enough to leave the stop itself its time (`TimeoutStopSec=`). The VIP is
/// looked after meanwhile.
const LIMIT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_unit_whatever_version_its_control_groups_have() {
        assert_eq!(unit_of("0::/system.slice/vip-manager.service\n"), Some("vip-manager.service"));
        let old = "12:memory:/system.slice/other.service\n1:name=systemd:/system.slice/vip-manager.service\n";
        assert_eq!(unit_of(old), Some("vip-manager.service"));
        let instance = r"0::/system.slice/system-vip\x2dmanager.slice/vip-manager@10\x2dmain.service";
        assert_eq!(unit_of(instance), Some(r"vip-manager@10\x2dmain.service"));
        assert_eq!(unit_of("0::/system.slice/vip-manager.service/inner\n"), Some("vip-manager.service"));
        for foreign in ["", "0::/\n", "0::/user.slice/session-1.scope\n", "nonsense"] {
            assert_eq!(unit_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn who_is_asked_answers_though_the_whole_unit_is_told_to_end() {
        let said = answer_of(Command::new("sh").args(["-c", "kill -TERM $$; echo alive"]));
        assert_eq!(said.as_deref(), Some("alive\n"));
    }

    #[test]
    fn only_a_job_of_this_very_unit_counts() {
        let unit = "vip-manager.service";
        let listing = " 41 patroni.service start waiting\n 42 vip-manager.service restart running\n";
        assert_eq!(job_of(unit, listing), Job::Restart);
        assert_eq!(job_of(unit, "42 vip-manager.service stop running\n"), Job::Stop);
        for other in [
            "",
            "42 vip-manager.service start waiting\n",
            "42 vip-manager@a.service restart running\n",
            "42 my-vip-manager.service stop running\n",
            "42 patroni.service restart running\n",
            "42 vip-manager.service\n",
        ] {
            assert_eq!(job_of(unit, other), Job::Other, "{other}");
        }
    }
}
