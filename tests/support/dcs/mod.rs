//! The store of a Patroni cluster, whichever it is: its servers, Patroni's lock in it, and the daemon's configuration.

mod by_hand;
mod claims;
mod consul;
mod etcd2;
mod http;
mod kubernetes;
pub(crate) mod lock;
mod servers;
mod zookeeper;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use self::consul::ConsulLock;
use self::etcd2::Etcd2Lock;
use self::kubernetes::KubernetesLock;
use self::lock::EtcdLock;
use self::zookeeper::ZookeeperLock;
use super::consul::{self as consul_servers, Agent, Consul};
use super::daemon::ConfigFile;
use super::etcd::{self, Cluster, ClusterOptions};
use super::host::{Host, INTERFACE, VIP};
use super::kubernetes::Kubernetes;
use super::lab::Lab;
use super::patroni::LockMaker;
use super::zookeeper::Ensemble;

/// How many servers a store has, where it can have several.
const SERVERS: usize = 3;
/// How many agents of Consul run on the database hosts. Each knows all others, and the kernel's table of neighbours is
/// one for all labs.
const AGENTS: usize = 6;
/// How many hosts have the agents where there are more database hosts.
const SHARED_AGENTS: usize = 2;

/// What Patroni keeps its lock in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum DcsKind {
    Etcd,
    Etcd2,
    Consul,
    Zookeeper,
    Kubernetes,
    /// etcd; the daemons ask their host's Patroni.
    Rest,
}

impl DcsKind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Etcd, Self::Etcd2, Self::Consul, Self::Zookeeper, Self::Kubernetes, Self::Rest];

    /// Its `dcs-type`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Etcd2 => "etcd2",
            Self::Consul => "consul",
            Self::Zookeeper => "zookeeper",
            Self::Kubernetes => "kubernetes",
            Self::Rest => "patroni",
        }
    }
}

/// The settings of a Patroni cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) ttl: Duration,
    pub(crate) loop_wait: Duration,
    pub(crate) retry_timeout: Duration,
}

/// A store that runs.
#[derive(Debug)]
pub(crate) enum Dcs {
    Etcd(Cluster),
    Etcd2(Cluster),
    /// With an agent on each database host, as Consul's users have it.
    Consul {
        consul: Consul,
        agents: Vec<Agent>,
    },
    Zookeeper(Ensemble),
    Kubernetes(Box<Kubernetes>),
    Rest(Cluster),
}

impl Dcs {
    /// Starts the servers on hosts of their own.
    pub(crate) fn start(lab: &Lab, kind: DcsKind, databases: &[Host]) -> Self {
        let etcd = |arguments: &[&str]| {
            let arguments = arguments.iter().map(ToString::to_string).collect();
            Cluster::start_with(lab, &ClusterOptions { members: SERVERS, arguments, ..ClusterOptions::default() })
        };
        match kind {
            DcsKind::Etcd => Self::Etcd(etcd(&[])),
            DcsKind::Etcd2 => Self::Etcd2(etcd(&["--enable-v2"])),
            DcsKind::Consul => {
                let consul = Consul::start(lab, SERVERS);
                let hosts = if databases.len() <= AGENTS {
                    databases.to_vec()
                } else {
                    (1..=SHARED_AGENTS).map(|number| lab.host(&format!("agent{number}"))).collect()
                };
                let agents = hosts.iter().map(|host| consul.client(host)).collect();
                Self::Consul { consul, agents }
            }
            DcsKind::Zookeeper => Self::Zookeeper(Ensemble::start(lab, SERVERS)),
            DcsKind::Kubernetes => {
                let kubernetes = Kubernetes::start_bare(lab);
                kubernetes.allow_everything();
                Self::Kubernetes(Box::new(kubernetes))
            }
            DcsKind::Rest => Self::Rest(etcd(&[])),
        }
    }

