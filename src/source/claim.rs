//! One claim, step by step: what to ask the store next, and what its answer means.
//!
//! Pure: it has no clock and asks nobody. The engine beside it carries the requests out, and the simulator runs this
//! file. One request is under way at a time.
//!
//! # Rules
//! - Ahead of the read that is to confirm a change of the leader key nothing is asked but to create the claim, and only
//!   where that step compares the leader key.
//! - A claim is created only where there is none, and renewed every fifth of its time to live, at once after a failure.
//! - What another host has is waited for: it is neither taken over nor deleted, however long it lasts.
//! - Where nothing ends by itself ([`Ending::Unchanged`]) it is over once this host has seen it unchanged for as long as
//!   it lasts, by a clock that may run a little slow. Only then it is replaced, if it is still the same. So that the
//!   wait does not begin when this host is to lead, it is looked at all the time.
//! - What this host has, left by an earlier process of the same boot, is taken over: replaced if it is still the same.
//! - A request without an answer may be carried out at any time later. So after a creation, a replacement or a deletion
//!   without an answer nothing is known, and what is found then is replaced before it counts: a late deletion compares
//!   and finds another claim than its own.

use std::sync::Arc;
use std::time::Duration;

use crate::keeper::{ClaimReport, ClaimWish};
use crate::time::Moment;

/// Identifies a claim in the store. Every change of the claim but a renewal changes its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The store's version of the claim.
    pub version: i64,
    /// The lease or session that the claim depends on.
    pub session: Arc<str>,
}

/// Who has a claim. A host that was booted again is another one: its address is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The value of the leader key that names the host.
    pub host: Arc<str>,
    /// The kernel's id of this boot.
    pub boot: Arc<str>,
}

/// How a claim ends that is not renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The store removes it.
    ByItself,
    /// It stays. It is over for whoever has seen it unchanged for as long as it lasts: each renewal changes its version.
    Unchanged,
}

/// What to ask the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Read it.
    Look,
    /// Create it if there is none and, where the store can tell in the same step, if the leader key names this host.
    Create,
    /// Replace it if it is still this one.
    TakeOver(Token),
    /// Renew it if it is still this one.
    Renew(Token),
    /// Delete it if it is still this one.
    Delete(Token),
}

/// What the store answered.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Answer {
    /// It is created, replaced or renewed, and cannot end before `bound` has passed since the request was sent. `named`:
    /// the same step showed that the leader key names this host, or a read behind it did.
    Ours { token: Token, bound: Duration, named: bool },
    /// There is one, and it is not the one asked for. `owner` is unknown where the value is not of this program. If it is
    /// not renewed, it is over `at_most` after this answer.
    Present { token: Token, owner: Option<Owner>, by: Arc<str>, at_most: Option<Duration> },
    /// There is none.
    Absent,
    /// It was not created, because the leader key does not name this host.
    NotNamed,
    /// The store does not let us.
    Refused { why: Arc<str>, cure: Option<Arc<str>> },
}

/// One claim: what is wanted of it, what is known of it, when to ask for what.
#[derive(Clone, Debug)]
pub struct Plan {
    us: Owner,
    ttl: Duration,
    ending: Ending,
    /// A creation compares the leader key in the same step.
    compares_leader: bool,
    wish: ClaimWish,
    known: Known,
    /// The claim of another host that was seen last, and when it was seen first.
    foreign: Option<(Token, Moment)>,
    /// The request under way, and when it was sent.
    asked: Option<(Request, Moment)>,
    /// When the next request is due.
    due: Option<Moment>,
    failures: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Known {
    /// Nothing.
    Unsure,
    Ours(Token),
    /// Left by an earlier process on this host, or by a request of ours whose answer was lost.
    Left(Token),
    /// It is another host's, and over.
    Over(Token),
    /// There is none of ours.
    NotOurs,
}

impl Plan {
    /// A claim of which nothing is wanted yet.
    pub const fn new(us: Owner, ttl: Duration, ending: Ending, compares_leader: bool) -> Self {
        let (wish, known) = (ClaimWish::Nothing, Known::Unsure);
        // One that ends by itself is not looked at before something is wanted of it.
        let due = Some(Moment::from_boot(Duration::ZERO));
        Self { us, ttl, ending, compares_leader, wish, known, foreign: None, asked: None, due, failures: 0 }
    }

