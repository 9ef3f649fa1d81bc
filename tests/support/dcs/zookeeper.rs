//! Patroni's lock in ZooKeeper: a znode that ends with Patroni's session.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use vip_manager::wire::jute::{Acl, Code, Operation, Request};

use super::super::zookeeper::Line;
use super::lock::LeaderLock;

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(2);

pub(super) struct ZookeeperLock {
    pub(super) servers: Vec<SocketAddr>,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) ttl: Duration,
    pub(super) line: Option<Line>,
}

impl ZookeeperLock {
    /// Runs a request in the session, which is begun or continued first where that is needed.
    fn ask(&mut self, request: Request<'_>) -> io::Result<Code> {
        if self.line.is_none() {
            self.line = Some(Line::open(self.servers.clone(), self.ttl, LIMIT)?);
        }
        let Some(line) = &mut self.line else { return Err(io::ErrorKind::NotConnected.into()) };
        match line.request(request) {
            Ok(code) if code != Code::SESSION_EXPIRED => return Ok(code),
            Ok(_) | Err(_) => {}
        }
        if line.resume()? {
            return line.request(request);
        }
        self.line = None;
        Ok(Code::SESSION_EXPIRED)
    }
}

impl LeaderLock for ZookeeperLock {
    fn take(&mut self) -> Result<bool, String> {
        let (key, name) = (self.key.clone(), self.name.clone());
        let ask = |lock: &mut Self| -> io::Result<bool> {
            if lock.ask(Request::Exists { path: &key, watch: false })? != Code::NO_NODE {
                return Ok(false);
            }
            let acl = [Acl::OPEN];
            for at in key.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0) {
                let parent = Operation::Create { path: &key[..at], data: b"", acl: &acl, ephemeral: false };
                lock.ask(Request::Change(parent))?;
            }
            let own = Operation::Create { path: &key, data: name.as_bytes(), acl: &acl, ephemeral: true };
            Ok(lock.ask(Request::Change(own))? == Code::OK)
        };
        ask(self).map_err(|error| error.to_string())
    }

    /// A packet is a renewal, and this one tells whether the znode is there.
    fn renew(&mut self) -> Result<bool, String> {
        if self.line.is_none() {
            return Ok(false);
        }
        let key = self.key.clone();
        let asked = self.ask(Request::Exists { path: &key, watch: false });
        asked.map(|code| code == Code::OK).map_err(|error| error.to_string())
    }

    fn release(&mut self) -> Result<(), String> {
        let key = self.key.clone();
        let asked = self.ask(Request::Change(Operation::Delete { path: &key, version: -1 }));
        asked.map(|_| ()).map_err(|error| error.to_string())
    }

    fn abandon(&mut self) {
        self.line = None;
    }
}
