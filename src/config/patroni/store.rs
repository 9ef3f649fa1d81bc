//! Which store Patroni uses.

use super::derivation::{Derivation, Section};
use crate::config::keys::Key;

/// A store as Patroni's configuration names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Store {
    Consul,
    Etcd,
    Etcd3,
    Exhibitor,
    Kubernetes,
    /// Nobody else can read it, so Patroni's REST API is asked.
    Raft,
    ZooKeeper,
}

impl<'a> Derivation<'a> {
    /// The store: the one that dcs-type names, or else the one that Patroni picks, the first in alphabetical order of those
    /// that it has a section for.
    pub(super) fn store(&mut self) -> Option<Store> {
        if let Some(setting) = self.beside.find(Key::DcsType) {
            let (_, stores) = WANTED.iter().find(|(name, _)| *name == setting.text().trim())?;
            return stores.iter().copied().find(|store| self.section(*store).is_some()).or(stores.first().copied());
        }
        let Some((store, section)) = PICKED.iter().find_map(|store| Some((*store, self.section(*store)?))) else {
            let text = "Patroni's configuration names no store; expected one of its sections consul, etcd, etcd3, \
                        exhibitor, kubernetes, raft or zookeeper, or dcs-type beside patroni-config";
            self.problem(self.place, text.to_owned());
            return None;
        };
        self.set(Key::DcsType, Key::DcsType.name(), section.place, [store.dcs_type().to_owned()]);
        Some(store)
    }

    /// The endpoints of this store, and how to be let in.
    pub(super) fn endpoints(&mut self, store: Store) {
        let Some(section) = self.section(store) else {
            if store == Store::Raft {
                self.rest();
            }
            return;
        };
        match store {
            Store::Consul => self.consul(section),
            Store::Etcd | Store::Etcd3 => self.etcd(section),
            Store::Exhibitor => self.exhibitor(section),
            Store::Kubernetes => self.kubernetes(section),
            Store::Raft => self.rest(),
            Store::ZooKeeper => self.zookeeper(section),
        }
    }

    /// The section of this store. Exhibitor's may be a part of ZooKeeper's, which then is none.
    pub(super) fn section(&self, store: Store) -> Option<Section<'a>> {
        let within = || Section::of(Section::of(self.root, "zookeeper")?.map, "exhibitor");
        match store {
            Store::Consul => Section::of(self.root, "consul"),
            Store::Etcd => Section::of(self.root, "etcd"),
            Store::Etcd3 => Section::of(self.root, "etcd3"),
            Store::Exhibitor => within().or_else(|| Section::of(self.root, "exhibitor")),
            Store::Kubernetes => Section::of(self.root, "kubernetes"),
            Store::Raft => Section::of(self.root, "raft"),
            Store::ZooKeeper => Section::of(self.root, "zookeeper").filter(|_| within().is_none()),
        }
    }
}

impl Store {
    /// Patroni's "etcd" is the old v2 store.
    const fn dcs_type(self) -> &'static str {
        match self {
            Self::Consul => "consul",
            Self::Etcd => "etcd2",
            Self::Etcd3 => "etcd3",
            Self::Exhibitor => "exhibitor",
            Self::Kubernetes => "kubernetes",
            Self::Raft => "patroni",
            Self::ZooKeeper => "zookeeper",
        }
    }
}

const PICKED: [Store; 7] =
    [Store::Consul, Store::Etcd, Store::Etcd3, Store::Exhibitor, Store::Kubernetes, Store::Raft, Store::ZooKeeper];
/// What the values of dcs-type take their endpoints from. The members of an etcd are the same for both of its stores.
const WANTED: [(&str, &[Store]); 8] = [
    ("consul", &[Store::Consul]),
    ("etcd", &[Store::Etcd3, Store::Etcd]),
    ("etcd3", &[Store::Etcd3, Store::Etcd]),
    ("etcd2", &[Store::Etcd, Store::Etcd3]),
    ("exhibitor", &[Store::Exhibitor]),
    ("kubernetes", &[Store::Kubernetes]),
    ("patroni", &[Store::Raft]),
    ("zookeeper", &[Store::ZooKeeper]),
];
