//! `vip-manager check` in the lab: each row of docs/troubleshooting.md is brought about on real hosts and a real etcd,
//! and the line that the document promises is the line that is printed.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod announcements;
mod claims;
mod clouds;
mod consul;
mod endpoints;
mod etcd2;
mod interfaces;
mod keys;
mod kubernetes;
mod machine;
mod page;
mod postgres;
mod rest;
mod rivals;
mod skew;
mod zookeeper;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::daemon::{ConfigFile, vip_manager};
use support::host::Host;

/// What a check printed.
pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) status: Option<i32>,
}

impl Printed {
    /// Runs a check.
    pub(crate) fn by(mut command: Command) -> Self {
        let output = command.env("LC_ALL", "C.UTF-8").output().unwrap();
        Self { text: String::from_utf8(output.stdout).unwrap(), status: output.status.code() }
    }
}

/// Runs the check on a host.
pub(crate) fn check(host: &Host, config: &ConfigFile) -> Printed {
    run(host, config, &[])
}

/// Runs the check with more arguments.
pub(crate) fn run(host: &Host, config: &ConfigFile, arguments: &[&str]) -> Printed {
    let mut command = vip_manager(host);
    command.arg("check").arg("--config").arg(file(host, config)).args(arguments);
    Printed::by(command)
}

/// Writes a configuration.
pub(crate) fn file(host: &Host, config: &ConfigFile) -> PathBuf {
    static NUMBERS: AtomicUsize = AtomicUsize::new(1);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let file = host.directory().join(format!("check-{number}.yml"));
    fs::write(&file, config.text()).unwrap();
    file
}
