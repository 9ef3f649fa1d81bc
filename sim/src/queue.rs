//! The queue of events.
//!
//! Alarms are set, moved and cleared often (a keeper's deadline moves with every read), so each has its own slot. All
//! other events happen once and wait in a heap. One more slot precedes the heap: most events that are added are the
//! next ones, and need no sorting.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::{Micros, NEVER};

pub const MOST_HOSTS: usize = 4;
pub const MEMBERS: usize = 3;

/// An event whose time may be moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// The daemon's timer.
    Keeper,
    /// The source's interval.
    Tick,
    /// The end of an address's lifetime in the kernel.
    Expiry,
    /// Patroni's loop.
    Patroni,
    /// The end of a lease.
    Lease,
    /// The next request about the claim.
    Claim,
    /// The end of the claim's lease; the first host's serves.
    ClaimEnd,
}

/// An event that happens once.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    /// A read arrives at etcd.
    Serve { host: u8, call: u32 },
    /// Its query of the lease arrives at etcd.
    ServeLease { host: u8, call: u32, lease: u32 },
    /// Its answer arrives.
    Answer { host: u8, call: u32 },
    /// There is no answer yet, so another endpoint is asked as well.
    Hedge { host: u8, life: u32, number: u32, change: bool },
    /// The time limit of a read passes.
    CallLimit { host: u8, call: u32, sent: Micros },
    /// A watch event arrives.
    Event { host: u8, path: u8, epoch: u32, holder: Option<u8>, revision: i64, again: bool },
    /// A request about the claim arrives at etcd.
    ClaimServe { host: u8, call: u32 },
    /// Its answer arrives.
    ClaimAnswer { host: u8, call: u32 },
    /// Its time limit passes.
    ClaimLimit { host: u8, call: u32 },
    /// A watch saw the claim change.
    ClaimChanged { host: u8 },
    /// The kernel's notices become readable.
    Notices { host: u8, life: u32 },
    /// Patroni noticed that something changed.
    Patroni { host: u8 },
    /// A stopped process continues.
    Continue { host: u8, life: u32 },
    /// A daemon is started.
    Start { host: u8, life: u32 },
    /// A connection to a member is reopened.
    Reopen { host: u8, path: u8, epoch: u32 },
    /// An action of the plan is due, begins or ends.
    Act { number: u16, part: Part },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Its time has come. It may still wait for an event.
    Due,
    Begin,
    End,
}

#[derive(Debug)]
pub struct Queue {
    alarms: [Micros; ALARMS],
    /// The slot of the next alarm, if known.
    soonest: Option<usize>,
    front: Option<Entry>,
    heap: BinaryHeap<Reverse<Entry>>,
    count: u64,
    /// The number of slots in use.
    used: usize,
}

impl Queue {
    pub fn new(hosts: usize) -> Self {
        Self {
            alarms: [NEVER; ALARMS],
            soonest: None,
            front: None,
            heap: BinaryHeap::new(),
            count: 0,
            used: hosts * KINDS.len(),
        }
    }

    pub const fn set(&mut self, alarm: Alarm, host: usize, at: Micros) {
        let place = host * KINDS.len() + alarm as usize;
        self.alarms[place] = at;
        if let Some(soonest) = self.soonest {
            let first = self.alarms[soonest];
            if at < first || (at == first && place < soonest) {
                self.soonest = Some(place);
            } else if place == soonest {
                self.soonest = None;
            }
        }
    }

    pub const fn at(&self, alarm: Alarm, host: usize) -> Micros {
        self.alarms[host * KINDS.len() + alarm as usize]
    }

    pub fn put(&mut self, at: Micros, item: Item) {
        self.count += 1;
        let entry = Entry { at, count: self.count, item };
        match &mut self.front {
            Some(front) if entry < *front => self.heap.push(Reverse(std::mem::replace(front, entry))),
            None if self.heap.peek().is_none_or(|Reverse(first)| entry < *first) => self.front = Some(entry),
            Some(_) | None => self.heap.push(Reverse(entry)),
        }
    }

    /// Takes the next event with its time. This clears an alarm.
    pub fn take(&mut self) -> (Micros, Happening) {
        let place = self.soonest_alarm();
        let soonest = self.alarms[place];
        let first = match &self.front {
            Some(front) => Some(front.at),
            None => self.heap.peek().map(|Reverse(entry)| entry.at),
        };
        if let Some(at) = first.filter(|&at| at < soonest) {
            let entry = self.front.take().or_else(|| self.heap.pop().map(|Reverse(entry)| entry));
            if let Some(entry) = entry {
                return (at, Happening::Item(entry.item));
            }
        }
        self.alarms[place] = NEVER;
        self.soonest = None;
        (soonest, Happening::Alarm(KINDS[place % KINDS.len()], place / KINDS.len()))
    }

    /// The slot of the next alarm, cached because most events move no alarm or a later one.
    fn soonest_alarm(&mut self) -> usize {
        *self.soonest.get_or_insert_with(|| {
            let (mut place, mut soonest) = (0, self.alarms[0]);
            for (index, &at) in self.alarms[..self.used].iter().enumerate() {
                if at < soonest {
                    (place, soonest) = (index, at);
                }
            }
            place
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Happening {
    Alarm(Alarm, usize),
    Item(Item),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Micros,
    count: u64,
    item: Item,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count
    }
}

impl Eq for Entry {}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.count).cmp(&(other.at, other.count))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

const KINDS: [Alarm; 7] =
    [Alarm::Keeper, Alarm::Tick, Alarm::Expiry, Alarm::Patroni, Alarm::Lease, Alarm::Claim, Alarm::ClaimEnd];
const ALARMS: usize = MOST_HOSTS * KINDS.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_the_order_of_their_times_and_those_of_one_time_as_they_were_put() {
        let mut queue = Queue::new(MOST_HOSTS);
        for (number, at) in [50, 10, 30, 10, 40, 5].into_iter().enumerate() {
            queue.put(at, Item::Patroni { host: number as u8 });
        }
        queue.set(Alarm::Tick, 2, 30);
        let mut order = Vec::new();
        loop {
            match queue.take() {
                (NEVER, _) => break,
                (at, Happening::Alarm(_, host)) => order.push((at, 100 + host as u8)),
                (at, Happening::Item(Item::Patroni { host })) => order.push((at, host)),
                (_, Happening::Item(_)) => unreachable!(),
            }
        }
        assert_eq!(order, [(5, 5), (10, 1), (10, 3), (30, 102), (30, 2), (40, 4), (50, 0)]);
    }
}
