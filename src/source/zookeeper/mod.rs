//! The leader keys in ZooKeeper.
//!
//! # How a key is read
//! `sync` and `getData` would not do: `sync` asks the leader of the ensemble, which answers for some ten seconds after it
//! has lost its quorum. A transaction that only checks the leader key needs a quorum, and the read behind it in the same
//! session sees at least its state. It costs the ensemble a write, so it is only sent for keys that name this host. Other
//! keys are read with `sync`, which can only err towards "not ours"; if the key names this host all the same, it is read
//! again behind a transaction before that counts.
//!
//! # What bounds the leader's tenure
//! The leader key is an ephemeral znode of Patroni's session. ZooKeeper tells nobody how much of a session is left, so
//! the bound is computed from Patroni's settings, which are in the same store; see `tenure.rs`.
//!
//! # Claims
//! A claim is an ephemeral znode of a session of its own, which is moved between the servers; see `claim.rs` and
//! `claim_session.rs`.
//!
//! # Watches
//! A watch tells that a znode has changed and ends with that; it tells neither value nor version. What it says is followed
//! by a read that sets the next watch, and that read is reported as the event. Each server tells of a change; the first is
//! asked at once, and the others a little later, since their load would delay it.

mod claim;
mod claim_preparation;
mod claim_session;
mod client;
mod connection;
mod context;
mod error;
pub(super) mod exhibitor;
mod heard;
mod inspect;
mod read;
mod session;
mod tenure;
mod watch;

pub(crate) use inspect::{inspect, inspect_by_exhibitor};

use std::sync::Arc;

use self::client::ZookeeperConnector;
use self::context::Memory;
use self::session::Opener;
use super::engine::Settings;
use super::keys::Keys;
use crate::config::model::{Endpoint, StoreConfig};

/// The endpoints by their names.
pub(super) fn connectors(
    config: &StoreConfig,
    settings: Settings,
    keys: &Arc<Keys>,
) -> Vec<(Arc<str>, ZookeeperConnector)> {
    let memory = Arc::new(Memory::new(keys.all().len(), config.endpoints.len()));
    let tls = session::tls_settings(config);
    let connector = |(index, endpoint): (usize, &Endpoint)| {
        let opener = Arc::new(Opener::new(endpoint, config, &tls, settings.call_limit));
        let name = Arc::clone(&opener.name);
        let (keys, memory) = (Arc::clone(keys), Arc::clone(&memory));
        let root = config.root.clone().unwrap_or_default().into();
        (name, ZookeeperConnector { endpoint: index, opener, root, keys, memory, clock: settings.clock, generation: 0 })
    };
    config.endpoints.iter().enumerate().map(connector).collect()
}
