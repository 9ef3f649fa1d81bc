//! The leader that Patroni keeps in the annotations of a ConfigMap or of Endpoints.
//!
//! # What it costs
//! In each interval one list of one object for each different trigger-key, and a connection with a watch for each. A
//! renewal of Patroni wakes the watch and is followed by a list. A claim costs a write every fifth of its time to live on
//! the holder, and two reads in that time elsewhere.
//!
//! What bounds the leader's tenure is in [`record`].

pub mod kubeconfig;
pub mod lease;
pub mod object;
pub mod path;
pub mod record;

#[cfg(feature = "daemon")]
mod access;
#[cfg(feature = "daemon")]
mod claim;
#[cfg(feature = "daemon")]
mod client;
#[cfg(feature = "daemon")]
mod inspect;
#[cfg(feature = "daemon")]
mod refusal;
#[cfg(feature = "daemon")]
mod requests;
#[cfg(feature = "daemon")]
mod session;
#[cfg(feature = "daemon")]
mod watch;

#[cfg(feature = "daemon")]
pub(crate) use self::inspect::inspect;
#[cfg(feature = "daemon")]
use {
    self::access::Means, self::client::KubernetesConnector, self::session::Histories, super::engine::Settings,
    super::keys::Keys, crate::clock, crate::config::model::StoreConfig, std::sync::Arc,
};

/// The API servers by their names.
#[cfg(feature = "daemon")]
pub(super) fn connectors(
    config: &StoreConfig,
    settings: Settings,
    keys: &Arc<Keys>,
) -> Vec<(Arc<str>, KubernetesConnector)> {
    let histories = Arc::new(Histories::new(keys.all().len()));
    let means = Means { limit: settings.call_limit, clock: settings.clock };
    let connector = |(name, server)| {
        let (keys, histories) = (Arc::clone(keys), Arc::clone(&histories));
        (name, KubernetesConnector { server, keys, histories, wall_clock: clock::wall_time, reached: None })
    };
    access::servers(config, means).into_iter().map(connector).collect()
}
