//! The claim as data: what is known of it, what became of it in the store, what is wanted of it.

use std::sync::Arc;
use std::time::Duration;

use crate::time::Moment;

/// Whether a VIP is claimed in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClaimMode {
    /// Never: the leader key decides alone.
    #[default]
    Off,
    /// Where the store lets this host claim.
    Auto,
    /// Always: without a claim the VIP is not held.
    Require,
}

/// What became of the claim in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum ClaimReport {
    /// The store acknowledged the claim, new or renewed. It cannot end before `bound` has passed since `sent_at`.
    /// `named`: the same step showed that the leader key names this host, or a read behind it did.
    Held { sent_at: Moment, answered_at: Moment, bound: Duration, named: bool },
    /// Another host has it, for at most so long unless that host renews it.
    Taken { by: Arc<str>, at_most: Option<Duration> },
    /// It was ours and is gone.
    Lost { why: Arc<str> },
    /// The store does not let this host claim.
    Refused { why: Arc<str>, cure: Option<Arc<str>> },
    /// The store did not answer, so it is not known what became of the request.
    Unknown { why: Arc<str> },
    /// No claim of this host is in the store.
    Absent,
}

/// What a keeper wants of the claim: a level, not an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClaimWish {
    /// Nothing: it is left as it is.
    #[default]
    Nothing,
    /// A watch heard that the leader key names this host, and no read has confirmed it yet: the claim is created where that
    /// step compares the leader key. Elsewhere as `Nothing`.
    Ahead,
    /// It is ours and stays so.
    Hold,
    /// If it is ours it stays so. It is not created.
    Keep,
    /// No claim of this host is left.
    Delete,
}

impl ClaimWish {
    pub(super) const fn is_wanted(self) -> bool {
        matches!(self, Self::Ahead | Self::Hold | Self::Keep)
    }
}

/// What is known of the claim of one VIP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// Nothing. A predecessor of this process may have left one.
    Unknown,
    /// It is ours, and holds at least until then, the margin subtracted.
    Ours {
        /// When it ends the hold unless it is renewed.
        until: Moment,
    },
    /// Another host has it.
    Taken {
        /// The other host.
        by: Arc<str>,
        /// When it ends at the latest unless that host renews it.
        until: Option<Moment>,
    },
    /// The store does not let us claim.
    Refused {
        /// The reason, for people.
        why: Arc<str>,
    },
    /// There is none of ours.
    Absent,
}

/// The claim of a keeper.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) known: Claimed,
    pub(super) wish: ClaimWish,
    /// Since when it is wanted without a break: what was asked before may have been undone since.
    pub(super) wanted_since: Moment,
    /// When a watch heard that the key names this host, until a read decides.
    pub(super) heard_at: Option<Moment>,
    /// A read that was sent earlier does not admit.
    pub(super) reads_count_from: Moment,
    /// Why the last request was not answered, until one is.
    pub(super) unconfirmed: Option<Arc<str>>,
    /// The other host that was last reported.
    pub(super) told_by: Option<Arc<str>>,
    /// A refusal was reported.
    pub(super) told_refused: bool,
}

impl Claim {
    pub(super) const fn new() -> Self {
        Self {
            known: Claimed::Unknown,
            wish: ClaimWish::Nothing,
            wanted_since: Moment::from_boot(Duration::ZERO),
            heard_at: None,
            reads_count_from: Moment::from_boot(Duration::ZERO),
            unconfirmed: None,
            told_by: None,
            told_refused: false,
        }
    }
}
