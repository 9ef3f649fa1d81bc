//! Since when a session lasts its timeout, as far as that can be proved.
//!
//! A session ends its timeout after the ensemble's leader has heard of it last. A transaction that was answered does not
//! show that it has: a follower passes the transaction on, but tells the leader which sessions have sent something only
//! when the leader pings it, every half tick. If that follower is cut off before, the leader never hears.
//!
//! - To begin or to continue a session asks the leader itself. So a transaction that was answered later through the same
//!   connection proves that the session lasts its timeout from when the connection's first frame was *sent*. (The
//!   transaction is needed because a leader that has lost its quorum without knowing it continues sessions as well.)
//! - A request that was answered some time before a transaction was sent through the same connection has been heard of
//!   when that is answered: both went to the same leader, and what a follower tells it arrives in the order in which it
//!   was sent. The request itself may be any: a follower notes all.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Moment;

/// What the leader has heard of a session through one connection.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Within this time after an answer the leader hears of the session.
    lag: Duration,
    /// The leader has heard of it at this moment or later, if the next transaction is answered.
    since: Moment,
    /// Requests of which the leader may not have heard: when each was sent and answered.
    recent: VecDeque<(Moment, Moment)>,
}

impl Heard {
    /// The first frame of a connection was sent then.
    pub(super) const fn new(lag: Duration, sent_at: Moment) -> Self {
        Self { lag, since: sent_at, recent: VecDeque::new() }
    }

    /// A transaction was answered. Returns how long before it was sent the leader had heard of the session.
    pub(super) fn answered(&mut self, sent_at: Moment, answered_at: Moment) -> Duration {
        while let Some(&(sent, answered)) = self.recent.front()
            && answered + self.lag <= sent_at
        {
            self.since = self.since.max(sent);
            self.recent.pop_front();
        }
        self.touched(sent_at, answered_at);
        sent_at.since(self.since)
    }

    /// Any request was answered. Of those that follow closely on each other the first one counts.
    pub(super) fn touched(&mut self, sent_at: Moment, answered_at: Moment) {
        if self.recent.back().is_some_and(|(sent, _)| sent_at.since(*sent) < self.lag / SAMPLES) {
            return;
        }
        self.recent.push_back((sent_at, answered_at));
        // Those that remain reach back for longer than the lag.
        if self.recent.len() > MOST {
            self.recent.pop_front();
        }
    }
}

/// Within which time the leader hears of a session, where no session lasts longer than `longest`: half a tick, and a
/// part of a second on a busy machine. A session lasts 20 ticks at most, unless the servers are told otherwise.
pub(super) fn lag(longest: Duration) -> Duration {
    if longest > MOST_TICKS { SHORTEST } else { SHORTEST.max(longest / 40 + LATE) }
}

/// What a session has to ask for so that each renewal, sent every `ttl / 5`, proves that it lasts `ttl`.
pub(super) fn wanted(ttl: Duration, lag: Duration) -> Duration {
    let pause = ttl / RENEWALS;
    let renewals = lag.as_millis().div_ceil(pause.as_millis().max(1)).max(1);
    ttl + pause * u32::try_from(renewals).unwrap_or(1)
}

/// As the claim's plan has it.
const RENEWALS: u32 = 5;
const SAMPLES: u32 = 8;
const MOST: usize = 16;
const LATE: Duration = Duration::from_millis(500);
/// Half of the usual tick.
const SHORTEST: Duration = Duration::from_millis(1_500);
/// It is not known yet.
const MOST_TICKS: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Duration = Duration::from_millis(1_500);

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(100_000 + millis))
    }

    #[test]
    fn a_connection_counts_from_its_first_frame_and_a_transaction_from_an_earlier_one() {
        let mut heard = Heard::new(LAG, at(0));
        let mut ago = |sent, answered| heard.answered(at(sent), at(answered)).as_millis();
        assert_eq!(ago(5, 9), 5);
        assert_eq!(ago(1_000, 1_003), 1_000, "the first may not have been heard of");
        assert_eq!(ago(2_000, 2_003), 1_995);
        assert_eq!(ago(4_000, 4_900), 2_000);
        assert_eq!(ago(6_000, 6_001), 4_000, "the answer came late");
        assert_eq!(ago(6_500, 6_501), 2_500);
        assert_eq!(ago(10_000, 10_001), 3_500);
    }

    #[test]
    fn whatever_was_answered_counts_once_a_transaction_follows() {
        let mut heard = Heard::new(LAG, at(0));
        for second in 0..60 {
            heard.touched(at(second * 1_000), at(second * 1_000 + 3));
        }
        assert_eq!(heard.recent.len(), MOST);
        assert_eq!(heard.answered(at(60_000), at(60_004)).as_millis(), 2_000);
    }

    #[test]
    fn of_many_requests_a_sample_is_remembered() {
        let mut heard = Heard::new(LAG, at(0));
        for millis in 0..5_000 {
            heard.touched(at(millis), at(millis));
        }
        assert!(heard.recent.len() <= MOST);
        let ago = heard.answered(at(5_000), at(5_001));
        assert!(ago >= LAG && ago < LAG * 3 / 2, "{ago:?}");
    }

    #[test]
    fn a_session_asks_for_what_its_proof_is_late() {
        let millis = |ttl, longest| {
            let lag = lag(Duration::from_secs(longest));
            wanted(Duration::from_secs(ttl), lag).as_millis()
        };
        assert_eq!(millis(10, 40), 12_000);
        assert_eq!(millis(20, 40), 24_000);
        assert_eq!(millis(5, 40), 7_000);
        assert_eq!(millis(10, 100), 14_000, "ticks of five seconds");
        assert_eq!(wanted(Duration::from_secs(10), lag(Duration::MAX)).as_millis(), 12_000);
    }
}
