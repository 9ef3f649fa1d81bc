//! Who has claimed an address, as the stores tell in which addresses are claimed by default.

use std::net::IpAddr;
use std::time::Duration;

use super::super::fail::OrFail;
use super::super::kubernetes::NAMESPACE;
use super::Dcs;

const SESSION: Duration = Duration::from_secs(10);

impl Dcs {
    /// What is the same as long as a process has a claim, and another for the next process; none without a claim.
    pub(crate) fn claimed_by(&self, scope: &str, address: IpAddr) -> Option<String> {
        let key = format!("service/{scope}/vip/{address}");
        match self {
            Self::Etcd(_) | Self::Etcd2(_) | Self::Rest(_) => None,
            Self::Consul { consul, .. } => {
                consul.get(&key).map(|claim| format!("{} {}", claim["Session"], claim["Value"]))
            }
            Self::Zookeeper(ensemble) => {
                let session = ensemble.session(0, SESSION);
                let claim = session.get(&format!("/{key}"));
                session.close();
                claim.map(|(value, stat)| format!("{:x} {value}", stat.owner))
            }
            Self::Kubernetes(kubernetes) => {
                let name = match address {
                    IpAddr::V4(address) => address.to_string().replace('.', "-"),
                    IpAddr::V6(address) => address.segments().map(|part| format!("{part:x}")).join("-"),
                };
                let path = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{scope}-vip-{name}");
                let (status, claim) = kubernetes.ask("GET", &path, None).or_fail("reading a claim");
                let annotations = &claim["metadata"]["annotations"];
                (status == 200).then(|| format!("{} {annotations}", claim["spec"]["holderIdentity"]))
            }
        }
    }
}
