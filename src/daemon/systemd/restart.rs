//! Asks systemd whether a stop is only the first half of a restart.
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

/// Asks systemd. It takes some milliseconds, and never more than the limit.
pub(crate) fn job() -> Job {
    let (answer, answered) = mpsc::channel();
    // Nobody waits for the thread: systemd ends what `systemctl` leaves behind with the rest of the unit.
    let asked = thread::Builder::new().spawn(move || answer.send(ask()));
    match asked.is_ok().then(|| answered.recv_timeout(LIMIT)) {
        Some(Ok(answer)) => answer.unwrap_or(Job::Other),
        Some(Err(_)) => {
            let limit = LIMIT.as_secs();
            tracing::warn!("systemctl list-jobs did not answer within {limit} s; assuming that this is not a restart");
            Job::Other
        }
        None => Job::Other,
    }
}

fn ask() -> Option<Job> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let unit = unit_of(&groups)?;
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["list-jobs", "--no-legend", "--no-pager", "--full"]);
    Some(job_of(unit, &answer_of(&mut systemctl)?))
}

/// What a program says that this thread starts. systemd may signal every process of a unit that it stops, and looks again for
/// those that came meanwhile; what inherits this thread's mask lives to answer.
fn answer_of(program: &mut Command) -> Option<String> {
    SigSet::from(Signal::SIGTERM).thread_block().ok()?;
    let output = program.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
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
    let kinds = listing.lines().filter_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        (columns.next() == Some(unit)).then(|| columns.next()).flatten()
    });
    let known = |kind| match kind {
        "restart" => Some(Job::Restart),
        "stop" => Some(Job::Stop),
        _ => None,
    };
    kinds.filter_map(known).next().unwrap_or(Job::Other)
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
