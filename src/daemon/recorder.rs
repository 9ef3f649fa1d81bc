//! The daemon's memory of what happened: history and counters, fed by notes and reports, kept through reloads.

use std::collections::{BTreeMap, BTreeSet};

use super::vips::ManagedVip;
use crate::clock;
use crate::config::{Config, VipConfig};
use crate::keeper::Note;
use crate::source::Report;
use crate::status::counters::Place;
use crate::status::history::{self, History};
use crate::status::{Counters, Tally, Transition};
use crate::time::WallTime;

#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) started: WallTime,
    pub(super) history: History,
    pub(super) counters: Counters,
    /// The state that each VIP was last told to be in.
    told: BTreeMap<Place, &'static str>,
}

impl Recorder {
    pub(super) fn new(started: WallTime) -> Self {
        Self { started, history: History::default(), counters: Counters::default(), told: BTreeMap::new() }
    }

    /// Takes a note in, with the line that was made of it.
    pub(super) fn note(&mut self, vip: &ManagedVip, note: &Note, line: String) {
        let Some(told) = history::told(note, vip.keeper.state().name()) else { return };
        let place = place(&vip.config);
        let from = self.told.insert(place.clone(), told.to).unwrap_or_else(|| history::origin(&told));
        let mut tally = Tally { conflicts: u64::from(matches!(note, Note::Contested { .. })), ..Tally::default() };
        tally.transitions.insert((told.to, told.cause), 1);
        self.counters.absorb(place.clone(), tally);
        let (vip, interface) = place;
        self.history.push(Transition {
            number: 0,
            at: clock::wall_time(),
            vip,
            interface,
            from,
            to: told.to,
            cause: told.cause,
            reason: line,
            source: told.source,
            took: told.took,
        });
    }

    pub(super) fn report(&mut self, report: &Report) {
        match report {
            Report::Read(reads) => {
                if let Some((_, first)) = reads.first() {
                    self.counters.reads.observe(first.answered_at.since(first.sent_at));
                }
            }
            Report::Changed(_) => {}
            Report::Unreachable { .. } => self.counters.unreachable += 1,
        }
    }

    pub(super) fn absorb(&mut self, vip: &mut ManagedVip) {
        self.counters.absorb(place(&vip.config), std::mem::take(&mut vip.tally));
    }

    /// Counts a reload, and forgets what is counted for VIPs and members that there are no more.
    pub(super) fn reloaded(&mut self, config: &Config) {
        self.counters.reloads += 1;
        let places: BTreeSet<_> = config.vips.iter().map(place).collect();
        self.counters.vips.retain(|place, _| places.contains(place));
        self.told.retain(|place, _| places.contains(place));
        let endpoints: BTreeSet<_> = config.etcd.endpoints.iter().map(ToString::to_string).collect();
        self.counters.errors.retain(|error, _| endpoints.contains(&*error.endpoint));
    }
}

fn place(vip: &VipConfig) -> Place {
    (vip.vip.to_string(), vip.interface.to_string())
}
