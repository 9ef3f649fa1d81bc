//! Proxies between the first host's daemon and the members, for what the kernel of the lab cannot do to a packet.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::support::etcd::Cluster;
use crate::support::fail::OrFail;
use crate::support::host::Host;
use crate::support::proxy::{Proxy, Wire};

/// One proxy a member, all of them on the daemon's own host. They go with the value.
#[derive(Debug)]
pub(crate) struct Proxies {
    proxies: Vec<Proxy>,
    _alive: oneshot::Sender<()>,
}

impl Proxies {
    pub(crate) fn between(host: &Host, cluster: &Cluster) -> Self {
        let doors: Vec<SocketAddr> = cluster
            .members
            .iter()
            .map(|member| member.client_address().parse().or_fail("reading a member's address"))
            .collect();
        let (ready, proxies) = mpsc::channel();
        let (alive, over) = oneshot::channel();
        drop(host.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.or_fail("building a runtime for proxies").block_on(async {
                for door in doors {
                    let proxy = Proxy::between((Ipv4Addr::LOCALHOST, 0).into(), door).await;
                    let _ = ready.send(proxy.or_fail("starting a proxy"));
                }
                drop(ready);
                let _ = over.await;
            });
        }));
        Self { proxies: proxies.iter().collect(), _alive: alive }
    }

    /// What the daemon is to be told.
    pub(crate) fn endpoints(&self) -> String {
        let endpoints: Vec<String> = self.proxies.iter().map(|proxy| format!("http://{}", proxy.at())).collect();
        endpoints.join(",")
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.proxies.iter().for_each(|proxy| proxy.set(wire));
    }
}
