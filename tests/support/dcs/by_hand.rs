//! The leader key, changed by hand: as with `etcdctl`, `consul kv`, `zkCli.sh` or `kubectl`.

use std::time::Duration;

use serde_json::json;
use vip_manager::wire::jute::Code;

use super::super::etcd::{self, Cluster};
use super::super::fail::OrFail;
use super::http::ask_any;
use super::{Dcs, socket};

const SESSION: Duration = Duration::from_secs(10);

impl Dcs {
    /// Deletes the leader key of a cluster, whether it is there or not.
    pub(crate) fn delete_by_hand(&self, scope: &str) {
        let key = self.stored_key(scope);
        match self {
            Self::Etcd(cluster) | Self::Rest(cluster) => cluster.store().delete(&key),
            Self::Etcd2(cluster) => ask_v2(cluster, "DELETE", &key, ""),
            Self::Consul { consul, .. } => {
                let answer = consul.request(0, "DELETE", &format!("/v1/kv/{key}"), "");
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            Self::Zookeeper(ensemble) => {
                let session = ensemble.session(0, SESSION);
                let code = session.delete(&key);
                assert!(code == Code::OK || code == Code::NO_NODE, "deleting {key}: {code:?}");
                session.close();
            }
            Self::Kubernetes(kubernetes) => kubernetes.annotate(&key, &json!({"leader": null})),
        }
    }

    /// Overwrites the leader key of a cluster, which is there. Nobody renews what is written.
    pub(crate) fn write_by_hand(&self, scope: &str, value: &str) {
        let key = self.stored_key(scope);
        match self {
            Self::Etcd(cluster) | Self::Rest(cluster) => drop(cluster.store().put(&key, value)),
            Self::Etcd2(cluster) => ask_v2(cluster, "PUT", &key, &format!("value={value}")),
            Self::Consul { consul, .. } => consul.put(&key, value),
            Self::Zookeeper(ensemble) => {
                let session = ensemble.session(0, SESSION);
                session.set(&key, value);
                session.close();
            }
            Self::Kubernetes(kubernetes) => kubernetes.annotate(&key, &json!({"leader": value})),
        }
    }

    /// Where Patroni has its lock.
    fn stored_key(&self, scope: &str) -> String {
        match self {
            Self::Rest(_) => format!("/service/{scope}/leader"),
            Self::Etcd(_) | Self::Etcd2(_) | Self::Consul { .. } | Self::Zookeeper(_) | Self::Kubernetes(_) => {
                self.key(scope)
            }
        }
    }
}

fn ask_v2(cluster: &Cluster, method: &'static str, key: &str, body: &str) {
    let mut members: Vec<_> = cluster.members.iter().map(|member| socket(&member.host, etcd::PORT)).collect();
    let (path, body) = (format!("/v2/keys{key}"), body.to_owned());
    let asked = cluster.members[0].host.enter(move || ask_any(&mut members, method, &path, true, &body));
    let (status, said) = asked.or_fail("changing a key by hand");
    assert!(matches!(status, 200 | 201 | 404), "{status}: {said}");
}
