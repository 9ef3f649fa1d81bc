//! Waits for a moment of the boot clock.
//!
//! The runtime's own timers stand still while the machine sleeps and round up to a millisecond. This one is the
//! kernel's, on the same clock as every deadline.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;

use crate::host::watch;
use crate::time::Moment;

/// A timer that is set to one moment at a time.
#[derive(Debug)]
pub(super) struct Timer {
    timer: TimerFd,
    /// The same timer once more: the runtime wants a descriptor of its own to watch.
    watched: AsyncFd<OwnedFd>,
    set_to: Option<Moment>,
}

impl Timer {
    pub(super) fn open() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
        let watched = watch(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self { timer, watched, set_to: None })
    }

    /// Sets the timer. A moment that has passed fires at once.
    pub(super) fn set(&mut self, moment: Moment) -> io::Result<()> {
        if self.set_to == Some(moment) {
            return Ok(());
        }
        // Zero would disarm it.
        let at = moment.since_boot().max(Duration::from_nanos(1));
        let expiration = Expiration::OneShot(TimeSpec::from_duration(at));
        self.timer.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        self.set_to = Some(moment);
        Ok(())
    }

    /// Waits until the moment has come. Dropping the wait loses nothing.
    pub(super) async fn expired(&mut self) -> io::Result<()> {
        let mut ready = self.watched.readable().await?;
        // What has expired is known from the clock; the count that the descriptor holds is only taken away.
        let _would_block = ready.try_io(|_| self.timer.wait().map_err(io::Error::from));
        self.set_to = None;
        Ok(())
    }
}
