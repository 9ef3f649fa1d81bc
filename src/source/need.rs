//! What the reads so far say of the keys, and what the next read is needed for.
//!
//! Pure: it has no clock and starts nothing.

use crate::keeper::{KeyRead, Limits};
use crate::pace::Need;
use crate::time::Moment;

/// Whether a key names this host, and how long that counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Named {
    sent_at: Moment,
    us: bool,
    /// May lie ahead even if a later read does not name us: of reads that overlapped, the keeper may believe another.
    until: Moment,
    /// A read did not name us since one allowed a hold until then.
    denied: bool,
}

impl Named {
    /// Takes in a read. `limits` are those of the VIPs that follow the key.
    pub fn note(&mut self, read: &KeyRead, limits: &[Limits]) {
        if read.sent_at < self.sent_at {
            return;
        }
        (self.sent_at, self.us) = (read.sent_at, read.names.is_us());
        self.denied |= !self.us;
        let spans = limits.iter().filter_map(|limits| limits.hold_span(read.tenure));
        if let (true, Some(span)) = (self.us, spans.min()) {
            (self.until, self.denied) = (read.sent_at + span, false);
        }
    }
}

/// What the next read of these keys is needed for.
pub fn need(keys: &[Named], now: Moment) -> Need {
    let holds = |named: &&Named| named.us && named.until > now && !named.denied;
    let idle = |named: &Named| !named.us && named.until <= now;
    Need {
        confirmation: keys.iter().any(|named| !holds(&named) && !idle(named)),
        deadline: keys.iter().filter(holds).map(|named| named.until).min(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::keeper::{Names, Tenure};

    const LIMITS: Limits = Limits { hold_timeout: Duration::from_secs(10), lease_margin: Duration::from_secs(3) };
    const SOON: Limits = Limits { hold_timeout: Duration::from_secs(6), lease_margin: Duration::from_secs(3) };

    fn at(seconds: u64) -> Moment {
        Moment::from_boot(Duration::from_secs(100 + seconds))
    }

    fn read(sent: u64, names: Names, tenure: Tenure) -> KeyRead {
        let (version, modified) = (None, None);
        KeyRead { names, version, modified, tenure, sent_at: at(sent), answered_at: at(sent), from: "test".into() }
    }

    fn wanted(reads: &[KeyRead], limits: &[Limits], now: u64) -> (bool, Option<Moment>) {
        let mut named = Named::default();
        for read in reads {
            named.note(read, limits);
        }
        let Need { confirmation, deadline } = need(&[named], at(now));
        (confirmation, deadline)
    }

    #[test]
    fn the_earliest_deadline_of_the_vips_counts() {
        let ours = [read(0, Names::Us, Tenure::NoLease)];
        assert_eq!(wanted(&ours, &[LIMITS, SOON], 1), (false, Some(at(6))));
        assert_eq!(wanted(&ours, &[LIMITS], 1), (false, Some(at(10))));
        assert_eq!(wanted(&[read(0, Names::Nobody, Tenure::NoLease)], &[LIMITS], 1), (false, None));
    }

    #[test]
    fn a_confirmation_is_needed_where_the_key_names_us_and_allows_nothing() {
        let ending = Tenure::AtLeast(Duration::from_secs(2));
        assert_eq!(wanted(&[read(0, Names::Us, ending)], &[LIMITS], 1), (true, None));
        let ours = read(0, Names::Us, Tenure::NoLease);
        assert_eq!(wanted(std::slice::from_ref(&ours), &[LIMITS], 10), (true, None), "the deadline has passed");
        let moved = read(1, Names::Nobody, Tenure::NoLease);
        assert_eq!(wanted(&[ours.clone(), moved.clone()], &[LIMITS], 2), (true, None), "an older read still allows it");
        assert_eq!(wanted(&[ours.clone(), moved.clone()], &[LIMITS], 10), (false, None));
        assert_eq!(wanted(&[moved, ours], &[LIMITS], 2), (false, None), "an older read came later");
    }

    #[test]
    fn a_lease_that_is_not_told_leaves_the_deadline_as_it_is() {
        let reads = [read(0, Names::Us, Tenure::NoLease), read(1, Names::Us, Tenure::Unknown)];
        assert_eq!(wanted(&reads, &[LIMITS], 2), (false, Some(at(10))));
        let [ours, unknown] = reads;
        let reads = [ours, read(1, Names::Nobody, Tenure::NoLease), KeyRead { sent_at: at(2), ..unknown }];
        assert_eq!(wanted(&reads, &[LIMITS], 3), (true, None), "the deadline was another tenure's");
    }
}
