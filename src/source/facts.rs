//! What `check` and `status` need to know about endpoints and keys. Pure: nothing here asks a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What one endpoint told when it was inspected.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub endpoint: EndpointFacts,
    /// Nothing if it did not answer.
    pub keys: Option<BTreeMap<String, KeyFacts>>,
}

/// One endpoint, as this host reaches it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointFacts {
    pub endpoint: String,
    pub outcome: Result<Answer, Refusal>,
    /// How far its wall clock is ahead of ours, in seconds; nothing if it did not say.
    pub ahead: Option<i64>,
    pub detail: EndpointDetail,
}

/// What only one kind of store tells of an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EndpointDetail {
    None,
    Etcd {
        /// A user is configured, but etcd has authentication off.
        needless_login: bool,
        /// It is the port at which etcd's members talk to each other.
        serves_peers: bool,
    },
    Patroni {
        /// Its addresses are this host's.
        own: bool,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Empty if it did not tell.
    pub version: String,
    /// The cluster that it belongs to; zero if it did not tell.
    pub cluster: u64,
    pub took: Duration,
}

/// Why an endpoint could not be asked, and the cure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub why: String,
    pub cure: String,
}

/// A key and what else the store holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFacts {
    pub held: Result<Option<Held>, Forbidden>,
    pub around: Around,
    /// What another store on the same port holds under this name: etcd's v2 store beside v3, and v3 beside v2.
    pub beside: Option<String>,
    pub detail: KeyDetail,
}

/// What only one kind of store tells of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyDetail {
    None,
    /// In Kubernetes: the object can be read, but this user may not watch it, and why.
    Unwatched {
        why: String,
    },
    Patroni(RestFacts),
    /// The session under the leader key.
    Zookeeper(SessionFacts),
    Consul(ConsulLock),
}

/// What is known of the leader's session in ZooKeeper, which does not tell how much of it is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionFacts {
    /// What Patroni asks for; nothing if this session may not read Patroni's settings.
    pub ttl: Option<Duration>,
    /// The longest that ZooKeeper grants.
    pub longest: Duration,
    /// What is left at least while Patroni lives.
    pub left: Duration,
}

/// What the REST API of a Patroni answers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that Patroni states by itself")]
pub struct RestFacts {
    /// It is this host's.
    pub own: bool,
    /// The HTTP status.
    pub status: u16,
    /// Whether the body is Patroni's.
    pub complete: bool,
    /// The member's name.
    pub name: Option<String>,
    pub role: Option<String>,
    pub paused: bool,
    /// Patroni sees no leader's lock.
    pub unlocked: bool,
    pub failsafe: bool,
    /// `ttl`, `loop_wait` and `retry_timeout`, if it told them.
    pub timing: Option<[Duration; 3]>,
    /// What these leave of the lock after an answer.
    pub left: Option<Duration>,
}

/// A lock of Patroni in Consul.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsulLock {
    pub backing: ConsulBacking,
    /// Patroni's settings, if they can be read.
    pub settings: Result<PatroniSettings, Forbidden>,
    /// What it is assumed to have left after a read.
    pub left: Duration,
    /// The most that lease-margin takes from that.
    pub margin: Duration,
}

/// What a lock in Consul hangs on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConsulBacking {
    /// A session on a client agent, without checks: only its time to live ends it.
    Client,
    /// The session is on this agent, which is a server.
    Server(String),
    /// The session has these checks.
    Checks(Vec<String>),
    /// This token may not ask.
    Forbidden,
}

impl ConsulBacking {
    /// Whether a cut of that host can end the session long before its time to live.
    pub const fn is_fragile(&self) -> bool {
        match self {
            Self::Client => false,
            Self::Server(_) | Self::Checks(_) | Self::Forbidden => true,
        }
    }
}

/// What Patroni reckons with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PatroniSettings {
    pub ttl: Duration,
    pub loop_wait: Duration,
    pub retry_timeout: Duration,
}

/// A claim, as the store shows it to this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClaimFacts {
    /// Nobody has it, and this host may create it.
    Free,
    /// Somebody has it, for at most so long unless it is renewed.
    Held { by: String, claimant: Claimant, at_most: Option<Duration> },
    /// The store does not let this host claim.
    Refused { why: String, cure: Option<String> },
    /// No endpoint said.
    Unknown { why: String },
}

/// Who has a claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claimant {
    /// This host, since its last boot.
    ThisHost,
    AnotherHost,
    /// The value is not of this program.
    Unknown,
}

/// This user may not read the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forbidden;

/// What a key holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub value: String,
    /// The store's count of changes at its last one; zero if it has none.
    pub changed: i64,
    pub lease: LeaseFacts,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseFacts {
    None,
    /// In seconds.
    Left {
        left: i64,
        granted: i64,
    },
    /// The store did not say.
    Unknown,
}

/// What else the store holds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Around {
    /// The names of Patroni's members in this scope; nothing if this user may not list them.
    pub members: Option<Vec<String>>,
    /// Whether the scope has any key.
    pub scope: bool,
    /// Leader keys of other scopes.
    pub leaders: Vec<String>,
    /// Whether this user may list everything, so that what was not listed does not exist.
    pub listed: bool,
    /// Whether there is any key at all.
    pub anything: bool,
}

/// One kind of error of one endpoint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SourceError {
    pub endpoint: Arc<str>,
    /// One word.
    pub kind: &'static str,
}

/// `/service/pg/leader` → `/service/pg/`: the prefix of all keys of the scope.
pub fn scope(key: &str) -> Option<&str> {
    key.strip_suffix("leader").filter(|scope| scope.ends_with('/'))
}

/// `/service/pg/leader` → `/service/`: the prefix of all scopes of the namespace.
pub fn namespace(key: &str) -> Option<&str> {
    let scope = scope(key)?.trim_end_matches('/');
    scope.rfind('/').map(|at| &scope[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_as_patroni_builds_them() {
        assert_eq!(scope("/service/pg/leader"), Some("/service/pg/"));
        assert_eq!(namespace("/service/pg/leader"), Some("/service/"));
        assert_eq!(scope("/something/else"), None);
    }
}
