//! Which host held an address when: intervals, and their overlap.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use vip_manager::time::Moment;

/// A kernel notification about an address of its host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Notice {
    pub(crate) at: Moment,
    pub(crate) host: String,
    pub(crate) address: IpAddr,
    pub(crate) prefix: u8,
    pub(crate) what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// The address is present or was renewed. It is permanent if there is no lifetime.
    Shown {
        lifetime: Option<Duration>,
    },
    Removed,
}

/// A time during which a host had an address. It still has it if there is no end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interval {
    pub(crate) from: Moment,
    pub(crate) until: Option<Moment>,
}

/// The times during which `host` had `address`, with any prefix.
pub(crate) fn intervals(notices: &[Notice], host: &str, address: IpAddr) -> Vec<Interval> {
    let mut prefixes = BTreeSet::new();
    let mut intervals: Vec<Interval> = Vec::new();
    for notice in notices.iter().filter(|notice| notice.host == host && notice.address == address) {
        let held = !prefixes.is_empty();
        match notice.what {
            What::Shown { .. } => prefixes.insert(notice.prefix),
            What::Removed => prefixes.remove(&notice.prefix),
        };
        match (held, !prefixes.is_empty()) {
            (false, true) => intervals.push(Interval { from: notice.at, until: None }),
            (true, false) => {
                if let Some(last) = intervals.last_mut() {
                    last.until = Some(notice.at);
                }
            }
            (false, false) | (true, true) => {}
        }
    }
    intervals
}

/// For how long two hosts had the address at the same time, up to `now`.
pub(crate) fn overlap(one: &[Interval], other: &[Interval], now: Moment) -> Duration {
    let shared = |a: &Interval, b: &Interval| {
        let end = a.until.unwrap_or(now).min(b.until.unwrap_or(now));
        end.since(a.from.max(b.from))
    };
    one.iter().flat_map(|a| other.iter().map(move |b| shared(a, b))).sum()
}

/// What is left of intervals after this moment.
pub(crate) fn after(intervals: &[Interval], since: Moment) -> Vec<Interval> {
    let left = intervals.iter().filter(|interval| interval.until.is_none_or(|until| until > since));
    left.map(|interval| Interval { from: interval.from.max(since), ..*interval }).collect()
}

/// For how long nobody had the address between two moments, in total.
pub(crate) fn absence(held: &[Interval], from: Moment, until: Moment) -> Duration {
    let mut held = held.to_vec();
    held.sort_by_key(|interval| interval.from);
    let (mut absent, mut covered) = (Duration::ZERO, from);
    for interval in held {
        absent += interval.from.min(until).since(covered);
        covered = covered.max(interval.until.unwrap_or(until));
    }
    absent + until.since(covered)
}
