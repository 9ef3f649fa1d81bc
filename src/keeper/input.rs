//! What a source learned about a leader key, in the words that the keeper decides by.

use std::sync::Arc;
use std::time::Duration;

use super::Moment;

/// The answer to one linearizable read of the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRead {
    /// The key's value; nothing where the key is absent.
    pub holder: Option<Arc<str>>,
    /// The store's revision that the read was answered at.
    pub revision: i64,
    /// The key's own revision; 0 where it is absent.
    pub mod_revision: i64,
    /// When the read was sent: what it says was true at some time after this.
    pub sent_at: Moment,
    /// When the answer came: what it says was true at some time before this.
    pub answered_at: Moment,
    pub lease: Lease,
    /// Who answered, fit for a log line.
    pub from: Arc<str>,
}

/// What is known of the lease under the key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lease {
    /// The key stands without a lease.
    None,
    /// At least this much was left when the read was sent. Zero where the lease is gone.
    Left(Duration),
    /// There is a lease, but its time to live was not asked for (the key does not name us) or not answered.
    Unknown,
}

/// What a watch said. It may be late, repeated or overtaken: see rule 1 of the keeper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    /// The key's new value; nothing where it was deleted.
    pub holder: Option<Arc<str>>,
    /// The store's revision that the change made.
    pub mod_revision: i64,
    /// When it was heard: a read that was sent later has seen it.
    pub heard_at: Moment,
    pub from: Arc<str>,
}
