//! Daemons as users run them: the shipped unit under a booted systemd, one per host.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::daemon::ConfigFile;
use crate::support::host::Host;
use crate::support::machine::Machine;

const UNIT: &str = "vip-manager.service";
const FILE: &str = "/etc/default/vip-manager.yml";
/// How many lines of each journal a failure shows.
const TAIL: usize = 25;

/// A machine per host. They are switched off on drop, before the lab.
#[derive(Debug)]
pub(crate) struct Units {
    machines: Vec<Machine>,
}

impl Units {
    pub(crate) fn boot(hosts: &[Host]) -> Self {
        let machines: Vec<_> = hosts.iter().map(|host| Machine::boot(host, Path::new("/"))).collect();
        machines.iter().for_each(Machine::install_unit);
        Self { machines }
    }

    /// Starts the unit with this configuration, or restarts it.
    pub(crate) fn start(&self, host: usize, config: &ConfigFile) {
        self.machines[host].write(FILE, &config.text());
        self.systemctl(host, "restart");
    }

    pub(crate) fn systemctl(&self, host: usize, command: &str) {
        self.machines[host].run(&format!("systemctl {command} {UNIT}"));
    }

    pub(crate) fn signal(&self, host: usize, signal: Signal) {
        self.systemctl(host, &format!("kill --kill-who=main --signal {signal}"));
    }

    pub(crate) fn stop_all(&self) {
        for host in 0..self.machines.len() {
            self.systemctl(host, "stop");
        }
    }

    /// The last lines of the journals.
    pub(crate) fn log_tail(&self) -> String {
        let tail = |machine: &Machine| machine.run(&format!("journalctl --no-pager --lines {TAIL} --unit {UNIT}"));
        self.machines.iter().map(tail).collect::<Vec<_>>().join("\n")
    }
}
