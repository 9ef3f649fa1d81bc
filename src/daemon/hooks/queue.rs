//! Which hook runs next, as data: one at a time for each VIP, in the order of events, a few in all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What waits, and what runs.
#[derive(Debug)]
pub(super) struct Queue<K, J> {
    waiting: BTreeMap<K, VecDeque<J>>,
    running: BTreeSet<K>,
}

impl<K: Ord + Clone, J> Queue<K, J> {
    pub(super) const fn new() -> Self {
        Self { waiting: BTreeMap::new(), running: BTreeSet::new() }
    }

    /// Puts a job at the end of its VIP's line. What is returned had to give way: it had waited longest.
    pub(super) fn push(&mut self, key: K, job: J) -> Option<J> {
        let line = self.waiting.entry(key).or_default();
        line.push_back(job);
        if line.len() > LONGEST_LINE { line.pop_front() } else { None }
    }

    /// The next job that may run; it counts as running from now on.
    pub(super) fn start(&mut self) -> Option<(K, J)> {
        if self.running.len() >= MOST_AT_ONCE {
            return None;
        }
        let key = self.waiting.keys().find(|key| !self.running.contains(key)).cloned()?;
        let line = self.waiting.get_mut(&key)?;
        let job = line.pop_front()?;
        if line.is_empty() {
            self.waiting.remove(&key);
        }
        self.running.insert(key.clone());
        Some((key, job))
    }

    pub(super) fn ended(&mut self, key: &K) {
        self.running.remove(key);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }
}

const LONGEST_LINE: usize = 8;
const MOST_AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runs_at_a_time_for_a_vip_and_in_order() {
        let mut queue = Queue::new();
        for job in 1..=3 {
            assert_eq!(queue.push("a", job), None);
        }
        for job in 1..=3 {
            assert_eq!(queue.start(), Some(("a", job)));
            assert_eq!(queue.start(), None);
            queue.ended(&"a");
        }
        assert!(queue.is_idle());
    }

    #[test]
    fn a_few_run_at_once_for_several_vips() {
        let mut queue = Queue::new();
        for key in 0..10 {
            queue.push(key, ());
        }
        assert_eq!(std::iter::from_fn(|| queue.start()).count(), MOST_AT_ONCE);
        queue.ended(&2);
        assert_eq!(queue.start(), Some((4, ())));
    }

    #[test]
    fn the_oldest_gives_way_where_too_many_wait() {
        let mut queue = Queue::new();
        let dropped: Vec<_> = (0..10).filter_map(|job| queue.push("a", job)).collect();
        assert_eq!(dropped, [0, 1]);
        assert_eq!(queue.start(), Some(("a", 2)));
    }
}
