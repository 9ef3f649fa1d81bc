//! Checks after a time of faults: every holder was named by the key, and no hold outlived its lease.

use std::time::Duration;

use vip_manager::time::Moment;

use super::measure::seconds;
use super::setup::Setup;
use super::support::clock::now;
use super::support::daemon::KEY;
use super::support::watcher::{KeyChange, Watcher};

/// A watch may report a new leader later than the daemon learns of it.
const OBSERVER_LATE: Duration = Duration::from_secs(1);

/// Asserts that each hold lies within a leadership of its host, as reported by etcd.
#[track_caller]
pub(crate) fn nobody_outlived_a_lease(setup: &Setup, watcher: &Watcher) {
    let mut changes = watcher.changes();
    changes.retain(|change| change.key == KEY);
    for (place, host) in setup.hosts.iter().enumerate() {
        for hold in setup.intervals(place) {
            let within = |(number, change): (usize, &KeyChange)| {
                let end = changes.get(number + 1).map(|next| next.at);
                change.value.as_deref() == Some(host.name())
                    && hold.from + OBSERVER_LATE >= change.at
                    && end.is_none_or(|end| hold.until.unwrap_or_else(now) <= end)
            };
            assert!(changes.iter().enumerate().any(within), "{} held {hold:?} against {changes:#?}", host.name());
        }
    }
}

/// The holds as text.
pub(crate) fn held_intervals(setup: &Setup, begin: Moment) -> String {
    let mut intervals = Vec::new();
    for (place, host) in setup.hosts.iter().enumerate() {
        for interval in setup.intervals(place) {
            let until = interval.until.map_or("now".to_owned(), |until| format!("{:.2} s", seconds(begin, until)));
            intervals.push((
                interval.from,
                format!("{} held from {:.2} s to {until}", host.name(), seconds(begin, interval.from)),
            ));
        }
    }
    intervals.sort();
    intervals.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}
