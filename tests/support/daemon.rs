//! The real daemon on a host of the lab.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::etcd::Cluster;
use super::fail::OrFail;
use super::host::{Host, INTERFACE, VIP};
use super::notify::NotifySocket;
use super::process::Process;

/// The leader key. The Patroni stand-in writes it, too.
pub(crate) const KEY: &str = "/service/pg_cluster/leader";

/// A configuration file: `key: value` lines, each key once.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    lines: Vec<(String, String)>,
}

impl ConfigFile {
    /// Without any line.
    pub(crate) const fn bare() -> Self {
        Self { lines: Vec::new() }
    }

    /// The minimal configuration of a daemon on `host`.
    pub(crate) fn basic(host: &Host, cluster: &Cluster) -> Self {
        Self::of_store(host, "etcd", &cluster.endpoints())
    }

    /// The same with a store of another kind.
    pub(crate) fn of_store(host: &Host, kind: &str, endpoints: &[String]) -> Self {
        Self::bare()
            .with("ip", VIP)
            .with("interface", INTERFACE)
            .with("trigger-key", KEY)
            .with("trigger-value", host.name())
            .with("dcs-type", kind)
            .with("dcs-endpoints", endpoints.join(","))
    }

    /// Sets a key, replacing an earlier value.
    pub(crate) fn with(self, key: &str, value: impl std::fmt::Display) -> Self {
        let mut file = self.without(key);
        file.lines.push((key.to_owned(), value.to_string()));
        file
    }

    pub(crate) fn without(mut self, key: &str) -> Self {
        self.lines.retain(|(present, _)| present != key);
        self
    }

    pub(crate) fn text(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        lines.join("\n") + "\n"
    }
}

/// A running daemon. It is killed on drop.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) host: Host,
    pub(crate) process: Process,
    pub(crate) config: PathBuf,
    pub(crate) notify: NotifySocket,
}

impl Daemon {
    /// Starts a daemon on `host` with this configuration.
    pub(crate) fn start(host: &Host, config: &ConfigFile) -> Self {
        Self::start_with(host, &config.text(), &[])
    }

    /// Starts a daemon with the text of a configuration and more arguments.
    pub(crate) fn start_with(host: &Host, config: &str, arguments: &[&str]) -> Self {
        Self::launch(host, config, arguments, &[])
    }

    /// Starts a daemon with more environment variables.
    pub(crate) fn start_in(host: &Host, config: &ConfigFile, variables: &[(&str, &str)]) -> Self {
        Self::launch(host, &config.text(), &[], variables)
    }

    /// The same with any text, arguments and variables.
    pub(crate) fn launch(host: &Host, config: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        static NUMBERS: AtomicUsize = AtomicUsize::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let file = host.directory().join(format!("{}-{number}.yml", host.name()));
        fs::write(&file, config).or_fail("writing a configuration");
        let notify = NotifySocket::bind(&host.directory().join(format!("{}-{number}.sock", host.name())));
        let mut command = vip_manager(host);
        command
            .arg("--config")
            .arg(&file)
            .args(arguments)
            .env("NOTIFY_SOCKET", notify.path())
            .envs(variables.iter().copied());
        let process = Process::start(&format!("vip-manager on {}", host.name()), command);
        Self { host: host.clone(), process, config: file, notify }
    }

    /// Whether it has reported to its service manager that it is ready.
    pub(crate) fn ready(&self) -> bool {
        self.notify.said("READY=1")
    }

    /// Replaces the configuration file that the daemon reads on SIGHUP.
    pub(crate) fn rewrite_config(&self, config: &ConfigFile) {
        fs::write(&self.config, config.text()).or_fail("writing a configuration");
    }
}

/// A command that runs the daemon's program on `host`. The caller adds the arguments.
pub(crate) fn vip_manager(host: &Host) -> Command {
    let mut command = host.command(binary());
    // Settings in the environment of whoever runs the tests must not reach the daemon under test.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VIP_")) {
        command.env_remove(name);
    }
    command
}

/// The path of the program: from the environment (an installed one, for example), from cargo for tests and benches,
/// or beside the running example.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("LAB_VIP_MANAGER") {
        return path.into();
    }
    if let Some(path) = option_env!("CARGO_BIN_EXE_vip-manager") {
        return path.into();
    }
    let own = std::env::current_exe().or_fail("finding this program");
    let built = own.ancestors().nth(2).or_fail("finding the build directory").join("vip-manager");
    assert!(built.exists(), "lab: {} is missing; `cargo build` makes it", built.display());
    built
}
