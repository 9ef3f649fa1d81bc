//! The way from a host to one member of etcd, and what travels on it.
//!
//! A connection is TCP: what is sent into a silence is not lost but late, if the silence ends before somebody gives the
//! connection up. After that it is made anew, and begins with a read.

use crate::queue::Item;
use crate::time::Micros;

/// What lies on a way. Several things may at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// Packets are dropped both ways, without a word.
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
    /// The connection is being made anew.
    pub reopening: bool,
    /// The first read of the session was answered, and the watch begins after it.
    pub watching: bool,
    /// Since when the first obstacle lies there.
    pub since: Micros,
    /// Counts connections.
    pub epoch: u32,
    /// What waits for the silence to end.
    pub parked: Vec<Item>,
    /// Shortest and longest delay of one direction.
    pub delay: Option<(Micros, Micros)>,
    /// When the last event on its way arrives; a stream keeps its order.
    pub last_event: Micros,
}

impl Path {
    pub const fn blocked(&self) -> bool {
        self.silent + self.deaf + self.closed > 0
    }

    /// Everything arrives, soon, and is answered.
    pub const fn is_good(&self) -> bool {
        !self.blocked() && !self.reopening && self.delay.is_none()
    }

    /// Requests reach etcd.
    pub const fn reaches(&self) -> bool {
        self.silent + self.closed == 0 && !self.reopening
    }

    /// There is a session that a call can be sent through, as far as the host knows.
    pub const fn in_session(&self, now: Micros, limit: Micros) -> bool {
        !self.reopening && self.closed == 0 && (!self.blocked() || now < self.since.saturating_add(limit))
    }

    pub const fn place(&mut self, obstacle: Obstacle, now: Micros) {
        if !self.blocked() {
            self.since = now;
        }
        *self.count(obstacle) += 1;
    }

    /// Takes an obstacle away; whether it was the last.
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
