//! The verdict over a time of misfortunes: whoever held was named by the key, and nobody outlived a lease.

use std::time::Duration;

use vip_manager::time::Moment;

use super::measure::seconds;
use super::setup::Setup;
use super::support::clock::now;
use super::support::daemon::KEY;
use super::support::watcher::{KeyChange, Watcher};

/// A watch may tell of a new leader later than the daemon takes it up.
const OBSERVER_LATE: Duration = Duration::from_secs(1);

/// Each hold lies within a failover of its host, and was over before etcd told of that failover's end.
#[track_caller]
pub(crate) fn nobody_outlived_a_lease(setup: &Setup, watcher: &Watcher) {
    let mut told = watcher.changes();
    told.retain(|change| change.key == KEY);
    for (place, host) in setup.hosts.iter().enumerate() {
        for hold in setup.intervals(place) {
            let within = |(number, change): (usize, &KeyChange)| {
                let end = told.get(number + 1).map(|next| next.at);
                change.value.as_deref() == Some(host.name())
                    && hold.from + OBSERVER_LATE >= change.at
                    && end.is_none_or(|end| hold.until.unwrap_or_else(now) <= end)
            };
            assert!(told.iter().enumerate().any(within), "{} held {hold:?} against {told:#?}", host.name());
        }
    }
}

/// Who held when, for people.
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
    intervals.into_iter().map(|(_, words)| words).collect::<Vec<_>>().join("\n")
}
