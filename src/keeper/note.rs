//! What a keeper reports: at most one note per transition, with the facts that a log line or a status page needs.
//!
//! The keeper does not write sentences; whoever drains the notes does.

use std::sync::Arc;
use std::time::Duration;

use super::input::{Grade, KeyEvent, KeyRead, Names};
use crate::time::Moment;
use crate::vip::Mac;

/// Something worth a log line.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Note {
    /// The address was present when the daemon started; it may stay `until` then unless a read says otherwise.
    Adopted { until: Moment },
    /// A read names us, but the address cannot be added yet.
    Waiting { evidence: KeyRead, for_what: Obstacle },
    /// The kernel shows the address, because of this read. It `took` so long from the decision. The grade is that of the
    /// claim where there is one.
    Acquired { evidence: KeyRead, until: Moment, took: Duration, grade: Option<Grade> },
    /// Confirmations are missing; the address stays `until` then.
    Doubtful { last: Option<KeyRead>, why: Option<Arc<str>>, until: Moment },
    /// The promise has another grade than before, since this read.
    Graded { evidence: KeyRead, before: Grade, now: Grade },
    /// A read in time ended the doubt.
    Confirmed { evidence: KeyRead, silent_for: Duration },
    /// Somebody else removed the address, and it is added again. Counts the notes like this that were suppressed.
    Missing { suppressed: u32 },
    /// It is present again.
    Restored,
    /// The address is being removed.
    Releasing { cause: Cause },
    /// It is removed, so long `after` the decision.
    Released { cause: Cause, after: Duration },
    /// The key does not name us, and the address is absent.
    StandingBy { cause: Cause },
    /// Another host has the claim, for at most so long unless it renews it. It is waited for.
    Claimed { by: Arc<str>, at_most: Option<Duration> },
    /// The store does not let this host claim; `cure` says what would.
    ClaimRefused { why: Arc<str>, cure: Option<Arc<str>>, required: bool },
    /// The store does not acknowledge the claim. An address that is held stays `until` then.
    ClaimUnconfirmed { why: Arc<str>, until: Option<Moment> },
    /// The kernel refused an order, which is retried.
    Refused { why: Arc<str>, retry_in: Duration },
    /// Somebody else claimed the address just after it was added: perhaps the last packet of the former holder.
    Echo { rival: Mac },
    /// Another host claims the address that is ours, for the first time in this conflict.
    Contested { rival: Mac },
    /// The conflict continues.
    StillContested { rival: Mac, claims: u64, since: Moment },
    /// The conflict is over.
    Uncontested { rival: Mac, claims: u64, lasted: Duration },
}

/// Why an address cannot be added yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// There is no interface with the configured name.
    NoInterface,
    /// Too little is left of the lease under the key.
    LeaseTooShort,
}

/// Why an address is removed, or not added.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Cause {
    /// A read named somebody else or nobody.
    Read(KeyRead),
    /// An event did.
    Event(KeyEvent),
    /// The last confirmation is too old; the text says why there is no newer one.
    Deadline { last: Option<KeyRead>, why: Option<Arc<str>> },
    /// The kernel has removed the address at the end of its lifetime, before a newer confirmation; fields as above.
    Lifetime { last: Option<KeyRead>, why: Option<Arc<str>> },
    /// The read names us, but its lease is about to end.
    LeaseEnding(KeyRead),
    /// Nobody confirmed the address that was found at the start.
    NeverConfirmed { why: Option<Arc<str>> },
    /// The claim was ours and is gone.
    ClaimLost { why: Arc<str> },
    /// Another host has the claim.
    ClaimTaken { by: Arc<str> },
    /// The store has not acknowledged the claim for too long; the text says why.
    ClaimDeadline { why: Option<Arc<str>> },
    /// Somebody else added it to the interface while it should be absent.
    Foreign,
    /// The daemon is stopping, or the VIP was removed from its configuration.
    Stop,
}

/// What the notes need to remember between two transitions.
#[derive(Clone, Debug, Default)]
pub(super) struct Narration {
    pub(super) decided_at: Moment,
    /// The address was present and somebody else removed it.
    pub(super) missing: bool,
    /// Whether that was reported, so that its return is reported, too.
    pub(super) missing_told: bool,
    /// What others did to the address.
    pub(super) interventions: Repeats,
    /// The other holder of the key that was last reported.
    pub(super) told_holder: Option<Names>,
    /// The grade that was last reported.
    pub(super) told_grade: Option<Grade>,
    /// Why a release was decided, and whether there was anything to release.
    pub(super) release_cause: Option<(Cause, bool)>,
    /// The last obstacle that was reported.
    pub(super) waiting: Option<Obstacle>,
    /// The last refusal that was reported.
    pub(super) refused: Option<Arc<str>>,
}

/// Lets the first few notes of a kind per minute through, and counts the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    since: Option<Moment>,
    told: u32,
    suppressed: u32,
}

impl Repeats {
    /// Counts one more. If it is to be reported: how many were suppressed since the last that was.
    pub(super) fn count(&mut self, now: Moment) -> Option<u32> {
        if self.since.is_none_or(|since| now.since(since) >= MINUTE) {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told == MOST {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

const MOST: u32 = 3;
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_notes_a_minute_pass_and_the_next_minute_counts_the_suppressed() {
        let mut repeats = Repeats::default();
        let at = |seconds: u64| Moment::from_boot(Duration::from_secs(1_000 + seconds));
        let told: Vec<_> = (0..8).map(|second| repeats.count(at(second))).collect();
        assert_eq!(told, [Some(0), Some(0), Some(0), None, None, None, None, None]);
        assert_eq!(repeats.count(at(60)), Some(5));
        assert_eq!(repeats.count(at(61)), Some(0));
    }
}
