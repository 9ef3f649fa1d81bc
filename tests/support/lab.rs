//! A lab: a switch and the hosts that are connected to it.
//!
//! It is removed when the value is dropped (also on a panic) and when a signal ends the process. The next lab removes
//! what a killed process left behind.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::command::{feed, run};
use super::fail::{OrFail, locked};
use super::host::Host;
use super::{needs, sweep};

/// The last byte of the first host's address. The values below it are unused.
const FIRST_HOST: u8 = 11;

/// The existing labs of this process.
static LABS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static NUMBERS: AtomicUsize = AtomicUsize::new(1);
/// Whether this process has removed the leftovers of dead ones.
static SWEPT: Once = Once::new();

/// A switch with hosts on it.
#[derive(Debug)]
pub(crate) struct Lab {
    prefix: String,
    directory: PathBuf,
    next_host: AtomicU8,
}

impl Lab {
    /// Creates a lab without hosts. `name` becomes part of the name of its directory.
    pub(crate) fn new(name: &str) -> Self {
        needs::check();
        watch_signals();
        SWEPT.call_once(sweep::leftovers);

        let prefix = sweep::prefix(NUMBERS.fetch_add(1, Ordering::Relaxed));
        let directory = sweep::directories().join(format!("{prefix}{name}"));
        locked(&LABS).push(prefix.clone());
        let lab = Self { prefix, directory, next_host: AtomicU8::new(FIRST_HOST) };
        fs::create_dir_all(&lab.directory).or_fail("making the lab's directory");
        lab.build_switch();
        lab
    }

    /// Adds a host with an IPv4 and an IPv6 address on `eth0`.
    pub(crate) fn host(&self, name: &str) -> Host {
        let number = self.next_host.fetch_add(1, Ordering::Relaxed);
        Host::plug_in(&self.prefix, &self.switch(), name, number, &self.directory)
    }

    /// A directory for files. It is removed with the lab.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The namespace of the switch. Its ports are named after the hosts.
    pub(crate) fn switch(&self) -> String {
        format!("{}switch", self.prefix)
    }

    /// The prefix of the names of all namespaces of this lab.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn build_switch(&self) {
        let switch = self.switch();
        run("ip", &["netns", "add", &switch]);
        // Without a querier, multicast snooping would only delay the first multicast packets.
        let script = "link add br0 type bridge forward_delay 0 mcast_snooping 0\nlink set br0 up\n";
        feed("ip", &["-n", &switch, "-batch", "-"], script);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        sweep::take_down(&self.prefix);
        locked(&LABS).retain(|prefix| *prefix != self.prefix);
    }
}

/// Removes the labs before a signal ends the process.
fn watch_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (armed, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let number = runtime.or_fail("building a runtime for signals").block_on(async {
                let mut interrupt = signal(SignalKind::interrupt()).or_fail("watching for SIGINT");
                let mut terminate = signal(SignalKind::terminate()).or_fail("watching for SIGTERM");
                let mut hangup = signal(SignalKind::hangup()).or_fail("watching for SIGHUP");
                let _ = armed.send(());
                tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                    _ = hangup.recv() => SignalKind::hangup(),
                }
                .as_raw_value()
            });
            let _ = writeln!(std::io::stderr(), "\nInterrupted: removing the lab.");
            // Other threads fail from now on. Their panics mean nothing and must not end the process too early.
            std::panic::set_hook(Box::new(|_| {
                loop {
                    std::thread::park();
                }
            }));
            for prefix in locked(&LABS).iter() {
                sweep::take_down(prefix);
            }
            std::process::exit(128 + number);
        });
        ready.recv().or_fail("watching for signals");
    });
}
