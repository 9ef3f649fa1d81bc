//! The only clock of the program.
//!
//! It counts suspended time (`CLOCK_BOOTTIME`): a lease goes on running out while this machine sleeps. Everything
//! that needs the time asks here, and clippy bans the standard library's clocks elsewhere.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::time::{Clock, Moment, WallTime};

/// The clocks of this machine.
pub const SYSTEM: Clock = Clock { now, wall_time };

/// Now.
///
/// # Panics
/// On a kernel without `CLOCK_BOOTTIME`; there is none since 2.6.39.
#[expect(
    clippy::expect_used,
    reason = "without a clock no deadline can be kept: end, and let the kernel's lifetimes do it"
)]
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("every Linux since 2.6.39 has CLOCK_BOOTTIME");
    Moment::from_boot(Duration::from(time))
}

/// What the wall clock says; where there is none it says 1970. It is for people, and for the age of what was written on this
/// host by the same clock.
pub fn wall_time() -> WallTime {
    WallTime(clock_gettime(ClockId::CLOCK_REALTIME).map(Duration::from).unwrap_or_default())
}

/// The processor time that this process has used, if the kernel tells.
pub fn processor() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).ok().map(Duration::from)
}
