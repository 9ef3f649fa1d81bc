//! The source of Kubernetes, and the daemon on it: against kube-apiserver where `KUBE_APISERVER` names one
//! (`make kubernetes-test`), else against a fake that says the same.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod answers;
mod claims;
mod following;
mod outages;
mod rights;

use std::time::Duration;

use support::host::Host;
use support::kubernetes::Kubernetes;
use support::kubernetes::patroni::Leader;
use support::lab::Lab;
use support::observer::AddressObserver;

/// Patroni's smallest ttl, and a loop that fits.
const TTL: u64 = 20;
const LOOP: Duration = Duration::from_secs(5);
/// How long the real server's cache of tokens and the daemon's of a file may keep an old one.
const TOKENS: Duration = Duration::from_secs(40);

/// A server, database hosts, a client, and an observer. The fields are dropped in this order, the lab last.
struct Setup {
    kubernetes: Kubernetes,
    hosts: Vec<Host>,
    client: Host,
    observer: AddressObserver,
    lab: Lab,
}

impl Setup {
    fn new(name: &str, hosts: usize) -> Self {
        let lab = Lab::new(name);
        let kubernetes = Kubernetes::start(&lab);
        let hosts: Vec<Host> = (1..=hosts).map(|number| lab.host(&format!("db{number}"))).collect();
        let client = lab.host("client");
        let observer = AddressObserver::over(&hosts.iter().collect::<Vec<_>>());
        Self { kubernetes, hosts, client, observer, lab }
    }

    /// Patroni leads on this host.
    fn leader(&self, host: usize) -> Leader {
        Leader::start(&self.kubernetes, &self.hosts[host], TTL, LOOP)
    }
}
