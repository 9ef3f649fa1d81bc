//! The stores that Patroni can keep its lock in: how each is started, and what Patroni's file says about it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use serde_json::json;

use crate::support::consul::{Agent, Consul};
use crate::support::etcd::{self, Cluster, ClusterOptions};
use crate::support::host::{Host, VIP};
use crate::support::kubernetes::{self, Kubernetes};
use crate::support::lab::Lab;
use crate::support::zookeeper::Ensemble;

/// How many servers a store has.
const SERVERS: usize = 3;

/// What Patroni keeps its lock in, and whom the daemons ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Kind {
    #[default]
    Etcd3,
    /// The v2 API of etcd.
    Etcd2,
    Consul,
    ZooKeeper,
    /// ConfigMaps of a real kube-apiserver.
    Kubernetes,
    /// etcd; the daemons ask their host's Patroni.
    Rest,
}

/// The servers of a store.
#[derive(Debug)]
pub(crate) enum Store {
    Etcd(Cluster),
    /// With an agent on each database host, as Consul's users have it.
    Consul {
        consul: Consul,
        _agents: Vec<Agent>,
    },
    ZooKeeper(Ensemble),
    Kubernetes(Box<Kubernetes>),
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Etcd3 | Self::Etcd2 | Self::Consul | Self::ZooKeeper | Self::Kubernetes => self.section(),
        }
    }

    /// What the daemon's file says besides the VIP, the interface and Patroni's file.
    pub(crate) const fn line(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Etcd3 | Self::Etcd2 | Self::Consul | Self::ZooKeeper | Self::Kubernetes => None,
            Self::Rest => Some(("dcs-type", "patroni")),
        }
    }

    /// The section of Patroni's file.
    const fn section(self) -> &'static str {
        match self {
            Self::Etcd3 | Self::Rest => "etcd3",
            Self::Etcd2 => "etcd",
            Self::Consul => "consul",
            Self::ZooKeeper => "zookeeper",
            Self::Kubernetes => "kubernetes",
        }
    }

    /// Patroni's scope, which names objects in Kubernetes; else it is part of [`KEY`](crate::support::daemon::KEY).
    pub(crate) const fn scope(self) -> &'static str {
        match self {
            Self::Kubernetes => "pg-cluster",
            Self::Etcd3 | Self::Etcd2 | Self::Consul | Self::ZooKeeper | Self::Rest => "pg_cluster",
        }
    }
}

impl Store {
    /// Starts servers on hosts of their own.
    pub(crate) fn start(lab: &Lab, kind: Kind, databases: &[Host]) -> Self {
        match kind {
            Kind::Etcd3 | Kind::Rest => {
                Self::Etcd(Cluster::start_with(lab, &ClusterOptions { members: SERVERS, ..ClusterOptions::default() }))
            }
            Kind::Etcd2 => {
                let arguments = vec!["--enable-v2".into()];
                let options = ClusterOptions { members: SERVERS, arguments, ..ClusterOptions::default() };
                Self::Etcd(Cluster::start_with(lab, &options))
            }
            Kind::Consul => {
                let consul = Consul::start(lab, SERVERS);
                let agents = databases.iter().map(|host| consul.client(host)).collect();
                Self::Consul { consul, _agents: agents }
            }
            Kind::ZooKeeper => Self::ZooKeeper(Ensemble::start(lab, SERVERS)),
            Kind::Kubernetes => Self::Kubernetes(Box::new(start_kubernetes(lab, kind, databases))),
        }
    }

    /// What Patroni's file says about the store.
    pub(crate) fn section(&self, kind: Kind) -> String {
        let of_hosts = |hosts: Vec<String>| {
            let quoted: Vec<String> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
            format!("{}:\n  hosts: [{}]\n", kind.section(), quoted.join(", "))
        };
        match self {
            Self::Etcd(cluster) => of_hosts(cluster.members.iter().map(etcd::Member::client_address).collect()),
            Self::Consul { .. } => "consul:\n  host: 127.0.0.1:8500\n".to_owned(),
            Self::ZooKeeper(ensemble) => of_hosts(ensemble.endpoints()),
            Self::Kubernetes(_) => {
                "kubernetes:\n  namespace: pg\n  context: lab\n  labels: {application: patroni}\n".to_owned()
            }
        }
    }

    /// Kills all servers at once, starts them again with their data, and waits until they serve.
    pub(crate) fn crash_and_restart(&mut self) {
        match self {
            Self::Etcd(cluster) => {
                cluster.members.iter_mut().for_each(etcd::Member::kill);
                cluster.members.iter_mut().for_each(etcd::Member::restart);
                cluster.wait_healthy();
            }
            Self::Consul { consul, .. } => {
                consul.servers.iter_mut().for_each(Agent::kill);
                consul.servers.iter_mut().for_each(Agent::restart);
                consul.leader();
            }
            Self::ZooKeeper(ensemble) => {
                ensemble.servers.iter_mut().for_each(crate::support::zookeeper::Server::kill);
                ensemble.servers.iter_mut().for_each(crate::support::zookeeper::Server::restart);
                for place in 0..SERVERS {
                    ensemble.wait_serving(place);
                }
            }
            Self::Kubernetes(kubernetes) => {
                kubernetes.kill();
                kubernetes.restart();
            }
        }
    }

    /// The value of the VIP's claim and the version that created it, where the store is etcd or Consul.
    pub(crate) fn claim(&self) -> Option<(String, i64)> {
        let key = format!("service/pg_cluster/vip/{VIP}");
        match self {
            Self::Etcd(cluster) => {
                cluster.store().get(&format!("/{key}")).map(|entry| (entry.value, entry.mod_revision))
            }
            Self::Consul { consul, .. } => {
                let claim = consul.get(&key)?;
                let value = STANDARD.decode(claim["Value"].as_str()?).ok()?;
                Some((String::from_utf8(value).ok()?, claim["ModifyIndex"].as_i64()?))
            }
            Self::ZooKeeper(_) | Self::Kubernetes(_) => None,
        }
    }

    /// The members of etcd, where that is the store.
    #[track_caller]
    pub(crate) fn etcd(&self) -> &Cluster {
        match self {
            Self::Etcd(cluster) => cluster,
            Self::Consul { .. } | Self::ZooKeeper(_) | Self::Kubernetes(_) => panic!("the store is not etcd: {self:?}"),
        }
    }
}

/// Patroni keeps what it says of a host in that host's pod, which has to be there.
fn start_kubernetes(lab: &Lab, kind: Kind, databases: &[Host]) -> Kubernetes {
    assert!(kubernetes::is_real(), "KUBE_APISERVER must name a real kube-apiserver; `make cluster-test` builds one");
    let kubernetes = Kubernetes::start_bare(lab);
    kubernetes.admin_kubeconfig();
    for host in databases {
        let labels = json!({"application": "patroni", "cluster-name": kind.scope()});
        let spec = json!({"containers": [{"name": "postgres", "image": "postgres"}]});
        let pod = json!({"metadata": {"name": host.name(), "labels": labels}, "spec": spec});
        kubernetes.create("/api/v1/namespaces/pg/pods", pod);
    }
    kubernetes
}
