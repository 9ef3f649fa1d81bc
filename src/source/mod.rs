//! Learns what the cluster says about the leader keys, and hands it on without judging it.
//!
//! A source gives three kinds of report: the answer to a linearizable read, a change that a watch saw, and the
//! news that nobody could be asked. It makes sure that every change is followed by a read, and that a read is tried
//! every interval; what follows from either is for the keeper to decide.

#[cfg(feature = "daemon")]
mod endpoints;
#[cfg(feature = "daemon")]
pub mod etcd;
pub mod facts;
pub mod rounds;

use std::sync::Arc;

#[cfg(feature = "daemon")]
pub(crate) use self::etcd::inspect;
use crate::keeper::{KeyEvent, KeyRead};

/// One leader key and the value of it that names this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    pub key: Arc<str>,
    pub value: Arc<str>,
}

/// The place of a key in the list that the source was started with.
pub type KeyIndex = usize;

/// What a source tells the driver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// A linearizable read was answered. Reads overlap, and a slow member's answer may come after a later one of
    /// another: their instants and revisions tell which is the newer.
    Read(Vec<(KeyIndex, KeyRead)>),
    /// A watch saw keys change; a read of them is on its way.
    Changed(Vec<(KeyIndex, KeyEvent)>),
    /// Every member failed, or two intervals passed without an answer; the text names each member's cause. Told once an
    /// interval for as long as it lasts.
    Unreachable { why: Arc<str> },
}