    /// Takes what is wanted now.
    pub fn want(&mut self, wish: ClaimWish, now: Moment) {
        let wish = if wish == ClaimWish::Ahead && !self.compares_leader { ClaimWish::Nothing } else { wish };
        if self.wish == wish {
            return;
        }
        // What is or is being created ahead is renewed when it is time to.
        let begun = self.asked.is_some() || matches!(self.known, Known::Ours(_));
        let stays = (self.wish, wish) == (ClaimWish::Ahead, ClaimWish::Hold) && begun;
        self.wish = wish;
        self.failures = 0;
        if !stays {
            self.due = Some(now);
        }
        if wish == ClaimWish::Nothing {
            // Nobody renews it from here on.
            self.known = Known::Unsure;
        }
    }

    /// When to call [`next`](Self::next), if no answer and no change comes before.
    pub fn due(&self) -> Option<Moment> {
        self.due.filter(|_| self.asked.is_none() && self.request().is_some())
    }

    /// Whether a change of the claim is to be watched for and told with [`changed`](Self::changed).
    pub fn watches(&self) -> bool {
        self.wish == ClaimWish::Hold && self.known == Known::NotOurs
    }

    /// The claim was seen to change.
    pub const fn changed(&mut self, now: Moment) {
        self.due = Some(now);
    }

    /// The next request, if one is due.
    pub fn next(&mut self, now: Moment) -> Option<Request> {
        if self.due()? > now {
            return None;
        }
        let request = self.request()?;
        self.asked = Some((request.clone(), now));
        self.due = None;
        Some(request)
    }

    fn request(&self) -> Option<Request> {
        match (self.wish, &self.known) {
            (ClaimWish::Ahead | ClaimWish::Hold | ClaimWish::Keep, Known::Ours(token)) => {
                Some(Request::Renew(token.clone()))
            }
            (ClaimWish::Hold, Known::Left(token) | Known::Over(token)) => Some(Request::TakeOver(token.clone())),
            (ClaimWish::Ahead | ClaimWish::Hold, Known::Unsure | Known::NotOurs) => Some(Request::Create),
            (ClaimWish::Delete, Known::Ours(token) | Known::Left(token)) => Some(Request::Delete(token.clone())),
            (ClaimWish::Delete, Known::Unsure | Known::NotOurs | Known::Over(_)) => Some(Request::Look),
            (ClaimWish::Ahead | ClaimWish::Keep, Known::Left(_) | Known::Over(_))
            | (ClaimWish::Keep, Known::Unsure | Known::NotOurs) => None,
            (ClaimWish::Nothing, _) => (self.ending == Ending::Unchanged).then_some(Request::Look),
        }
    }

    /// The request under way was answered.
    pub fn answered(&mut self, answer: Answer, now: Moment) -> Option<ClaimReport> {
        let (request, sent_at) = self.asked.take()?;
        self.failures = 0;
        let unasked = self.wish == ClaimWish::Nothing && request == Request::Look;
        // What is wanted may have changed meanwhile.
        let early = self.due;
        let (known, due, report) = match answer {
            Answer::Ours { token, bound, named } => {
                let report = ClaimReport::Held { sent_at, answered_at: now, bound, named };
                (Known::Ours(token), Some(sent_at + self.ttl / RENEWALS), Some(report))
            }
            Answer::Present { token, owner: Some(owner), .. } if owner == self.us => {
                let due = if self.wish == ClaimWish::Nothing { self.later(now) } else { Some(now) };
                (Known::Left(token), due, None)
            }
            Answer::Present { token, by, at_most, .. } => self.respect(token, by, at_most, now),
            Answer::Absent => match request {
                Request::Renew(_) => (
                    Known::NotOurs,
                    Some(now),
                    Some(ClaimReport::Lost { why: "it was not renewed in time or deleted".into() }),
                ),
                Request::TakeOver(_) => (Known::NotOurs, Some(now), None),
                Request::Look | Request::Create | Request::Delete(_) => {
                    (Known::NotOurs, self.later(now), Some(ClaimReport::Absent))
                }
            },
            Answer::NotNamed => (Known::NotOurs, self.later(now), None),
            Answer::Refused { why, cure } => {
                let known = if let Request::Renew(token) = request { Known::Ours(token) } else { Known::NotOurs };
                (known, Some(now + REFUSED), Some(ClaimReport::Refused { why, cure }))
            }
        };
        self.known = if self.wish == ClaimWish::Nothing { Known::Unsure } else { known };
        self.due = early.or(due);
        report.filter(|_| !unasked)
    }

