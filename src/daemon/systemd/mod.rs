//! Talks to systemd: readiness, the current messages, the watchdog.
//!
//! The protocol is one datagram of lines to the socket that `NOTIFY_SOCKET` names, which may be an abstract one.
//! Without that variable there is nobody to talk to and every call does nothing. A message that cannot be delivered
//! is dropped: systemd may be restarting itself, and the watchdog's next one follows.

pub(crate) mod restart;

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::time::Moment;

/// The line to systemd.
#[derive(Debug)]
pub(super) struct Systemd {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    next_ping: Option<Moment>,
    status: String,
}

impl Systemd {
    /// Connects where the environment says so.
    pub(super) fn connect(now: Moment) -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|path| match open(&path) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!("cannot reach systemd's socket {}: {error}", path.display());
                None
            }
        });
        let watchdog = watchdog_period(env::var("WATCHDOG_USEC").ok(), env::var("WATCHDOG_PID").ok());
        let watchdog = watchdog.filter(|_| socket.is_some());
        Self { socket, watchdog, next_ping: watchdog.map(|_| now), status: String::new() }
    }

    /// Start-up is over: the sockets are open and what was inherited has a finite lifetime.
    pub(super) fn ready(&self) {
        self.send("READY=1");
    }

    pub(super) fn reloading(&self, now: Moment) {
        // systemd matches this against CLOCK_MONOTONIC only to order it after its own request; the boot clock is
        // never behind it.
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.since_boot().as_micros()));
    }

    pub(super) fn stopping(&self, messages: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={messages}"));
    }

    /// The current messages, sent when it is another than before.
    pub(super) fn status(&mut self, messages: &str) {
        if self.status != messages {
            messages.clone_into(&mut self.status);
            self.send(&format!("STATUS={messages}"));
        }
    }

    /// When the watchdog wants to hear of us next.
    pub(super) const fn next_ping(&self) -> Option<Moment> {
        self.next_ping
    }

    /// Tells the watchdog that the driver's loop goes round, where it is time to.
    pub(super) fn ping(&mut self, now: Moment) {
        if let (Some(period), Some(due)) = (self.watchdog, self.next_ping)
            && due <= now
        {
            self.send("WATCHDOG=1");
            self.next_ping = Some(now + period);
        }
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            let _best_effort = socket.send(message.as_bytes());
        }
    }
}

fn open(path: &OsString) -> io::Result<UnixDatagram> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// A third of what systemd waits for, so that one message may be lost.
fn watchdog_period(usec: Option<String>, pid: Option<String>) -> Option<Duration> {
    let ours = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    let limit = Duration::from_micros(usec?.parse().ok()?);
    (ours && !limit.is_zero()).then_some(limit / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_told_three_times_as_often_as_it_asks() {
        assert_eq!(watchdog_period(Some("3000000".into()), None), Some(Duration::from_secs(1)));
        let own = std::process::id().to_string();
        assert_eq!(watchdog_period(Some("3000000".into()), Some(own)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_watchdog_that_is_not_ours_or_not_there_is_left_alone() {
        assert_eq!(watchdog_period(Some("3000000".into()), Some("1".into())), None);
        assert_eq!(watchdog_period(Some("0".into()), None), None);
        assert_eq!(watchdog_period(Some("soon".into()), None), None);
        assert_eq!(watchdog_period(None, None), None);
    }
}
