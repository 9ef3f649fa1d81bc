//! What differs between stores in the judgement of endpoints and keys: names, commands, and findings of their own.
//!
//! What every store has in common is judged in `endpoints.rs` and `key.rs`, each store's own in `stores/STORE.rs`.

use std::time::Duration;

use super::Finding;
use crate::source::facts::{EndpointFacts, Held, KeyFacts};

/// A VIP's key and what this host makes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchedKey {
    pub key: String,
    /// The value that means this host.
    pub expected: String,
    pub found: KeyFacts,
    pub hold_timeout: Duration,
    pub lease_margin: Duration,
    /// The VIP is claimed, as far as the store lets this host: the claim says how long it is held.
    pub claimed: bool,
}

impl WatchedKey {
    /// What a finding about it is about.
    pub(super) fn subject(&self) -> String {
        format!("key {}", self.key)
    }
}

/// What a finding about an endpoint is about.
pub(super) fn subject(store: &dyn Store, facts: &EndpointFacts) -> String {
    format!("{} {}", store.name(), facts.endpoint)
}

/// One kind of store.
pub trait Store {
    /// What it is called in a sentence.
    fn name(&self) -> &'static str;

    /// What it calls its count of changes.
    fn version(&self) -> &'static str;

    /// What an endpoint that answers has shown.
    fn serves(&self) -> &'static str {
        "and sees a leader"
    }

    /// What is worth saying of an endpoint beyond what holds for every store.
    fn endpoint(&self, facts: &EndpointFacts) -> Vec<Finding>;

    /// What may be behind an endpoint that cannot be asked, beyond the cure that is known.
    fn hint(&self, _facts: &EndpointFacts) -> Option<&'static str> {
        None
    }

    /// The only endpoint that is configured; nothing where one is right.
    fn single(&self, _facts: &EndpointFacts) -> Option<Finding> {
        Some(Finding::warning(
            "endpoint-single",
            "dcs-endpoints",
            "only one endpoint is configured: while it restarts, the leader key cannot be read",
            "list all members of the cluster",
        ))
    }

    /// What clocks that differ do to the promise.
    fn skew(&self) -> &'static str {
        "leases do not depend on them"
    }

    /// Whether the key names this host.
    fn is_us(&self, facts: &WatchedKey, held: &Held) -> bool {
        held.value == facts.expected
    }

    /// All that is to be said of a key that exists, where its value is no member's name.
    fn whole_key(&self, _facts: &WatchedKey) -> Option<Vec<Finding>> {
        None
    }

    /// What is worth saying of a key that exists, beyond what holds for every store.
    fn key(&self, _facts: &WatchedKey, _held: &Held) -> Vec<Finding> {
        Vec::new()
    }

    /// What the store knows of a key that is absent, if that explains it.
    fn absent(&self, _facts: &WatchedKey) -> Option<Finding> {
        None
    }

    /// What there is instead of Patroni's keys, whether there is `anything` at all, and how to have Patroni write here.
    fn without_leaders(&self, anything: bool) -> (String, String);

    /// How to write a key by hand.
    fn put(&self, key: &str, value: &str) -> String;

    /// How to see who writes a key.
    fn watch(&self) -> &'static str;

    /// How to let the user read a key.
    fn allow_read(&self, key: &str) -> String;

    /// How to let the user list the keys that begin with this.
    fn allow_list(&self, prefix: &str) -> String;
}
