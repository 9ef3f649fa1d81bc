//! The leader keys in Consul.
//!
//! # Reads
//! `?consistent`: the leader of Consul verifies with a quorum that it still is one. The default mode may be stale by a
//! leader's lease. One request per key, through the agent or server that the endpoint is.
//!
//! # Changes
//! A blocking query per key and endpoint. It waits ten seconds at most: a store that was restored from a backup counts
//! from a lower index, and a query for a higher one would wait in silence.
//!
//! # The bound
//! Consul does not tell what a session has left; `bound.rs` computes it from Patroni's settings and from what the
//! session hangs on. Both are asked beside the reads, of keys that name us; what is not known yet is taken for the worst.
//! A claim bounds it instead, by the lock-delay of a session of our own: see `claim.rs`.

pub mod answer;
mod bound;
mod claim;
mod client;
mod context;
mod inspect;
mod learning;
mod lock;
mod poll;
mod reach;
mod sessions;

pub(crate) use inspect::inspect;

use std::sync::Arc;
use std::time::Duration;

use self::client::ConsulConnector;
use self::learning::Shared;
use self::reach::{parameters, reach};
use super::engine::Settings;
use super::http::HttpEndpoint;
use super::keys::Keys;
use crate::config::model::{Endpoint, StoreConfig};
use crate::pace::Pace;

/// The endpoints by their names.
pub(super) fn connectors(
    config: &StoreConfig,
    settings: Settings,
    keys: &Arc<Keys>,
) -> Vec<(Arc<str>, ConsulConnector)> {
    let reach = reach(config, settings.call_limit, settings.clock);
    let shared = Arc::new(Shared::new(Arc::clone(keys), parameters(&config.location), settings.clock));
    let connector = |endpoint: &Endpoint| {
        let endpoint = HttpEndpoint::new(reach(endpoint.clone()));
        (endpoint.name(), ConsulConnector { endpoint, shared: Arc::clone(&shared) })
    };
    config.endpoints.iter().map(connector).collect()
}

/// Reads more often than the interval says: what a lock hangs on may leave no more than two and a half seconds.
pub(super) fn quick(settings: Settings) -> Settings {
    let pace = Pace { full: settings.pace.full.min(LONGEST_INTERVAL), ..settings.pace };
    Settings { pace, ..settings }
}

const LONGEST_INTERVAL: Duration = Duration::from_millis(500);
