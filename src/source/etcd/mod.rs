//! The leader keys in etcd v3.
//!
//! # What it costs
//! In each interval one transaction for each 128 keys, and one question for each different lease of keys that name us; for
//! each endpoint one request for a sign of life in five intervals.

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
use self::session::Connector;
use super::engine::Settings;
use super::keys::Keys;
use crate::config::model::EtcdConfig;
use crate::transport::dial::Dialer;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};

/// The endpoints by their names.
pub(super) fn connectors(config: &EtcdConfig, settings: Settings, keys: &Arc<Keys>) -> Vec<(Arc<str>, EtcdConnector)> {
    let tls = tls_settings(config);
    let memory = Arc::new(Memory::new(keys.all().len()));
    let told_needless = Arc::new(AtomicBool::new(false));
    let connector = |endpoint: &crate::config::model::Endpoint| {
        let name: Arc<str> = endpoint.to_string().into();
        let session = Connector {
            name: Arc::clone(&name),
            dialer: Dialer::new(endpoint.clone(), Arc::clone(&tls)),
            tls: endpoint.tls.then(|| Arc::clone(&tls)),
            login: config.login.clone(),
            limit: settings.call_limit,
            told_needless: Arc::clone(&told_needless),
        };
        let (keys, memory) = (Arc::clone(keys), Arc::clone(&memory));
        (name, EtcdConnector { session, keys, memory, clock: settings.clock, generation: 0 })
    };
    config.endpoints.iter().map(connector).collect()
}

/// The settings of TLS, with the names of their options.
fn tls_settings(config: &EtcdConfig) -> Arc<TlsSettings> {
    let files = TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names: &NAMES };
    Arc::new(TlsSettings::new(files))
}

const NAMES: OptionNames = OptionNames {
    store: "etcd",
    endpoints: "dcs-endpoints",
    ca: "etcd-ca-file",
    certificate: "etcd-cert-file",
    key: "etcd-key-file",
};