    /// Another host has it.
    fn respect(
        &mut self,
        token: Token,
        by: Arc<str>,
        at_most: Option<Duration>,
        now: Moment,
    ) -> (Known, Option<Moment>, Option<ClaimReport>) {
        if self.ending == Ending::ByItself {
            return (Known::NotOurs, self.later(now), Some(ClaimReport::Taken { by, at_most }));
        }
        let since = self.foreign.take().filter(|(seen, _)| *seen == token).map_or(now, |(_, since)| since);
        self.foreign = Some((token.clone(), since));
        let left = at_most.map(|lasts| (lasts + lasts / CLOCKS_DIFFER).saturating_sub(now.since(since)));
        if left.is_some_and(|left| left.is_zero()) && self.wish == ClaimWish::Hold {
            return (Known::Over(token), Some(now), None);
        }
        let over = left.filter(|_| self.wish == ClaimWish::Hold).map(|left| now + left);
        let due = self.later(now).map(|later| over.map_or(later, |over| over.min(later)));
        (Known::NotOurs, due, Some(ClaimReport::Taken { by, at_most: left }))
    }

    /// Nothing more is to be done where the claim is to be deleted and none is ours.
    fn later(&self, now: Moment) -> Option<Moment> {
        match self.wish {
            ClaimWish::Ahead | ClaimWish::Hold | ClaimWish::Keep => Some(now + POLL),
            ClaimWish::Delete => None,
            ClaimWish::Nothing => Some(now + self.ttl / LOOKS),
        }
    }

    /// The request under way was not answered: it may or may not be carried out, now or later.
    pub fn failed(&mut self, why: Arc<str>, now: Moment) -> Option<ClaimReport> {
        let (request, _) = self.asked.take()?;
        if self.wish == ClaimWish::Nothing && request == Request::Look {
            self.due = self.due.or(self.later(now));
            return None;
        }
        if matches!(request, Request::Create | Request::TakeOver(_) | Request::Delete(_)) {
            self.known = Known::Unsure;
        }
        let pause = PAUSES.get(usize::try_from(self.failures).unwrap_or(usize::MAX)).unwrap_or(&LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.due = self.due.or(Some(now + *pause));
        Some(ClaimReport::Unknown { why })
    }
}

/// Renewals within one time to live.
const RENEWALS: u32 = 5;
/// Looks within one time to live at a claim that does not end by itself, while nothing is wanted of it.
const LOOKS: u32 = 2;
/// Another host's clock, by which it holds, may be slower by one part in so many.
const CLOCKS_DIFFER: u32 = 20;
/// How often another host's claim is looked at, where its end is not seen by a watch.
const POLL: Duration = Duration::from_secs(1);
/// A right may be granted meanwhile.
const REFUSED: Duration = Duration::from_secs(10);
/// Each attempt asks another endpoint.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Moment {
        Moment::from_boot(Duration::from_millis(100_000 + millis))
    }

    fn owner(host: &str, boot: &str) -> Owner {
        Owner { host: host.into(), boot: boot.into() }
    }

    fn token(version: i64) -> Token {
        Token { version, session: "7".into() }
    }

    fn plan(wish: ClaimWish) -> Plan {
        let mut plan = Plan::new(owner("pg1", "b1"), TTL, Ending::ByItself, true);
        plan.want(wish, at(0));
        plan
    }

    /// In a store where nothing ends by itself.
    fn lasting(wish: ClaimWish) -> Plan {
        let mut plan = Plan::new(owner("pg1", "b1"), TTL, Ending::Unchanged, false);
        plan.want(wish, at(0));
        plan
    }

    fn ours(version: i64) -> Answer {
        Answer::Ours { token: token(version), bound: TTL, named: false }
    }

    fn present(version: i64, host: &str, boot: &str) -> Answer {
        Answer::Present { token: token(version), owner: Some(owner(host, boot)), by: host.into(), at_most: None }
    }

