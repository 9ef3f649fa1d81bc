//! Learns what the cluster says about the leader keys, and reports it without judging it.
//!
//! A source reports the answers to linearizable reads, the changes that a watch saw, and that nobody answers. It makes sure
//! that every change is followed by a read, and that a read is tried every interval; what follows is for the keeper to decide.
//!
//! One engine serves all stores. A store brings a folder of its own with a `Connector`, a `Client` and its `Events`, and a row
//! in the `match` of `with_connectors` and of `inspect`.

pub mod claim;
mod claim_value;
pub mod facts;
pub mod kubernetes;
pub mod need;
pub mod patroni;
pub mod proof;
mod report;
pub mod rounds;

#[cfg(feature = "daemon")]
mod claim_inspection;
#[cfg(feature = "daemon")]
mod claims;
#[cfg(feature = "daemon")]
mod client;
#[cfg(feature = "daemon")]
mod clusters;
#[cfg(feature = "daemon")]
pub mod consul;
#[cfg(feature = "daemon")]
mod endpoints;
#[cfg(feature = "daemon")]
mod engine;
#[cfg(feature = "daemon")]
mod etcd;
#[cfg(feature = "daemon")]
pub mod etcd2;
#[cfg(feature = "daemon")]
mod http;
#[cfg(feature = "daemon")]
mod keys;
#[cfg(feature = "daemon")]
mod member;
#[cfg(feature = "daemon")]
mod membership;
#[cfg(feature = "daemon")]
mod reader;
#[cfg(feature = "daemon")]
mod secrets;
#[cfg(feature = "daemon")]
mod session;
#[cfg(feature = "daemon")]
mod states;
#[cfg(feature = "daemon")]
#[cfg(test)]
mod tests;
#[cfg(feature = "daemon")]
mod zookeeper;

#[cfg(feature = "daemon")]
use std::{sync::Arc, time::Duration};

#[cfg(feature = "daemon")]
use crate::config::model::SourceConfig;
#[cfg(feature = "daemon")]
use crate::time::Clock;
pub use report::{ClaimIndex, ClaimSpec, KeyIndex, Report, Watched};

#[cfg(feature = "daemon")]
pub use crate::endpoint::{EndpointLink, EndpointState};
#[cfg(feature = "daemon")]
pub use engine::{Settings, Source};

/// Starts to read and watch. Must be called within a tokio runtime.
#[cfg(feature = "daemon")]
pub fn start(config: &SourceConfig, settings: Settings, watched: Vec<Watched>, claims: Vec<ClaimSpec>) -> Source {
    with_connectors(config, settings, watched, claims, engine::Start)
}

#[cfg(feature = "daemon")]
fn with_connectors<U: engine::Use>(
    config: &SourceConfig,
    settings: Settings,
    watched: Vec<Watched>,
    claims: Vec<ClaimSpec>,
    to: U,
) -> U::Outcome {
    let keys = Arc::new(keys::Keys::new(watched).with_claims(claims));
    match config {
        SourceConfig::Etcd(config) => to.run(settings, keys.clone(), etcd::connectors(config, settings, &keys)),
        SourceConfig::Patroni(config) => {
            let settings = patroni::settings(settings);
            to.run(settings, keys.clone(), patroni::connectors(config, settings, &keys))
        }
        SourceConfig::Zookeeper(config) => {
            to.run(settings, keys.clone(), zookeeper::connectors(config, settings, &keys))
        }
        SourceConfig::Etcd2(config) => to.run(settings, keys.clone(), etcd2::connectors(config, settings, &keys)),
        SourceConfig::Consul(config) => {
            let settings = consul::quick(settings);
            to.run(settings, keys.clone(), consul::connectors(config, settings, &keys))
        }
        SourceConfig::Exhibitor(config) => {
            to.run(settings, keys.clone(), zookeeper::exhibitor::connectors(config, settings, &keys))
        }
        SourceConfig::Kubernetes(config) => {
            to.run(settings, keys.clone(), kubernetes::connectors(config, settings, &keys))
        }
    }
}

/// Asks who has each claim, and whether this host may claim. It returns within about twice the limit of a call.
#[cfg(feature = "daemon")]
pub(crate) async fn inspect_claims(
    config: &SourceConfig,
    settings: Settings,
    watched: Vec<Watched>,
    claims: Vec<ClaimSpec>,
) -> Vec<facts::ClaimFacts> {
    with_connectors(config, settings, watched, claims, claim_inspection::Inspect).await
}

/// Inspects all endpoints at once, in their order. It returns within about three times `limit`, whatever they do.
#[cfg(feature = "daemon")]
pub(crate) async fn inspect(
    config: &SourceConfig,
    keys: &[String],
    limit: Duration,
    clock: Clock,
) -> Vec<facts::Inspection> {
    match config {
        SourceConfig::Etcd(config) => etcd::inspect(config, keys, limit, clock).await,
        SourceConfig::Patroni(config) => patroni::inspect(config, keys, limit, clock).await,
        SourceConfig::Zookeeper(config) => zookeeper::inspect(config, keys, limit, clock).await,
        SourceConfig::Etcd2(config) => etcd2::inspect(config, keys, limit, clock).await,
        SourceConfig::Consul(config) => consul::inspect(config, keys, limit, clock).await,
        SourceConfig::Exhibitor(config) => zookeeper::inspect_by_exhibitor(config, keys, limit, clock).await,
        SourceConfig::Kubernetes(config) => kubernetes::inspect(config, keys, limit, clock).await,
    }
}
