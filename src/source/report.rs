//! What a source is asked to watch, and what it reports.

use std::sync::Arc;
use std::time::Duration;

use super::claim::Owner;
use crate::keeper::{ClaimReport, KeyEvent, KeyRead, Limits};
use crate::time::Moment;

/// One leader key and the value of it that names this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    pub key: Arc<str>,
    pub value: Arc<str>,
    /// How long a read that names this host counts, for each VIP that follows the key.
    pub limits: Vec<Limits>,
}

/// One claim, a key of our own beside a leader key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClaimSpec {
    pub key: Arc<str>,
    /// The leader key that must name this host.
    pub leader: KeyIndex,
    pub ttl: Duration,
    pub owner: Owner,
    /// What is written under the key: the owner, and more for people.
    pub value: Arc<str>,
}

/// The position of a claim in the list that the source was started with.
pub type ClaimIndex = usize;

/// The position of a key in the list that the source was started with.
pub type KeyIndex = usize;

/// What a source tells the driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// A linearizable read was answered. Reads overlap, and the answer of a slow endpoint may come after a later answer of
    /// another one: their instants and versions tell which is newer.
    Read(Vec<(KeyIndex, KeyRead)>),
    /// A watch saw keys change; a read of them follows.
    Changed(Vec<(KeyIndex, KeyEvent)>),
    /// The store answers, but refuses to show these keys; the text is the cause. Repeated with every read.
    Unreadable(Vec<(KeyIndex, Arc<str>)>),
    /// What became of a claim.
    Claim(ClaimIndex, ClaimReport),
    /// Every endpoint failed, or two intervals passed without an answer; the text names the cause of each endpoint.
    /// Repeated once per interval for as long as it lasts. If the causes say more than silence does, the address may be
    /// held `until` then at most.
    Unreachable { why: Arc<str>, until: Option<Moment> },
}
