//! The sessions with the members of etcd, and what their watches report. A session begins with a read.

use vip_manager::source::rounds::{self, Read};

use crate::host::{Input, Purpose};
use crate::plan::Hook;
use crate::queue::{Item, MEMBERS};
use crate::time::{MILLI, Micros};
use crate::world::World;

impl World {
    /// Sends an event of the last change to every watch.
    pub fn publish(&mut self) {
        let (holder, revision) = (self.store.holder(), self.store.revision);
        for host in 0..self.hosts.len() {
            for path in 0..MEMBERS {
                let way = &self.hosts[host].paths[path];
                if way.closed > 0 || way.reopening {
                    continue;
                }
                let slow = way.delay.map_or(0, |_| self.latency.one_way(way.delay));
                // An event that is late is a failure too.
                let lag = if self.setup.singly { self.latency.moment(2 * MILLI) } else { self.latency.event_lag() };
                let mut lag = lag + slow;
                if self.hosts[host].late_events > 0 {
                    if self.latency.one_in(2) {
                        continue;
                    }
                    lag += self.latency.moment(6_000 * MILLI);
                }
                self.send_event(host, path, lag, holder, revision, false);
            }
        }
    }

    fn send_event(&mut self, host: usize, path: usize, lag: Micros, holder: Option<u8>, revision: i64, again: bool) {
        let here = &mut self.hosts[host];
        let way = &mut here.paths[path];
        let at = (self.now + lag).max(way.last_event);
        way.last_event = at;
        let (host, path, epoch) = (host as u8, path as u8, way.epoch);
        self.queue.put(at, Item::Event { host, path, epoch, holder, revision, again });
    }

    pub fn event(&mut self, item: Item) {
        let Item::Event { host, path, epoch, holder, revision, again } = item else { return };
        let here = &mut self.hosts[host as usize];
        let way = &mut here.paths[path as usize];
        if here.daemon.is_none() || way.epoch != epoch || way.closed > 0 || way.reopening {
            return;
        }
        if way.silent + way.deaf > 0 || !way.watching {
            way.parked.push(item);
            return;
        }
        self.deliver(host as usize, Input::Changed { path, holder, revision, again });
        self.fire(Hook::Event, host as usize);
    }

    /// Whether the change is new to the driver.
    pub fn heard(&mut self, host: usize, revision: i64, again: bool) -> bool {
        let Some(daemon) = &mut self.hosts[host].daemon else { return false };
        let news = revision > daemon.source.heard;
        daemon.source.heard = daemon.source.heard.max(revision);
        news || again
    }

    pub fn read_after(&mut self, host: usize, path: u8) {
        if let Some(daemon) = &mut self.hosts[host].daemon {
            daemon.source.rounds.changed();
            daemon.source.reads[1].begin(Read::new(rounds::Purpose::Change, Some(path as usize)));
            self.ask_next(host, Purpose::Change);
            self.set_tick(host);
        }
    }

    // Sessions

    /// Tells the shipped code which sessions began and which ended.
    pub fn check_sessions(&mut self, host: usize) {
        let (now, limit) = (self.now, self.setup.call_limit());
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        let source = &mut daemon.source;
        for (endpoint, (way, known)) in here.paths.iter().zip(&mut source.sessions).enumerate() {
            let session = (way.watching && way.in_session(now, limit)).then_some(way.epoch);
            if *known != session {
                source.rounds.down(endpoint, self.members[endpoint].clone());
                if session.is_some() {
                    source.rounds.up(endpoint);
                    source.rounds.watching(endpoint, true);
                }
                *known = session;
            }
        }
    }

    /// A session has ended, and the daemon learns it at once.
    pub fn lose_session(&mut self, host: usize) {
        if self.hosts[host].runs() {
            self.check_sessions(host);
            self.set_tick(host);
        }
    }

    /// The path is free again. A short silence only delays, a long one ends the session.
    pub fn heal(&mut self, host: usize, path: usize) {
        let (now, limit) = (self.now, self.setup.call_limit());
        let way = &mut self.hosts[host].paths[path];
        let parked = std::mem::take(&mut way.parked);
        if now < way.since.saturating_add(limit) && !way.reopening {
            // TCP retransmits in order.
            let mut at = now + self.latency.moment(900 * MILLI);
            for item in parked {
                at += self.latency.moment(200);
                self.queue.put(at, item);
            }
            return;
        }
        self.reopen(host, path);
    }

    /// Ends the session, and opens a new one later.
    pub fn reopen(&mut self, host: usize, path: usize) {
        let way = &mut self.hosts[host].paths[path];
        way.parked.clear();
        way.epoch += 1;
        way.reopening = true;
        way.watching = false;
        way.last_event = 0;
        let epoch = way.epoch;
        self.lose_session(host);
        let pace = self.latency.moment(LONGEST_PACE);
        self.queue.put(self.now + pace, Item::Reopen { host: host as u8, path: path as u8, epoch });
    }

    pub fn reopened(&mut self, host: usize, path: u8, epoch: u32) {
        let here = &mut self.hosts[host];
        let way = &mut here.paths[path as usize];
        if way.epoch != epoch || !way.reopening {
            return;
        }
        if way.blocked() {
            // The attempt fails. Removing the last obstacle makes a new one.
            way.reopening = false;
            way.since = 0;
            return;
        }
        if here.daemon.as_ref().is_some_and(|daemon| daemon.frozen) {
            // The process is stopped, so it is tried again later.
            self.queue.put(self.now + 500 * MILLI, Item::Reopen { host: host as u8, path, epoch });
            return;
        }
        way.reopening = false;
        if here.daemon.is_some() && here.pause.is_none() {
            self.ask(host, path, Purpose::First, None);
            if self.latency.one_in(3) {
                // The watch begins a little early and repeats an event.
                let (holder, revision) = (self.store.holder(), self.store.revision);
                let lag = self.latency.event_lag();
                self.send_event(host, path as usize, lag, holder, revision, true);
            }
        }
        self.touch(host, 0);
    }
}

const LONGEST_PACE: Micros = 1_500 * MILLI;
