//! The lab's clock, which is also the daemon's, and the only way to wait: for a state, with a limit.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
pub(crate) use vip_manager::clock::now;
use vip_manager::time::Moment;

use super::fail::OrFail;
use super::process;

const POLL: Duration = Duration::from_millis(2);

/// Waits until `condition` holds. Panics after `limit` with what was waited for and the recent output of the daemons.
#[track_caller]
pub(crate) fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_until(what, limit, || condition().then_some(()));
}

/// Waits until `look` returns something. Panics after `limit` with what was waited for and the recent output.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        let waited = now().since(start);
        assert!(waited < limit, "timed out after {waited:.1?} waiting for: {what}\n{}", process::recent_output());
        pause(POLL);
    }
}

/// Sleeps. Only for tests in which the passing of time is what is tested.
#[expect(clippy::disallowed_methods, reason = "the only place in the lab that sleeps")]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// The moment of a wall-clock time, as kernel timestamps and `ping -D` give it.
pub(crate) fn from_wall(wall: Duration) -> Moment {
    let clock = Duration::from(clock_gettime(ClockId::CLOCK_REALTIME).or_fail("reading the wall clock"));
    let now = now();
    now + wall.saturating_sub(clock) - clock.saturating_sub(wall)
}
