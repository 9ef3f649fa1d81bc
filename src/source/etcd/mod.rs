//! The leader keys in etcd v3.
//!
//! # What it costs
//! With each read one transaction for each 128 keys; and a question for a lease of keys that name us, unless an earlier
//! answer proves that it has enough left. For each endpoint one request for a sign of life in five intervals, or, at a
//! pace that grows while everything is quiet, one for all endpoints together in four of the longest pauses.

mod claim;
mod client;
mod context;
mod error;
mod inspect;
mod read;
mod session;
mod watch;

pub(crate) use inspect::inspect;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use self::client::EtcdConnector;
use self::context::Memory;
use self::session::{Connector, tls_settings};
use super::engine::Settings;
use super::keys::Keys;
use super::secrets::Secrets;
use crate::config::model::{Endpoint, StoreConfig};
use crate::transport::dial::Dialer;

/// The endpoints by their names.
pub(super) fn connectors(config: &StoreConfig, settings: Settings, keys: &Arc<Keys>) -> Vec<(Arc<str>, EtcdConnector)> {
    let tls = tls_settings(config);
    let memory = Arc::new(Memory::new(keys.all().len(), config.endpoints.len()));
    let told_needless = Arc::new(AtomicBool::new(false));
    let connector = |(index, endpoint): (usize, &Endpoint)| {
        let name: Arc<str> = endpoint.to_string().into();
        let session = Connector {
            name: Arc::clone(&name),
            dialer: Dialer::new(endpoint.clone(), Arc::clone(&tls)),
            tls: endpoint.tls.then(|| Arc::clone(&tls)),
            login: config.login.clone(),
            passwords: Secrets::new(config.names.password_file),
            limit: settings.call_limit,
            told_needless: Arc::clone(&told_needless),
        };
        let (keys, memory) = (Arc::clone(keys), Arc::clone(&memory));
        (name, EtcdConnector { endpoint: index, session, keys, memory, clock: settings.clock, generation: 0 })
    };
    config.endpoints.iter().enumerate().map(connector).collect()
}
