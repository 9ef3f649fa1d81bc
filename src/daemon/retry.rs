//! Starts that fail for a reason that may pass: a half-written file, an interface without its own address yet.
//!
//! systemd starts the daemon again a second after any end, which is short so that the next process adopts the VIPs of
//! one that crashed. No setting of systemd before 254 makes later attempts wait longer. So a start that nobody waits for
//! waits here before it ends. A start that somebody asked for ends at once with its exit status.

use std::env;
use std::io;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::systemd::{Systemd, restart};
use crate::clock;
use crate::config::{self, Loaded, Sources};
use crate::terminal;

/// After the configuration was refused: waits for one without mistakes, if systemd has started this process by itself.
#[expect(clippy::disallowed_methods, reason = "nothing runs yet, and no state but the file's content is waited for")]
pub fn wait_for_configuration(sources: &Sources) -> Option<Loaded> {
    if !is_restarted_by_systemd() {
        return None;
    }
    if !restart::is_automatic_start() {
        say("configuration rejected; systemd tries again until it is correct");
        return None;
    }
    say("configuration rejected; reading it again every second");
    Systemd::connect(clock::now()).status("configuration rejected; reading it again every second");
    for _ in 0..ATTEMPTS {
        thread::sleep(PAUSE);
        if let Ok(loaded) = config::load(sources) {
            return Some(loaded);
        }
    }
    None
}

/// Waits before the end of a process that could not start, if systemd starts it again by itself.
pub(super) async fn back_off() {
    if is_restarted_by_systemd() && restart::is_automatic_start() {
        tracing::info!("trying again in {} s", BACK_OFF.as_secs());
        // The loop has caught signals, so they no longer end the process by themselves.
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(BACK_OFF) => {}
        }
    }
}

/// Both variables are set in the shipped units. A shell may have inherited the first one.
fn is_restarted_by_systemd() -> bool {
    restart::is_of_a_unit() && env::var_os("NOTIFY_SOCKET").is_some()
}

fn say(text: &str) {
    terminal::write(io::stderr(), format_args!("{text}\n"));
}

const PAUSE: Duration = Duration::from_secs(1);
/// After these systemd gets its turn: only a new process sees variables that have changed.
const ATTEMPTS: u32 = 30;
/// As long as the VIP of an earlier process stays by default, which may be what looks like the host's own address.
const BACK_OFF: Duration = Duration::from_secs(10);
