//! What an answer proved of a lease, so that it is not asked again.
//!
//! A lease has never less than the proved rest left while its key lives under it: only a renewal changes the end of a
//! lease, and only to a later one.
//!
//! The rest is counted by this host's clock, which may stand still while the machine is paused. So a proof counts for a
//! hold-timeout at most: after such a pause the old proof and the last read that used it bound the hold by twice that.
//! Pure.

use std::time::Duration;

use crate::keeper::Limits;
use crate::time::Moment;

/// How much a lease had left at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proof {
    pub tenant: Tenant,
    pub at: Moment,
    pub left: Duration,
}

/// The key that lives under a lease: one that was written anew may have another lease, or the same with less left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tenant {
    pub lease: i64,
    /// The version that created the key. A lease that is revoked takes its keys with it, whoever uses its id again.
    pub created: i64,
    /// The term of the store's leader: after an election somebody else counts.
    pub term: u64,
}

impl Proof {
    /// What is left for sure, clocks that differ by 5 % allowed for.
    pub fn left(&self, now: Moment) -> Duration {
        let age = now.since(self.at);
        self.left.saturating_sub(age + age / CLOCKS_DIFFER)
    }

    /// What the lease has left for sure, if the proof still counts and more would change nothing for any VIP.
    pub fn enough(&self, now: Moment, limits: &[Limits]) -> Option<Duration> {
        let (age, left) = (now.since(self.at), self.left(now));
        limits.iter().all(|limits| age <= limits.hold_timeout && left >= limits.enough()).then_some(left)
    }
}

/// One part in so many.
const CLOCKS_DIFFER: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: Tenant = Tenant { lease: 7, created: 3, term: 2 };

    fn proof() -> (Moment, Proof) {
        let at = Moment::from_boot(Duration::from_secs(100));
        (at, Proof { tenant: TENANT, at, left: Duration::from_secs(30) })
    }

    #[test]
    fn a_proof_ages_a_little_faster_than_the_clock() {
        let (at, proof) = proof();
        assert_eq!(proof.left(at), Duration::from_secs(30));
        assert_eq!(proof.left(at + Duration::from_secs(10)), Duration::from_millis(19_500));
        assert_eq!(proof.left(at + Duration::from_secs(30)), Duration::ZERO);
    }

    #[test]
    fn a_proof_counts_while_it_is_fresh_and_enough_for_every_vip() {
        let (at, proof) = proof();
        let limits = |hold| Limits { hold_timeout: Duration::from_secs(hold), lease_margin: Duration::from_secs(3) };
        let enough = |age, limits: &[Limits]| proof.enough(at + Duration::from_secs(age), limits);
        assert_eq!(enough(10, &[limits(10)]), Some(Duration::from_millis(19_500)));
        assert_eq!(enough(11, &[limits(10)]), None, "the clock may have stood still");
        assert_eq!(enough(10, &[limits(10), limits(17)]), None, "it would bound a deadline");
    }
}
