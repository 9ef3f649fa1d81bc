//! The signals that the daemon listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::systemd::restart;
use crate::blocking::Blocking;

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT: end.
    Stop { signal: &'static str, then: Then },
    /// SIGHUP: read the configuration again.
    Reload,
}

/// What comes after a stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// Nobody looks after the VIPs any more.
    Nobody,
    /// systemd starts the daemon again at once.
    Restart,
}

/// Listens from the moment it is made.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// SIGTERM came, and systemd is being asked what for. The daemon goes on meanwhile.
    asking: bool,
    /// On a thread of its own: the runtime's may all be busy starting hooks.
    question: Blocking<bool>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            asking: false,
            question: Blocking::default(),
        })
    }

    /// Waits for the next one. Dropping the wait loses nothing.
    pub(super) async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                biased;
                _ = self.interrupt.recv() => return Asked::Stop { signal: "SIGINT", then: Then::Nobody },
                restart = self.question.run(restart::is_restart), if self.asking => {
                    self.asking = false;
                    let then = if restart.unwrap_or(false) { Then::Restart } else { Then::Nobody };
                    return Asked::Stop { signal: "SIGTERM", then };
                }
                _ = self.terminate.recv(), if !self.asking => {
                    if !restart::is_of_a_unit() {
                        return Asked::Stop { signal: "SIGTERM", then: Then::Nobody };
                    }
                    self.asking = true;
                }
                _ = self.hangup.recv() => return Asked::Reload,
            }
        }
    }
}
