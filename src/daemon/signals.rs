//! The signals that the daemon listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};

use super::systemd::restart;

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
    asking: Option<JoinHandle<bool>>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            asking: None,
        })
    }

    /// Waits for the next one. Dropping the wait loses nothing.
    pub(super) async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                biased;
                _ = self.interrupt.recv() => return Asked::Stop { signal: "SIGINT", then: Then::Nobody },
                then = answer(&mut self.asking), if self.asking.is_some() => {
                    self.asking = None;
                    return Asked::Stop { signal: "SIGTERM", then };
                }
                _ = self.terminate.recv(), if self.asking.is_none() => {
                    if !restart::is_of_a_unit() {
                        return Asked::Stop { signal: "SIGTERM", then: Then::Nobody };
                    }
                    self.asking = Some(spawn_blocking(restart::is_restart));
                }
                _ = self.hangup.recv() => return Asked::Reload,
            }
        }
    }
}

async fn answer(asking: &mut Option<JoinHandle<bool>>) -> Then {
    let Some(asking) = asking else { return Then::Nobody };
    if asking.await.unwrap_or(false) { Then::Restart } else { Then::Nobody }
}
