//! The path from a host to one member of etcd.
//!
//! A connection is TCP: packets that were dropped arrive late, unless the connection is given up before. A new
//! connection begins with a read.

use crate::queue::Item;
use crate::time::Micros;

/// What blocks a path. Several may at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// Packets are dropped both ways.
    Silence,
    /// Requests arrive, answers do not.
    Deafness,
    /// The member is not there: calls fail at once.
    Closed,
}

#[derive(Clone, Debug, Default)]
pub struct Path {
    pub silent: u8,
    pub deaf: u8,
    pub closed: u8,
    /// The connection is being reopened.
    pub reopening: bool,
    /// The first read of the session was answered, and the watch has begun.
    pub watching: bool,
    /// Since when the path is blocked.
    pub since: Micros,
    /// Counts connections.
    pub epoch: u32,
    /// Messages that wait for the silence to end.
    pub parked: Vec<Item>,
    /// Shortest and longest delay of one direction.
    pub delay: Option<(Micros, Micros)>,
    /// When the last event on its way arrives. A stream keeps its order.
    pub last_event: Micros,
}

impl Path {
    pub const fn blocked(&self) -> bool {
        self.silent + self.deaf + self.closed > 0
    }

    /// Whether requests are answered quickly.
    pub const fn is_good(&self) -> bool {
        !self.blocked() && !self.reopening && self.delay.is_none()
    }

    /// Whether requests reach etcd.
    pub const fn reaches(&self) -> bool {
        self.silent + self.closed == 0 && !self.reopening
    }

    /// Whether there is a session, as far as the host knows.
    pub const fn in_session(&self, now: Micros, limit: Micros) -> bool {
        !self.reopening && self.closed == 0 && (!self.blocked() || now < self.since.saturating_add(limit))
    }

    pub const fn place(&mut self, obstacle: Obstacle, now: Micros) {
        if !self.blocked() {
            self.since = now;
        }
        *self.count(obstacle) += 1;
    }

    /// Removes an obstacle. Returns whether it was the last.
    pub const fn clear(&mut self, obstacle: Obstacle) -> bool {
        let count = self.count(obstacle);
        *count = count.saturating_sub(1);
        !self.blocked()
    }

    const fn count(&mut self, obstacle: Obstacle) -> &mut u8 {
        match obstacle {
            Obstacle::Silence => &mut self.silent,
            Obstacle::Deafness => &mut self.deaf,
            Obstacle::Closed => &mut self.closed,
        }
    }
}
