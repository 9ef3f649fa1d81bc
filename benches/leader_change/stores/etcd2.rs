//! The v2 API of etcd: one write of a key with a ttl. The bare clients are waits for the key.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::{Bare, LIMIT, Store, wait_for_line};
use crate::support::daemon::{ConfigFile, KEY};
use crate::support::etcd::{Cluster, ClusterOptions, PORT};
use crate::support::fail::OrFail;
use crate::support::host::Host;
use crate::support::lab::Lab;

/// Longer than any pause between two changes.
const TTL: u64 = 60;

pub(super) struct OnEtcd2 {
    cluster: Cluster,
    client: Host,
    patroni: Host,
}

impl OnEtcd2 {
    fn members(&self) -> impl Iterator<Item = (Ipv4Addr, u16)> {
        self.cluster.members.iter().map(|member| (member.host.v4(), PORT))
    }
}

impl Store for OnEtcd2 {
    fn name() -> String {
        "etcd's v2 API, three members".to_owned()
    }

    fn start(lab: &Lab, _hosts: &[Host], client: &Host) -> Self {
        let options = ClusterOptions { arguments: vec!["--enable-v2".to_owned()], ..ClusterOptions::default() };
        let cluster = Cluster::start_with(lab, &options);
        Self { cluster, client: client.clone(), patroni: lab.host("patroni") }
    }

    fn config(&self, host: &Host) -> ConfigFile {
        ConfigFile::of_store(host, "etcd2", &self.cluster.endpoints())
    }

    fn wait(&self) -> Option<Bare> {
        let clients = self.members().map(|address| {
            move |waits: &dyn Fn()| {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(LIMIT))?;
                wait_for_line(stream, &format!("GET /v2/keys{KEY}?wait=true HTTP/1.0\r\nHost: etcd\r\n\r\n"), waits)
            }
        });
        Some(Bare::begin(&self.client, clients))
    }

    fn lead(&self, name: &str) {
        let body = format!("value={name}&ttl={TTL}");
        let request = format!(
            "PUT /v2/keys{KEY} HTTP/1.0\r\nHost: etcd\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let address = self.members().next().or_fail("a member");
        let answer = self.patroni.enter(move || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        });
        let answer = answer.or_fail("writing the leader key");
        assert!(answer.contains(" 200 ") || answer.contains(" 201 "), "{answer}");
    }
}
