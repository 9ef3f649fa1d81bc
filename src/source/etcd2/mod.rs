//! The leader keys in the v2 API of etcd, which is a store of its own beside v3: what Patroni's section `etcd:` uses.
//!
//! Reads are quorum reads, so each is a proposal in etcd's log; one request per key. Changes come by a wait per key and
//! endpoint. Patroni writes its key anew once per loop, so a wait ends that often. Only the last thousand events of the
//! whole store are kept: a wait that comes too late begins with a read.

pub mod answer;
mod bound;
mod claim;
mod client;
mod context;
mod inspect;
mod poll;
mod reach;

pub(crate) use inspect::inspect;

use std::sync::Arc;

use self::client::Etcd2Connector;
use self::context::Shared;
use self::reach::reach;
use super::engine::Settings;
use super::http::HttpEndpoint;
use super::keys::Keys;
use crate::config::model::{Endpoint, StoreConfig};

/// The endpoints by their names.
pub(super) fn connectors(
    config: &StoreConfig,
    settings: Settings,
    keys: &Arc<Keys>,
) -> Vec<(Arc<str>, Etcd2Connector)> {
    let reach = reach(config, settings.call_limit, settings.clock);
    let shared = Arc::new(Shared::new(Arc::clone(keys), config.endpoints.len(), settings.clock));
    let connector = |(index, endpoint): (usize, &Endpoint)| {
        let endpoint = HttpEndpoint::new(reach(endpoint.clone()));
        (endpoint.name(), Etcd2Connector { index, endpoint, shared: Arc::clone(&shared) })
    };
    config.endpoints.iter().enumerate().map(connector).collect()
}
