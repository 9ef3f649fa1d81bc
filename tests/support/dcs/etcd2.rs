//! Patroni's lock in etcd's v2 API: a key with a ttl, written anew each time.

use std::net::SocketAddr;

use super::http::ask_any;
use super::lock::LeaderLock;

pub(super) struct Etcd2Lock {
    pub(super) members: Vec<SocketAddr>,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) ttl: i64,
}

impl Etcd2Lock {
    fn put(&mut self, condition: &str) -> Result<bool, String> {
        let body = format!("value={}&ttl={}&{condition}", self.name, self.ttl);
        let path = format!("/v2/keys{}", self.key);
        match ask_any(&mut self.members, "PUT", &path, true, &body)? {
            (200 | 201, _) => Ok(true),
            // Not there, another value, or there already.
            (404 | 412, _) => Ok(false),
            (status, said) => Err(format!("{status}: {said}")),
        }
    }
}

impl LeaderLock for Etcd2Lock {
    fn take(&mut self) -> Result<bool, String> {
        let path = format!("/v2/keys{}", self.key);
        match ask_any(&mut self.members, "GET", &path, false, "")? {
            (404, _) => self.put("prevExist=false"),
            _ => Ok(false),
        }
    }

    fn renew(&mut self) -> Result<bool, String> {
        let condition = format!("prevValue={}", self.name);
        self.put(&condition)
    }

    fn release(&mut self) -> Result<(), String> {
        let path = format!("/v2/keys{}?prevValue={}", self.key, self.name);
        ask_any(&mut self.members, "DELETE", &path, false, "").map(|_| ())
    }
}
