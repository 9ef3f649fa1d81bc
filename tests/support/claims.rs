//! What is the same in the tests of claims on every store.

use std::fmt::Debug;
use std::time::Duration;

use nix::sys::signal::Signal;
use vip_manager::time::Moment;

use super::clock::wait_for;
use super::daemon::{ConfigFile, Daemon};
use super::host::{Host, VIP};
use super::observer::AddressObserver;
use super::setup::{SOON, report};

/// Restarts the daemon, and then kills it and starts it again. Each time the claim stays as it is until the next process
/// replaces it, and `then` follows with what it was and is.
pub(crate) fn restart_in_both_ways<C: PartialEq + Debug>(
    daemon: &mut Daemon,
    config: &ConfigFile,
    claim: impl Fn() -> Option<C>,
    mut then: impl FnMut(&Daemon, &C, &C),
) {
    for kill in [false, true] {
        let before = claim().unwrap_or_else(|| panic!("{} has no claim", daemon.host.name()));
        if kill {
            daemon.process.kill();
        } else {
            daemon.process.signal(Signal::SIGTERM);
            assert_eq!(daemon.process.wait(SOON).code(), Some(0));
        }
        assert_eq!(claim().as_ref(), Some(&before), "it is left to the next process");
        let host = daemon.host.clone();
        *daemon = Daemon::start(&host, config);
        let mut after = None;
        wait_for("the claim of the next process", SOON, || {
            after = claim().filter(|claim| *claim != before);
            after.is_some()
        });
        then(daemon, &before, &after.unwrap_or_else(|| panic!("there was one")));
    }
}

/// Waits until the next host holds the VIP after `moved`, and the old one does not. Returns when.
pub(crate) fn wait_handed_over(
    observer: &AddressObserver,
    [from, to]: [&Host; 2],
    moved: Moment,
    limit: Duration,
) -> Moment {
    let held = observer.wait_held(to, VIP, limit);
    let gone = observer.wait_gone(from, VIP, SOON).unwrap_or_else(|| panic!("{} never had it", from.name()));
    report("gone after the move", gone.since(moved));
    report("held after the move", held.since(moved));
    assert!(gone < held);
    held
}
