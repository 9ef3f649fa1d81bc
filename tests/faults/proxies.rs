//! Proxies between the first host's daemon and the members, for delays that the lab cannot produce in the kernel.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use tokio::sync::oneshot;

use crate::support::etcd::Cluster;
use crate::support::fail::OrFail;
use crate::support::host::Host;
use crate::support::proxy::{Proxy, Wire};

/// One proxy per member, all on the daemon's host. They end on drop.
#[derive(Debug)]
pub(crate) struct Proxies {
    proxies: Vec<Proxy>,
    _alive: oneshot::Sender<()>,
}

impl Proxies {
    pub(crate) fn between(host: &Host, cluster: &Cluster) -> Self {
        let endpoints: Vec<SocketAddr> = cluster
            .members
            .iter()
            .map(|member| member.client_address().parse().or_fail("reading a member's address"))
            .collect();
        let (ready, proxies) = mpsc::channel();
        let (alive, over) = oneshot::channel();
        drop(host.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.or_fail("building a runtime for proxies").block_on(async {
                for endpoint in endpoints {
                    let proxy = Proxy::between((Ipv4Addr::LOCALHOST, 0).into(), endpoint).await;
                    let _ = ready.send(proxy.or_fail("starting a proxy"));
                }
                drop(ready);
                let _ = over.await;
            });
        }));
        Self { proxies: proxies.iter().collect(), _alive: alive }
    }

    /// The endpoints for the daemon's configuration.
    pub(crate) fn endpoints(&self) -> String {
        let endpoints: Vec<String> = self.proxies.iter().map(|proxy| format!("http://{}", proxy.at())).collect();
        endpoints.join(",")
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.proxies.iter().for_each(|proxy| proxy.set(wire));
    }
}
