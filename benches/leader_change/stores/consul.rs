//! Consul: one write of a key that a lock holds. The bare clients are blocking queries.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Bare, LIMIT, Store};
use crate::support::consul::lock::{LockHolder, Timing};
use crate::support::consul::{Agent, Consul, PORT};
use crate::support::daemon::ConfigFile;
use crate::support::host::Host;
use crate::support::lab::Lab;

/// As Patroni writes it: without the slash of the configuration.
const KEY: &str = "service/pg_cluster/leader";
const TIMING: Timing = Timing { ttl: 60, loop_wait: 10, retry_timeout: 10 };

pub(super) struct OnConsul {
    _lock: LockHolder,
    _agent: Agent,
    consul: Consul,
    client: Host,
}

impl Store for OnConsul {
    fn name() -> String {
        "Consul, three servers".to_owned()
    }

    fn start(lab: &Lab, _hosts: &[Host], client: &Host) -> Self {
        let consul = Consul::start(lab, 3);
        let patroni = lab.host("patroni");
        let agent = consul.client(&patroni);
        Self { _lock: LockHolder::start(&patroni, &agent, KEY, TIMING), _agent: agent, consul, client: client.clone() }
    }

    fn config(&self, host: &Host) -> ConfigFile {
        ConfigFile::of_store(host, "consul", &self.consul.endpoints())
    }

    fn wait(&self) -> Option<Bare> {
        let index = self.consul.request(0, "GET", &format!("/v1/kv/{KEY}?consistent"), "").index;
        let request = format!("GET /v1/kv/{KEY}?consistent&index={index}&wait=60s HTTP/1.0\r\nHost: consul\r\n\r\n");
        let clients = self.consul.servers.iter().map(|server| {
            let (address, request) = ((server.host.v4(), PORT), request.clone());
            move |waits: &dyn Fn()| {
                let mut stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(LIMIT))?;
                stream.write_all(request.as_bytes())?;
                waits();
                stream.read_exact(&mut [0])
            }
        });
        Some(Bare::begin(&self.client, clients))
    }

    fn lead(&self, name: &str) {
        self.consul.put(KEY, name);
    }
}