    /// The leader key of a cluster as the daemon's configuration takes it.
    pub(crate) fn key(&self, scope: &str) -> String {
        match self {
            Self::Etcd(_) | Self::Etcd2(_) | Self::Zookeeper(_) => format!("/service/{scope}/leader"),
            Self::Consul { .. } => format!("service/{scope}/leader"),
            Self::Kubernetes(_) => format!("pg/configmaps/{scope}-leader"),
            Self::Rest(_) => "/leader".to_owned(),
        }
    }

    /// The configuration of a daemon for this cluster.
    pub(crate) fn config(&self, host: &Host, scope: &str) -> ConfigFile {
        let config = match self {
            Self::Etcd(cluster) => ConfigFile::basic(host, cluster),
            Self::Etcd2(cluster) => ConfigFile::of_store(host, "etcd2", &cluster.endpoints()),
            Self::Consul { consul, .. } => ConfigFile::of_store(host, "consul", &consul.endpoints()),
            Self::Zookeeper(ensemble) => ConfigFile::of_store(host, "zookeeper", &ensemble.endpoints()),
            Self::Kubernetes(kubernetes) => kubernetes.config(host),
            Self::Rest(_) => {
                ConfigFile::bare().with("ip", VIP).with("interface", INTERFACE).with("dcs-type", "patroni")
            }
        };
        config.with("trigger-key", self.key(scope))
    }

    /// Writes Patroni's settings beside the leader key, where the daemon looks for them.
    pub(crate) fn tell(&self, scope: &str, settings: &Settings) {
        let text = json!({
            "ttl": settings.ttl.as_secs(),
            "loop_wait": settings.loop_wait.as_secs(),
            "retry_timeout": settings.retry_timeout.as_secs(),
        })
        .to_string();
        match self {
            Self::Etcd(_) | Self::Etcd2(_) | Self::Kubernetes(_) | Self::Rest(_) => {}
            Self::Consul { consul, .. } => consul.put(&format!("service/{scope}/config"), &text),
            Self::Zookeeper(ensemble) => {
                ensemble.session(0, settings.ttl).put(&format!("/service/{scope}/config"), &text);
            }
        }
    }

    /// The lock of the Patroni on a host.
    pub(crate) fn lock(&self, host: &Host, scope: &str, ttl: Duration) -> LockMaker {
        let (name, seconds) = (host.name().to_owned(), ttl.as_secs());
        let (key, lease) = (self.key(scope), seconds.cast_signed());
        match self {
            Self::Etcd(cluster) => etcd_lock(cluster, key, name, lease),
            Self::Rest(cluster) => etcd_lock(cluster, format!("/service/{scope}/leader"), name, lease),
            Self::Etcd2(cluster) => {
                let members = cluster.members.iter().map(|member| socket(&member.host, etcd::PORT)).collect();
                Box::new(move || Box::new(Etcd2Lock { members, key, name, ttl: lease }))
            }
            Self::Consul { agents, .. } => {
                let own = agents.iter().find(|agent| agent.host.name() == host.name());
                let shared = || &agents[usize::from(host.v4().octets()[3]) % agents.len()];
                let agent = socket(&own.unwrap_or_else(shared).host, consul_servers::PORT);
                Box::new(move || Box::new(ConsulLock { agent, key, name, ttl: lease, session: None }))
            }
            Self::Zookeeper(ensemble) => {
                let mut servers: Vec<_> = (0..SERVERS).map(|place| ensemble.address(place)).collect();
                // Not all Patronis ask the same one.
                servers.rotate_left(usize::from(host.v4().octets()[3]) % SERVERS);
                Box::new(move || Box::new(ZookeeperLock { servers, key, name, ttl, line: None }))
            }
            Self::Kubernetes(kubernetes) => {
                let client = kubernetes.client_on(host);
                Box::new(move || Box::new(KubernetesLock { client, key, name, ttl: seconds, seen: None }))
            }
        }
    }
}

fn etcd_lock(cluster: &Cluster, key: String, name: String, ttl: i64) -> LockMaker {
    let (endpoints, user) = (cluster.plain_endpoints(), cluster.user());
    Box::new(move || Box::new(EtcdLock::new(endpoints, user, &key, &name, ttl)))
}

fn socket(host: &Host, port: u16) -> SocketAddr {
    (host.v4(), port).into()
}
