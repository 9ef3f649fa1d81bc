//! When a VIP refuses new connections: for a while after its release.
//!
//! Clients whose neighbour entry still points to this host would send their SYN into the void, and try again only a
//! second later. A refusal makes them try elsewhere, or again, at once. It ends as soon as another host is heard to
//! claim the address, or the address may come back here.

use std::time::Duration;

use crate::keeper::{Keeper, State};
use crate::time::Moment;

/// A VIP that refuses new connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The interface that the address was on.
    pub link: u32,
    pub since: Moment,
    pub until: Moment,
}

/// What decides about the refusal of one VIP.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refusing {
    /// The address was here since the last refusal began.
    was_here: bool,
    /// When another host was last heard to claim the address.
    claimed_at: Option<Moment>,
    current: Option<Refusal>,
}

/// What a step changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Nothing,
    Began,
    Ended(Refusal),
}

impl Refusing {
    pub(super) const fn current(&self) -> Option<Refusal> {
        self.current
    }

    /// Takes in what the keeper made of an event. `limit` is how long the VIP refuses after a release.
    pub(super) fn follow(&mut self, keeper: &Keeper, limit: Duration, now: Moment) -> Change {
        let link = keeper.link().map(|link| link.index);
        let here = !keeper.present().is_empty();
        self.was_here |= here;
        match keeper.state() {
            State::Standby | State::Unknown { adopting: None } if !here => {
                if std::mem::take(&mut self.was_here) {
                    self.begin(link, limit, now)
                } else if self.current.is_some_and(|it| it.until <= now || Some(it.link) != link) {
                    self.end()
                } else {
                    Change::Nothing
                }
            }
            // Nothing is left of the address, but the kernel is asked to remove it, to be sure.
            State::Releasing { .. } if !here && self.current.is_some_and(|it| now < it.until) => Change::Nothing,
            State::Stopped { .. } => {
                self.was_here = false;
                self.end()
            }
            _ => self.end(),
        }
    }

    /// Another host claims the address.
    pub(super) fn claimed(&mut self, now: Moment) -> Change {
        self.claimed_at = Some(now);
        self.end()
    }

    pub(super) fn end(&mut self) -> Change {
        self.current.take().map_or(Change::Nothing, Change::Ended)
    }

    fn begin(&mut self, link: Option<u32>, limit: Duration, now: Moment) -> Change {
        let claimed = self.claimed_at.is_some_and(|at| now.since(at) < RECENT);
        match link {
            Some(link) if !limit.is_zero() && !claimed => {
                self.current = Some(Refusal { link, since: now, until: now + limit });
                Change::Began
            }
            Some(_) | None => Change::Nothing,
        }
    }
}

/// A claim heard this long before the release is the new holder's: it may be a little ahead of us.
const RECENT: Duration = Duration::from_secs(2);
