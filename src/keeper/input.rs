//! What a source learned about a leader key, in terms that fit every store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::time::Moment;

/// The answer to one linearizable read of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRead {
    /// Who the key names.
    pub names: Names,
    /// The store's version that the read was answered at, in stores that have one.
    pub version: Option<Version>,
    /// The version that last changed the key.
    pub modified: Option<Version>,
    /// How long the leader's tenure is known to last.
    pub tenure: Tenure,
    /// When the read was sent: what it says was true at some time after this.
    pub sent_at: Moment,
    /// When the answer came: what it says was true at some time before this.
    pub answered_at: Moment,
    /// The endpoint that answered, fit for a log line.
    pub from: Arc<str>,
}

/// What a watch reported. It may be late, repeated or overtaken: it may release the VIP, never acquire it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    /// Who the key names.
    pub names: Names,
    /// The version that the change made, in stores that have one.
    pub version: Option<Version>,
    /// When it was heard: a read that was sent later has seen it.
    pub heard_at: Moment,
    /// The endpoint that reported it, fit for a log line.
    pub from: Arc<str>,
}

/// Who a key names. The source decides it, once, from what it watches for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Names {
    /// The key's value is this host's.
    Us,
    /// The key has another value.
    Other(Arc<str>),
    /// The key is absent.
    Nobody,
}

impl Names {
    /// Whether the key names this host.
    pub const fn is_us(&self) -> bool {
        matches!(self, Self::Us)
    }

    /// The key's value, where `ours` is the one that names this host.
    pub fn value<'a>(&'a self, ours: &'a str) -> Option<&'a str> {
        match self {
            Self::Us => Some(ours),
            Self::Other(value) => Some(value),
            Self::Nobody => None,
        }
    }
}

/// A store's own count of its changes, such as etcd's revision. Only versions of one store compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(pub i64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long the leader's tenure is known to last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tenure {
    /// The key has no lease and stays until somebody changes it.
    NoLease,
    /// At least this much was left when the read was sent. Zero where the lease has ended.
    AtLeast(Duration),
    /// The store does not tell it: this much was left if whoever holds the key renews it as its settings say.
    Assumed {
        /// What was left when the read was sent.
        left: Duration,
        /// The most that the lease margin takes from it, where the estimate has a margin of its own.
        margin: Duration,
    },
    /// There is a lease, but its remaining time was not asked for (the key does not name us) or not answered.
    Unknown,
}

/// How well the end of the leader's tenure is known, and so how good the promise is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grade {
    /// The store proves how much of the lease is left.
    Exact,
    /// It is computed from the leader's own settings.
    Assumed,
    /// The key has no lease: only `hold-timeout` bounds a hold.
    Leaseless,
}

impl Grade {
    /// Every grade.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Assumed, Self::Leaseless];

    /// One word for logs and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Assumed => "assumed",
            Self::Leaseless => "none",
        }
    }
}

impl KeyRead {
    /// The grade of what this read says; `None` where it does not tell.
    pub fn grade(&self) -> Option<Grade> {
        match self.tenure {
            Tenure::AtLeast(_) => Some(Grade::Exact),
            Tenure::Assumed { .. } => Some(Grade::Assumed),
            Tenure::NoLease => Some(Grade::Leaseless).filter(|_| self.names != Names::Nobody),
            Tenure::Unknown => None,
        }
    }
}