    #[test]
    fn a_claim_is_created_and_renewed_five_times_in_its_time_to_live() {
        let mut plan = plan(ClaimWish::Hold);
        assert_eq!(plan.next(at(0)), Some(Request::Create));
        assert_eq!((plan.next(at(1)), plan.due()), (None, None), "one request at a time");
        let held = ClaimReport::Held { sent_at: at(0), answered_at: at(3), bound: TTL, named: false };
        assert_eq!(plan.answered(ours(4), at(3)), Some(held));
        assert_eq!((plan.due(), plan.next(at(1_999))), (Some(at(2_000)), None));
        assert_eq!(plan.next(at(2_005)), Some(Request::Renew(token(4))));
        let held = ClaimReport::Held { sent_at: at(2_005), answered_at: at(2_009), bound: TTL, named: false };
        assert_eq!(plan.answered(ours(4), at(2_009)), Some(held));
    }

    #[test]
    fn another_hosts_claim_is_waited_for_however_long_it_lasts() {
        let mut plan = plan(ClaimWish::Hold);
        for second in 0..100 {
            assert_eq!(plan.next(at(second * 1_000)), Some(Request::Create), "{second}");
            let report = plan.answered(present(4, "pg2", "b2"), at(second * 1_000));
            assert_eq!(report, Some(ClaimReport::Taken { by: "pg2".into(), at_most: None }));
            assert!(plan.watches());
        }
        plan.changed(at(99_100));
        assert_eq!(plan.next(at(99_100)), Some(Request::Create));
        assert!(matches!(plan.answered(ours(5), at(99_101)), Some(ClaimReport::Held { .. })));
        assert!(!plan.watches());
    }

    #[test]
    fn what_an_earlier_process_left_is_replaced_and_what_an_earlier_boot_left_is_not() {
        let mut one = plan(ClaimWish::Hold);
        one.next(at(0));
        assert_eq!(one.answered(present(4, "pg1", "b1"), at(1)), None);
        assert_eq!(one.next(at(1)), Some(Request::TakeOver(token(4))));
        assert!(matches!(one.answered(ours(5), at(2)), Some(ClaimReport::Held { .. })));
        let mut other = plan(ClaimWish::Hold);
        other.next(at(0));
        assert!(matches!(other.answered(present(4, "pg1", "b0"), at(1)), Some(ClaimReport::Taken { .. })));
    }

    #[test]
    fn after_a_lost_answer_what_is_found_is_replaced_before_it_counts() {
        let mut plan = plan(ClaimWish::Hold);
        plan.next(at(0));
        plan.answered(ours(4), at(1));
        plan.want(ClaimWish::Delete, at(10));
        assert_eq!(plan.next(at(10)), Some(Request::Delete(token(4))));
        assert!(matches!(plan.failed("silent".into(), at(1_010)), Some(ClaimReport::Unknown { .. })));
        plan.want(ClaimWish::Hold, at(1_020));
        assert_eq!(plan.next(at(1_020)), Some(Request::Create));
        assert_eq!(plan.answered(present(4, "pg1", "b1"), at(1_021)), None);
        assert_eq!(plan.next(at(1_021)), Some(Request::TakeOver(token(4))));
    }

    #[test]
    fn a_renewal_is_repeated_at_once_and_a_claim_that_is_gone_is_lost() {
        let mut plan = plan(ClaimWish::Keep);
        assert_eq!((plan.next(at(0)), plan.due()), (None, None), "nothing is created");
        plan.want(ClaimWish::Hold, at(0));
        plan.next(at(0));
        plan.answered(ours(4), at(1));
        plan.want(ClaimWish::Keep, at(5));
        assert_eq!(plan.next(at(5)), Some(Request::Renew(token(4))));
        plan.failed("silent".into(), at(1_005));
        assert_eq!(plan.next(at(1_005)), Some(Request::Renew(token(4))));
        plan.failed("silent".into(), at(2_005));
        assert_eq!((plan.next(at(2_005)), plan.due()), (None, Some(at(2_055))));
        plan.next(at(2_055));
        assert!(matches!(plan.answered(Answer::Absent, at(2_060)), Some(ClaimReport::Lost { .. })));
        assert_eq!(plan.next(at(2_060)), None, "it is not created again");
    }

