//! The daemon's memory of what happened: history and counters, fed by notes and reports, kept through reloads.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, VipConfig};
use crate::driver::{Announced, Message};
use crate::keeper::{Note, Outcome};
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
    pub(super) fn new(started: WallTime, config: &Config) -> Self {
        let mut recorder =
            Self { started, history: History::default(), counters: Counters::default(), told: BTreeMap::new() };
        recorder.show(config);
        recorder
    }

    /// Takes a note in, with the line that was made of it.
    pub(super) fn note(&mut self, vip: &VipConfig, state: &'static str, note: &Note, line: String, at: WallTime) {
        let Some(told) = history::told(note, state) else { return };
        let place = place(vip);
        let from = self.told.insert(place.clone(), told.to).unwrap_or_else(|| history::origin(&told));
        let mut tally = Tally { conflicts: u64::from(matches!(note, Note::Contested { .. })), ..Tally::default() };
        tally.transitions.insert((told.to, told.cause), 1);
        self.counters.absorb(place.clone(), tally);
        let (vip, interface) = place;
        self.history.push(Transition {
            number: 0,
            at,
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
            Report::Claim(..) | Report::Changed(_) | Report::Unreadable(_) => {}
            Report::Unreachable { .. } => self.counters.unreachable += 1,
        }
    }

    /// Counts what the host did.
    pub(super) fn count(&mut self, message: &Message) {
        let mut tally = Tally::default();
        let vip = match message {
            Message::Applied { vip, outcome, .. } => {
                match outcome {
                    Outcome::Held { .. } => tally.renewals = 1,
                    Outcome::Refused { .. } => tally.refusals = 1,
                    Outcome::Late | Outcome::Limited { .. } | Outcome::Released => return,
                }
                vip
            }
            Message::Announced { vip, result } => {
                match result {
                    Ok(Announced::From(_)) => tally.announcements = 1,
                    Ok(Announced::NoHardwareAddress) => return,
                    Err(_) => tally.announcement_failures = 1,
                }
                vip
            }
            Message::Refused { vip, count, .. } => {
                tally.refused_connections = *count;
                vip
            }
            Message::Note { .. }
            | Message::Claim { .. }
            | Message::RefuseFailed(_)
            | Message::Reset { .. }
            | Message::Misplaced { .. }
            | Message::Orphan { .. }
            | Message::DumpFailed(_)
            | Message::ListenFailed(_) => return,
        };
        self.counters.absorb(place(vip), tally);
    }

    /// Shows each VIP with its counters, even where nothing was counted yet.
    fn show(&mut self, config: &Config) {
        for vip in &config.vips {
            self.counters.absorb(place(vip), Tally::default());
        }
    }

    /// Counts a reload, and forgets what is counted for VIPs and members that there are no more.
    pub(super) fn reloaded(&mut self, config: &Config) {
        self.counters.reloads += 1;
        let places: BTreeSet<_> = config.vips.iter().map(place).collect();
        self.counters.vips.retain(|place, _| places.contains(place));
        self.told.retain(|place, _| places.contains(place));
        self.show(config);
        let endpoints = config.sources.iter().flat_map(|source| &source.store().endpoints);
        let endpoints: BTreeSet<_> = endpoints.map(ToString::to_string).collect();
        self.counters.errors.retain(|error, _| endpoints.contains(&*error.endpoint));
    }
}

pub(super) fn place(vip: &VipConfig) -> Place {
    (vip.vip.to_string(), vip.interface.to_string())
}
