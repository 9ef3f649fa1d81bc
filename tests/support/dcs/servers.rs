//! What happens to the servers of a store, whichever it is.

use super::super::etcd::{self, Member};
use super::super::host::Host;
use super::super::{consul, kubernetes, zookeeper};
use super::Dcs;

impl Dcs {
    /// The hosts of the servers.
    pub(crate) fn servers(&self) -> Vec<&Host> {
        match self {
            Self::Etcd(cluster) | Self::Etcd2(cluster) | Self::Rest(cluster) => {
                cluster.members.iter().map(|member| &member.host).collect()
            }
            Self::Consul { consul, .. } => consul.servers.iter().map(|server| &server.host).collect(),
            Self::Zookeeper(ensemble) => ensemble.hosts(),
            Self::Kubernetes(kubernetes) => vec![&kubernetes.host],
        }
    }

    /// The daemon's port on the servers.
    pub(crate) const fn port(&self) -> u16 {
        match self {
            Self::Etcd(_) | Self::Etcd2(_) | Self::Rest(_) => etcd::PORT,
            Self::Consul { .. } => consul::PORT,
            Self::Zookeeper(_) => zookeeper::PORT,
            Self::Kubernetes(_) => kubernetes::PORT,
        }
    }

    /// The position of the server that leads.
    pub(crate) fn leader(&self) -> usize {
        match self {
            Self::Etcd(cluster) | Self::Etcd2(cluster) | Self::Rest(cluster) => cluster.leader(),
            Self::Consul { consul, .. } => consul.leader(),
            Self::Zookeeper(ensemble) => ensemble.leader(),
            Self::Kubernetes(_) => 0,
        }
    }

    /// SIGKILL. The kernel closes the connections.
    pub(crate) fn kill(&mut self, place: usize) {
        match self {
            Self::Etcd(cluster) | Self::Etcd2(cluster) | Self::Rest(cluster) => cluster.members[place].kill(),
            Self::Consul { consul, .. } => consul.servers[place].kill(),
            Self::Zookeeper(ensemble) => ensemble.servers[place].kill(),
            Self::Kubernetes(kubernetes) => kubernetes.kill(),
        }
    }

    /// Starts a server with the data that it has, and waits until it serves.
    pub(crate) fn restart(&mut self, place: usize) {
        self.begin_restart(place);
        self.wait_serving(place);
    }

    /// Starts a server with the data that it has.
    pub(crate) fn begin_restart(&mut self, place: usize) {
        match self {
            Self::Etcd(cluster) | Self::Etcd2(cluster) | Self::Rest(cluster) => cluster.members[place].restart(),
            Self::Consul { consul, .. } => consul.servers[place].restart(),
            Self::Zookeeper(ensemble) => ensemble.servers[place].restart(),
            Self::Kubernetes(kubernetes) => kubernetes.restart(),
        }
    }

    /// Waits until a server serves.
    pub(crate) fn wait_serving(&self, place: usize) {
        match self {
            Self::Etcd(cluster) | Self::Etcd2(cluster) | Self::Rest(cluster) => cluster.wait_member(place),
            Self::Consul { consul, .. } => consul.wait_serving(place),
            Self::Zookeeper(ensemble) => ensemble.wait_serving(place),
            Self::Kubernetes(_) => {}
        }
    }

    /// SIGSTOP. Connections stay open, but nothing is answered.
    pub(crate) fn freeze(&self, place: usize) {
        match self {
            Self::Etcd(cluster) | Self::Etcd2(cluster) | Self::Rest(cluster) => Member::freeze(&cluster.members[place]),
            Self::Consul { consul, .. } => consul.servers[place].freeze(),
            Self::Zookeeper(ensemble) => ensemble.servers[place].freeze(),
            Self::Kubernetes(kubernetes) => kubernetes.freeze(),
        }
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self, place: usize) {
        match self {
            Self::Etcd(cluster) | Self::Etcd2(cluster) | Self::Rest(cluster) => cluster.members[place].thaw(),
            Self::Consul { consul, .. } => consul.servers[place].thaw(),
            Self::Zookeeper(ensemble) => ensemble.servers[place].thaw(),
            Self::Kubernetes(kubernetes) => kubernetes.thaw(),
        }
    }
}
