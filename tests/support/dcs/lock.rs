//! Patroni's lock in a store: how it is taken, renewed and given back.

use std::time::Duration;

use super::super::store::{StoreClient, StoreError, User};

/// The lock of one cluster, as one Patroni uses it.
pub(crate) trait LeaderLock {
    /// Takes the lock if it is free. Returns whether it did.
    fn take(&mut self) -> Result<bool, String>;

    /// Renews the lock. Returns whether it is still there.
    fn renew(&mut self) -> Result<bool, String>;

    /// Gives the lock back.
    fn release(&mut self) -> Result<(), String>;

    /// Forgets the lock, which is left to its end.
    fn abandon(&mut self) {}

    /// How often a follower looks whether it is free.
    fn poll(&self) -> Duration {
        Duration::from_millis(100)
    }
}

/// etcd: a key under a lease.
pub(crate) struct EtcdLock {
    client: StoreClient,
    key: String,
    name: String,
    ttl: i64,
    lease: i64,
}

impl EtcdLock {
    pub(crate) fn new(endpoints: Vec<String>, user: Option<User>, key: &str, name: &str, ttl: i64) -> Self {
        let client = StoreClient::new(endpoints, user);
        Self { client, key: key.to_owned(), name: name.to_owned(), ttl, lease: 0 }
    }

    fn try_take(&mut self) -> Result<bool, StoreError> {
        if self.client.get(&self.key)?.is_some() {
            return Ok(false);
        }
        self.lease = self.client.grant(self.ttl)?;
        self.client.create(&self.key, &self.name, self.lease)
    }
}

impl LeaderLock for EtcdLock {
    fn take(&mut self) -> Result<bool, String> {
        self.try_take().map_err(|error| error.to_string())
    }

    fn renew(&mut self) -> Result<bool, String> {
        self.client.keep_alive(self.lease).map_err(|error| error.to_string())
    }

    fn release(&mut self) -> Result<(), String> {
        let released = self.client.delete(&self.key).and_then(|()| self.client.revoke(self.lease));
        released.map_err(|error| error.to_string())
    }
}
