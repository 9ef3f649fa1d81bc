//! ZooKeeper: an ephemeral znode that is deleted and created. The bare clients are sessions with a watch of it.

use std::time::Duration;

use vip_manager::wire::jute::Acl;

use super::{Bare, NOBODY, Store};
use crate::support::daemon::{ConfigFile, KEY};
use crate::support::host::Host;
use crate::support::lab::Lab;
use crate::support::zookeeper::{Ensemble, Session};

/// What Patroni asks for by default.
const TTL: Duration = Duration::from_secs(30);

/// So many let a server compile what each change needs of it. One that was just started interprets its own code.
const REQUESTS: usize = 2_000;

/// With the claim that is the default, or without one.
pub(super) struct OnZookeeper<const CLAIM: bool> {
    session: Session,
    ensemble: Ensemble,
    client: Host,
}

impl<const CLAIM: bool> Store for OnZookeeper<CLAIM> {
    fn name() -> String {
        format!("ZooKeeper, three servers{}", if CLAIM { ", with a claim" } else { "" })
    }

    fn start(lab: &Lab, _hosts: &[Host], client: &Host) -> Self {
        let ensemble = Ensemble::start(lab, 3);
        let session = ensemble.session(0, TTL);
        // The znodes above it stay.
        session.create(KEY, NOBODY, &[Acl::OPEN], true);
        session.delete(KEY);
        (0..ensemble.servers.len()).for_each(|place| warm_up(&ensemble.session(place, TTL)));
        Self { session, ensemble, client: client.clone() }
    }

    fn config(&self, host: &Host) -> ConfigFile {
        let config = ConfigFile::of_store(host, "zookeeper", &self.ensemble.endpoints());
        config.with("claim", if CLAIM { "auto" } else { "off" })
    }

    fn wait(&self) -> Option<Bare> {
        let clients = (0..self.ensemble.servers.len()).map(|place| {
            let address = self.ensemble.address(place);
            move |waits: &dyn Fn()| Session::wait_for_change(address, TTL, KEY, waits)
        });
        Some(Bare::begin(&self.client, clients))
    }

    fn lead(&self, name: &str) {
        if name == NOBODY {
            self.session.delete(KEY);
        } else {
            self.session.take(KEY, name);
        }
    }
}

fn warm_up(session: &Session) {
    let other = format!("{KEY}-before");
    for round in 0..REQUESTS {
        if round % 4 == 0 {
            session.delete(&other);
            session.take(&other, NOBODY);
        }
        session.get(&other);
    }
}
