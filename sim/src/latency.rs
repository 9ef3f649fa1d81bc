//! Random delays: mostly short, sometimes long. In a calm history every delay is the shortest.

use crate::rng::Rng;
use crate::time::{MILLI, Micros, SECOND};

#[derive(Clone, Debug)]
pub struct Latency {
    pub rng: Rng,
    calm: bool,
}

impl Latency {
    pub const fn new(seed: u64, calm: bool) -> Self {
        Self { rng: Rng::new(seed), calm }
    }

    /// One direction between a host and etcd.
    pub const fn one_way(&mut self, slow: Option<(Micros, Micros)>) -> Micros {
        if let Some((low, high)) = slow {
            return if self.calm { low } else { self.rng.within(low, high) };
        }
        if self.calm {
            return 500;
        }
        let draw = self.rng.draw();
        if draw.is_multiple_of(128) { self.rng.within(5 * MILLI, 80 * MILLI) } else { 100 + (draw >> 8) % 800 }
    }

    /// From a change to its watch event.
    pub const fn event_lag(&mut self) -> Micros {
        if self.calm {
            return MILLI;
        }
        if self.rng.one_in(24) { self.rng.within(5 * MILLI, 2 * SECOND) } else { self.rng.within(200, 2_000) }
    }

    /// From a change in the kernel to its notice.
    pub const fn notice_lag(&mut self) -> Micros {
        if self.calm { 30 } else { self.rng.within(20, 100) }
    }

    /// How late the kernel removes an address.
    pub const fn kernel_lateness(&mut self) -> Micros {
        if self.calm {
            return 0;
        }
        match self.rng.below(8) {
            0 => 2_100 * MILLI,
            1 => self.rng.within(0, 2_100 * MILLI),
            2 => 0,
            _ => self.rng.within(0, 250 * MILLI),
        }
    }

    /// How late a timer is.
    pub const fn timer_lateness(&mut self) -> Micros {
        if self.calm {
            return 0;
        }
        if self.rng.one_in(64) { self.rng.within(0, 12 * MILLI) } else { self.rng.below(100) }
    }

    /// From the start of a daemon to its first request, and other short times.
    pub const fn moment(&mut self, longest: Micros) -> Micros {
        if self.calm { longest / 2 } else { self.rng.within(1, longest) }
    }

    pub const fn one_in(&mut self, count: u64) -> bool {
        !self.calm && self.rng.one_in(count)
    }
}
