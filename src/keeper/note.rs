//! What a keeper has to say: one note a transition, with the facts that a log line or a status page needs.
//!
//! The keeper does not write sentences; whoever drains the notes does.

use std::sync::Arc;
use std::time::Duration;

use super::{KeyEvent, KeyRead, Moment};
use crate::vip::Mac;

/// Something worth a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// The address was there when the daemon started; it may stay until then unless a read says otherwise.
    Adopted {
        until: Moment,
    },
    /// A read names us, but the address cannot be put up yet.
    Waiting {
        evidence: KeyRead,
        for_what: Obstacle,
    },
    /// The kernel shows the address, and this read is why.
    Acquired {
        evidence: KeyRead,
        until: Moment,
        took: Duration,
    },
    /// Confirmations stay away; the address stays until then.
    Doubtful {
        last: Option<KeyRead>,
        why: Option<Arc<str>>,
        until: Moment,
    },
    /// A read in time ended the doubt.
    Confirmed {
        evidence: KeyRead,
        silent_for: Duration,
    },
    /// Somebody else took the address away, and it is put back. So many times more since this was last told.
    Missing {
        untold: u32,
    },
    Restored,
    /// The address has to go.
    Leaving {
        cause: Cause,
    },
    /// It is gone, so long `after` the decision.
    Released {
        cause: Cause,
        after: Duration,
    },
    /// The key does not name us, and nothing stands.
    StandingBy {
        cause: Cause,
    },
    /// The kernel refused, and it is tried again.
    Refused {
        why: Arc<str>,
        retry_in: Duration,
    },
    /// Just after the address was put up somebody else claimed it, which may be the former holder's last word.
    Echo {
        rival: Mac,
    },
    /// Another host claims the address that is ours, for the first time in this conflict.
    Contested {
        rival: Mac,
    },
    /// It goes on.
    StillContested {
        rival: Mac,
        claims: u64,
        since: Moment,
    },
    /// It is over.
    Uncontested {
        rival: Mac,
        claims: u64,
        lasted: Duration,
    },
}

/// Why an address cannot be put up yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    NoInterface,
    /// The lease under the key has too little left to start on.
    LeaseTooShort,
}

/// Why an address goes, or stays away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A read named somebody else or nobody.
    Read(KeyRead),
    /// An event did.
    Event(KeyEvent),
    /// The last confirmation is too old; the text says why none came.
    Deadline {
        last: Option<KeyRead>,
        why: Option<Arc<str>>,
    },
    /// The read names us, but its lease is about to end.
    LeaseEnding(KeyRead),
    /// Nobody confirmed the address that was found at the start.
    NeverConfirmed {
        why: Option<Arc<str>>,
    },
    /// It appeared on the interface while it should not be there.
    Intruder,
    Stop,
}