    #[test]
    fn ahead_of_a_read_a_claim_is_created_where_the_leader_key_is_compared_and_nothing_else_is_done() {
        let mut one = plan(ClaimWish::Ahead);
        assert_eq!(one.next(at(0)), Some(Request::Create));
        one.want(ClaimWish::Hold, at(2));
        assert!(matches!(one.answered(ours(4), at(3)), Some(ClaimReport::Held { .. })));
        assert_eq!((one.next(at(1_999)), one.next(at(2_000))), (None, Some(Request::Renew(token(4)))));

        let mut answered_first = plan(ClaimWish::Ahead);
        answered_first.next(at(0));
        assert!(matches!(answered_first.answered(ours(4), at(3)), Some(ClaimReport::Held { .. })));
        answered_first.want(ClaimWish::Hold, at(4));
        assert_eq!(answered_first.due(), Some(at(2_000)), "it was created a moment ago");

        let mut not_confirmed = plan(ClaimWish::Ahead);
        not_confirmed.next(at(0));
        not_confirmed.want(ClaimWish::Delete, at(2));
        not_confirmed.answered(ours(4), at(3));
        assert_eq!(not_confirmed.next(at(3)), Some(Request::Delete(token(4))));

        let mut left = plan(ClaimWish::Ahead);
        left.next(at(0));
        left.answered(present(4, "pg1", "b1"), at(1));
        assert_eq!(left.next(at(1)), None, "a replacement does not compare the leader key");
        left.want(ClaimWish::Hold, at(2));
        assert_eq!(left.next(at(2)), Some(Request::TakeOver(token(4))));

        let mut without = Plan::new(owner("pg1", "b1"), TTL, Ending::ByItself, false);
        without.want(ClaimWish::Ahead, at(0));
        assert_eq!(without.next(at(0)), None);
        without.want(ClaimWish::Hold, at(2));
        assert_eq!(without.next(at(2)), Some(Request::Create));
    }

    #[test]
    fn nothing_is_deleted_but_what_this_host_has() {
        let mut left = plan(ClaimWish::Delete);
        assert_eq!(left.next(at(0)), Some(Request::Look));
        assert_eq!(left.answered(present(4, "pg1", "b1"), at(1)), None);
        assert_eq!(left.next(at(1)), Some(Request::Delete(token(4))));
        assert_eq!(left.answered(Answer::Absent, at(2)), Some(ClaimReport::Absent));
        assert_eq!(left.due(), None);
        let mut foreign = plan(ClaimWish::Delete);
        foreign.next(at(0));
        assert!(matches!(foreign.answered(present(4, "pg2", "b2"), at(1)), Some(ClaimReport::Taken { .. })));
        assert_eq!(foreign.due(), None);
    }

    #[test]
    fn a_wish_that_changes_while_a_request_is_under_way_is_worked_on_right_after() {
        let mut plan = plan(ClaimWish::Hold);
        plan.next(at(0));
        plan.want(ClaimWish::Delete, at(5));
        assert!(matches!(plan.answered(ours(4), at(9)), Some(ClaimReport::Held { .. })));
        assert_eq!(plan.next(at(9)), Some(Request::Delete(token(4))));
    }

    #[test]
    fn a_refusal_is_tried_again_later() {
        let mut plan = plan(ClaimWish::Hold);
        plan.next(at(0));
        let refused = Answer::Refused { why: "permission denied".into(), cure: None };
        assert!(matches!(plan.answered(refused, at(1)), Some(ClaimReport::Refused { .. })));
        assert_eq!(plan.due(), Some(at(10_001)));
    }

    /// Another host's claim, which lasts 10 s.
    fn lasts(version: i64) -> Answer {
        let owner = Some(owner("pg2", "b2"));
        Answer::Present { token: token(version), owner, by: "pg2".into(), at_most: Some(TTL) }
    }

    fn taken(left: u64) -> ClaimReport {
        ClaimReport::Taken { by: "pg2".into(), at_most: Some(Duration::from_millis(left)) }
    }

