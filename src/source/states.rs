//! The state of every endpoint and the errors counted there, for whoever asks; and the log lines about it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::facts::SourceError;
use super::rounds::EndpointIndex;
use crate::endpoint::{EndpointLink, EndpointState};
use crate::time::Moment;

/// The table that the tasks write and the driver reads. Its lock is held for a few instructions and never over an await.
#[derive(Clone, Debug)]
pub(super) struct States {
    rows: Arc<Mutex<Vec<Row>>>,
    clock: fn() -> Moment,
}

#[derive(Debug)]
struct Row {
    state: EndpointState,
    errors: BTreeMap<&'static str, u64>,
}

impl States {
    pub(super) fn new(names: &[Arc<str>], clock: fn() -> Moment) -> Self {
        let since = clock();
        let row = |name: &Arc<str>| Row {
            state: EndpointState { endpoint: Arc::clone(name), link: EndpointLink::Connecting, since },
            errors: BTreeMap::new(),
        };
        Self { rows: Arc::new(Mutex::new(names.iter().map(row).collect())), clock }
    }

    pub(super) fn all(&self) -> Vec<EndpointState> {
        self.rows().iter().map(|row| row.state.clone()).collect()
    }

    pub(super) fn errors(&self) -> Vec<(SourceError, u64)> {
        let rows = self.rows();
        let counts = |row: &Row| {
            let endpoint = &row.state.endpoint;
            let count = |(&kind, &count)| (SourceError { endpoint: Arc::clone(endpoint), kind }, count);
            row.errors.iter().map(count).collect::<Vec<_>>()
        };
        rows.iter().flat_map(counts).collect()
    }

    pub(super) fn count_error(&self, endpoint: EndpointIndex, kind: &'static str) {
        *self.rows()[endpoint].errors.entry(kind).or_default() += 1;
    }

    fn link(&self, endpoint: EndpointIndex) -> EndpointLink {
        self.rows()[endpoint].state.link.clone()
    }

    fn set(&self, endpoint: EndpointIndex, link: EndpointLink) {
        let state = &mut self.rows()[endpoint].state;
        if state.link != link {
            // Another cause of the same outage does not make it younger.
            if !(state.link.is_down() && link.is_down()) {
                state.since = (self.clock)();
            }
            state.link = link;
        }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records and logs the changes of one endpoint: each change once, a steady state or a steady failure never.
#[derive(Debug)]
pub(super) struct StateReporter {
    states: States,
    endpoint: EndpointIndex,
    name: Arc<str>,
    /// The causes logged since the endpoint was last up. Two that alternate are logged once each.
    told: BTreeSet<Arc<str>>,
}

impl StateReporter {
    pub(super) const fn new(states: States, endpoint: EndpointIndex, name: Arc<str>) -> Self {
        Self { states, endpoint, name, told: BTreeSet::new() }
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn is_up(&self) -> bool {
        self.states.link(self.endpoint) == EndpointLink::Up
    }

    pub(super) fn up(&mut self) {
        let known = self.states.link(self.endpoint) != EndpointLink::Connecting;
        self.states.set(self.endpoint, EndpointLink::Up);
        if !std::mem::take(&mut self.told).is_empty() {
            tracing::info!(endpoint = %self.name, "endpoint answers again");
        } else if known {
            tracing::debug!(endpoint = %self.name, "endpoint has a new session");
        } else {
            tracing::debug!(endpoint = %self.name, "endpoint answers");
        }
    }

    pub(super) fn down(&mut self, why: &Arc<str>, routine: bool) {
        self.states.set(self.endpoint, EndpointLink::Down { why: Arc::clone(why) });
        if routine || self.told.contains(why) {
            tracing::debug!(endpoint = %self.name, "endpoint does not serve: {why}");
        } else {
            self.told.insert(Arc::clone(why));
            tracing::warn!(endpoint = %self.name, "endpoint does not serve: {why}");
        }
    }
}
