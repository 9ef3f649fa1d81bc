//! The lab's own etcd client: blocking calls, each with a deadline, to whichever member answers.
//!
//! It uses the plain ports of the members (see [`etcd`](super::etcd)), so that TLS and cuts that are meant for the
//! daemon do not affect it.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;

use etcd_client::{Client, Compare, CompareOp, ConnectOptions, Error, GetOptions, PutOptions, Txn, TxnOp};
use tokio::runtime::Runtime;

use super::fail::OrFail;
use super::host::Host;

/// The time limit for one call to one member.
const LIMIT: Duration = Duration::from_secs(2);

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{endpoint} did not answer within {LIMIT:?}")]
    Late { endpoint: String },
    #[error("{endpoint}: {cause}")]
    Refused { endpoint: String, cause: Error },
    #[error("no etcd member is known")]
    NoMember,
}

/// A user of etcd.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// A key as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) value: String,
    pub(crate) lease: i64,
    pub(crate) mod_revision: i64,
}

/// A client for use on one thread. It has one connection per member, because the library's own balancing keeps asking
/// dead members.
pub(crate) struct StoreClient {
    runtime: Runtime,
    endpoints: Vec<String>,
    user: Option<User>,
    clients: HashMap<String, Client>,
}

impl StoreClient {
    pub(crate) fn new(endpoints: Vec<String>, user: Option<User>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.or_fail("building a runtime"), endpoints, user, clients: HashMap::new() }
    }

    /// Asks the members in turn, starting with the one that answered last.
    pub(crate) fn ask<T>(&mut self, op: &impl AsyncFn(&mut Client) -> Result<T, Error>) -> Result<T, StoreError> {
        let mut failure = StoreError::NoMember;
        for place in 0..self.endpoints.len() {
            match self.ask_one(&self.endpoints[place].clone(), op) {
                Ok(answer) => {
                    self.endpoints[..=place].rotate_right(1);
                    return Ok(answer);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Asks one member.
    pub(crate) fn ask_one<T>(
        &mut self,
        endpoint: &str,
        op: &impl AsyncFn(&mut Client) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let client = self.clients.remove(endpoint);
        let user = self.user.clone();
        let work = async {
            let mut client = match client {
                Some(client) => client,
                None => connect(endpoint, user).await?,
            };
            let answer = op(&mut client).await?;
            Ok((client, answer))
        };
        match self.runtime.block_on(async { tokio::time::timeout(LIMIT, work).await }) {
            Ok(Ok((client, answer))) => {
                self.clients.insert(endpoint.to_owned(), client);
                Ok(answer)
            }
            Ok(Err(cause)) => Err(StoreError::Refused { endpoint: endpoint.to_owned(), cause }),
            Err(_) => Err(StoreError::Late { endpoint: endpoint.to_owned() }),
        }
    }

    pub(crate) fn get(&mut self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.ask(&async |client| {
            let answer = client.get(key, Some(GetOptions::new())).await?;
            Ok(answer.kvs().first().map(|kv| Entry {
                value: String::from_utf8_lossy(kv.value()).into_owned(),
                lease: kv.lease(),
                mod_revision: kv.mod_revision(),
            }))
        })
    }

    /// Writes the key, with a lease unless it is 0, and returns the revision.
    pub(crate) fn put(&mut self, key: &str, value: &str, lease: i64) -> Result<i64, StoreError> {
        self.ask(&async |client| {
            let answer = client.put(key, value, Some(PutOptions::new().with_lease(lease))).await?;
            Ok(answer.header().map_or(0, etcd_client::ResponseHeader::revision))
        })
    }

    /// Creates the key if it does not exist. Returns whether it did.
    pub(crate) fn create(&mut self, key: &str, value: &str, lease: i64) -> Result<bool, StoreError> {
        self.ask(&async |client| {
            let absent = Compare::create_revision(key, CompareOp::Equal, 0);
            let write = TxnOp::put(key, value, Some(PutOptions::new().with_lease(lease)));
            Ok(client.txn(Txn::new().when([absent]).and_then([write])).await?.succeeded())
        })
    }

    /// Writes many keys in as few transactions as etcd allows (128 operations each).
    pub(crate) fn put_all(&mut self, pairs: &[(String, String)], lease: i64) -> Result<(), StoreError> {
        for chunk in pairs.chunks(128) {
            self.ask(&async |client| {
                let writes: Vec<TxnOp> = chunk
                    .iter()
                    .map(|(key, value)| {
                        TxnOp::put(key.as_str(), value.as_str(), Some(PutOptions::new().with_lease(lease)))
                    })
                    .collect();
                client.txn(Txn::new().and_then(writes)).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: &str) -> Result<(), StoreError> {
        self.ask(&async |client| client.delete(key, None).await.map(|_| ()))
    }

    pub(crate) fn grant(&mut self, seconds: i64) -> Result<i64, StoreError> {
        self.ask(&async |client| Ok(client.lease_grant(seconds, None).await?.id()))
    }

    /// Renews the lease. Returns whether it exists.
    pub(crate) fn keep_alive(&mut self, lease: i64) -> Result<bool, StoreError> {
        self.ask(&async |client| match client.lease_keep_alive(lease).await {
            // Opening the stream renews the lease once.
            Ok(_) => Ok(true),
            Err(Error::LeaseKeepAliveError(_)) => Ok(false),
            Err(error) => Err(error),
        })
    }

    pub(crate) fn revoke(&mut self, lease: i64) -> Result<(), StoreError> {
        self.ask(&async |client| client.lease_revoke(lease).await.map(|_| ()))
    }
}

/// A [`StoreClient`] on its own thread inside a host, usable from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut StoreClient) + Send>;

impl Store {
    /// Reaches the members from `host`.
    pub(crate) fn from(host: &Host, endpoints: Vec<String>, user: Option<User>) -> Self {
        let (jobs, inbox) = mpsc::channel::<Job>();
        drop(host.spawn(move || {
            let mut client = StoreClient::new(endpoints, user);
            for job in inbox {
                job(&mut client);
            }
        }));
        Self { jobs }
    }

    /// Runs `work` with the client and returns its result.
    pub(crate) fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut StoreClient) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let job = Box::new(move |client: &mut StoreClient| {
            // If the receiver is gone, nobody needs the answer.
            let _ = answer.send(work(client));
        });
        self.jobs.send(job).or_fail("asking etcd");
        answered.recv().or_fail("waiting for etcd's answer")
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry> {
        let key = key.to_owned();
        self.with(move |client| client.get(&key)).or_fail("reading a key")
    }

    /// Writes the key without a lease and returns the revision.
    pub(crate) fn put(&self, key: &str, value: &str) -> i64 {
        self.put_leased(key, value, 0)
    }

    /// Writes the key with a lease and returns the revision.
    pub(crate) fn put_leased(&self, key: &str, value: &str, lease: i64) -> i64 {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.with(move |client| client.put(&key, &value, lease)).or_fail("writing a key")
    }

    pub(crate) fn put_all(&self, pairs: Vec<(String, String)>, lease: i64) {
        self.with(move |client| client.put_all(&pairs, lease)).or_fail("writing keys");
    }

    pub(crate) fn delete(&self, key: &str) {
        let key = key.to_owned();
        self.with(move |client| client.delete(&key)).or_fail("deleting a key");
    }

    pub(crate) fn grant(&self, seconds: i64) -> i64 {
        self.with(move |client| client.grant(seconds)).or_fail("granting a lease")
    }

    pub(crate) fn keep_alive(&self, lease: i64) -> bool {
        self.with(move |client| client.keep_alive(lease)).or_fail("renewing a lease")
    }

    pub(crate) fn revoke(&self, lease: i64) {
        self.with(move |client| client.revoke(lease)).or_fail("revoking a lease");
    }

    /// Runs one operation on whichever member answers.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        op: impl AsyncFn(&mut Client) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.with(move |client| client.ask(&op))
    }

    /// Runs one operation on one member.
    pub(crate) fn ask_one<T: Send + 'static>(
        &self,
        endpoint: &str,
        op: impl AsyncFn(&mut Client) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let endpoint = endpoint.to_owned();
        self.with(move |client| client.ask_one(&endpoint, &op))
    }
}

async fn connect(endpoint: &str, user: Option<User>) -> Result<Client, Error> {
    let options = user.map(|user| ConnectOptions::new().with_user(user.name, user.password));
    Client::connect([endpoint], options).await
}