    #[test]
    fn a_claim_that_stays_is_over_once_it_was_seen_unchanged_for_a_little_more_than_it_lasts() {
        let mut plan = lasting(ClaimWish::Hold);
        assert_eq!(plan.next(at(0)), Some(Request::Create));
        assert_eq!(plan.answered(lasts(4), at(100)), Some(taken(10_500)));
        assert!(plan.watches() && plan.due() == Some(at(1_100)));
        // It is renewed: the wait begins anew.
        plan.changed(at(700));
        plan.next(at(700));
        assert_eq!(plan.answered(lasts(5), at(701)), Some(taken(10_500)));
        for second in 1..=10 {
            assert_eq!(plan.next(at(701 + second * 1_000)), Some(Request::Create), "{second}");
            assert_eq!(plan.answered(lasts(5), at(701 + second * 1_000)), Some(taken(10_500 - second * 1_000)));
        }
        assert_eq!(plan.due(), Some(at(11_201)), "when it is over");
        assert_eq!(plan.next(at(11_201)), Some(Request::Create));
        assert_eq!(plan.answered(lasts(5), at(11_202)), None);
        assert_eq!(plan.next(at(11_202)), Some(Request::TakeOver(token(5))));
        assert!(matches!(plan.answered(ours(6), at(11_204)), Some(ClaimReport::Held { .. })));
        assert_eq!(plan.next(at(13_202)), Some(Request::Renew(token(6))));
    }

    #[test]
    fn a_claim_that_was_renewed_at_the_last_moment_is_waited_for_again() {
        let mut plan = lasting(ClaimWish::Hold);
        plan.next(at(0));
        plan.answered(lasts(4), at(0));
        plan.next(at(10_500));
        assert_eq!(plan.answered(lasts(4), at(10_500)), None);
        assert_eq!(plan.next(at(10_500)), Some(Request::TakeOver(token(4))));
        assert_eq!(plan.answered(lasts(5), at(10_501)), Some(taken(10_500)));
    }

    #[test]
    fn a_claim_that_stays_is_looked_at_before_it_is_wanted() {
        let mut plan = lasting(ClaimWish::Nothing);
        assert_eq!(plan.next(at(0)), Some(Request::Look));
        assert_eq!(plan.answered(lasts(4), at(1)), None, "nobody asked");
        assert_eq!((plan.due(), plan.watches()), (Some(at(5_001)), false));
        plan.next(at(5_001));
        assert_eq!(plan.failed("silent".into(), at(6_000)), None, "nobody asked");
        plan.next(at(11_000));
        assert_eq!(plan.answered(lasts(4), at(11_000)), None);
        plan.want(ClaimWish::Hold, at(12_000));
        assert_eq!(plan.next(at(12_000)), Some(Request::Create));
        assert_eq!(plan.answered(lasts(4), at(12_001)), None);
        assert_eq!(plan.next(at(12_001)), Some(Request::TakeOver(token(4))), "seen since 1");

        let mut left = lasting(ClaimWish::Nothing);
        left.next(at(0));
        assert_eq!(left.answered(present(4, "pg1", "b1"), at(1)), None);
        assert_eq!(left.due(), Some(at(5_001)), "an earlier process of this host left it");

        let mut by_itself = Plan::new(owner("pg1", "b1"), TTL, Ending::ByItself, true);
        assert_eq!((by_itself.next(at(0)), by_itself.due()), (None, None));
    }

    #[test]
    fn another_hosts_claim_that_is_over_is_not_deleted_and_one_without_an_end_is_never_over() {
        let mut plan = lasting(ClaimWish::Hold);
        plan.next(at(0));
        plan.answered(lasts(4), at(0));
        plan.next(at(20_000));
        plan.answered(lasts(4), at(20_000));
        plan.want(ClaimWish::Delete, at(20_001));
        assert_eq!(plan.next(at(20_001)), Some(Request::Look));
        assert!(matches!(plan.answered(lasts(4), at(20_002)), Some(ClaimReport::Taken { .. })));
        assert_eq!(plan.due(), None);

        let mut endless = lasting(ClaimWish::Hold);
        for second in 0..100 {
            assert_eq!(endless.next(at(second * 1_000)), Some(Request::Create));
            let report = endless.answered(present(4, "pg2", "b2"), at(second * 1_000));
            assert_eq!(report, Some(ClaimReport::Taken { by: "pg2".into(), at_most: None }));
        }
    }

    #[test]
    fn a_renewal_whose_answer_was_lost_is_found_and_replaced() {
        let mut plan = lasting(ClaimWish::Hold);
        plan.next(at(0));
        plan.answered(ours(4), at(1));
        plan.next(at(2_000));
        plan.failed("silent".into(), at(3_000));
        assert_eq!(plan.next(at(3_000)), Some(Request::Renew(token(4))));
        assert_eq!(plan.answered(present(5, "pg1", "b1"), at(3_001)), None);
        assert_eq!(plan.next(at(3_001)), Some(Request::TakeOver(token(5))));
    }
}
