//! The stores, each with a file and a row in [`of`].

mod consul;
mod etcd;
mod etcd2;
mod kubernetes;
pub mod patroni;
mod zookeeper;

pub(crate) use self::etcd::Etcd;
pub(crate) use self::kubernetes::Kubernetes;
use self::patroni::Patroni;
use self::zookeeper::Zookeeper;

use super::store::Store;
use crate::config::model::SourceConfig;

/// The judgement of this store.
pub fn of(source: &SourceConfig) -> &'static dyn Store {
    match source {
        SourceConfig::Etcd(_) => &Etcd,
        SourceConfig::Kubernetes(_) => &Kubernetes,
        SourceConfig::Patroni(_) => &Patroni,
        SourceConfig::Zookeeper(_) | SourceConfig::Exhibitor(_) => &Zookeeper,
        SourceConfig::Etcd2(_) => &etcd2::Etcd2,
        SourceConfig::Consul(_) => &consul::Consul,
    }
}
