//! What a keeper does about another host that claims its address.

use proptest::prelude::*;

use super::*;
use crate::keeper::properties::cases;

const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// A keeper that holds and is confirmed each second.
struct Fixture {
    keeper: Keeper,
    now: Moment,
    revision: i64,
    confirmed: bool,
    announced: Vec<Moment>,
    notes: Vec<Note>,
}

impl Fixture {
    fn holding() -> Self {
        let rules = Rules {
            prefix: 32,
            pace: Pace::steady(secs(1)),
            hold_timeout: secs(10),
            lease_margin: secs(3),
            claim: ClaimMode::Off,
            schedule: Schedule { count: None, interval: None, refresh: secs(0) },
            seed: 1,
        };
        let mut keeper = Self {
            keeper: Keeper::new(rules),
            now: Moment::from_boot(secs(1_000)),
            revision: 1,
            confirmed: true,
            announced: vec![],
            notes: vec![],
        };
        let link = Some(Link { index: 7, up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])) });
        keeper.handle(Event::Observed(LinkView { link, ..LinkView::default() }));
        keeper.read("pg1");
        assert!(matches!(keeper.keeper.state(), State::Held { .. }));
        keeper
    }

    /// A keeper after the time in which a claim may be an echo, and after the first series.
    fn settled() -> Self {
        let mut keeper = Self::holding();
        keeper.wait(10_000);
        keeper.announced.clear();
        keeper.notes.clear();
        keeper
    }

    fn read(&mut self, holder: &str) {
        self.revision += 1;
        let key_read = KeyRead {
            names: names(Some(holder)),
            version: Some(Version(self.revision)),
            modified: Some(Version(self.revision)),
            sent_at: self.now,
            answered_at: self.now,
            tenure: Tenure::NoLease,
            from: "etcd".into(),
        };
        self.handle(Event::Read(key_read));
    }

    fn rival(&mut self) {
        self.handle(Event::Rival { mac: RIVAL, claims: 1 });
    }

    fn handle(&mut self, event: Event) {
        self.keeper.handle_event(event, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(order) = self.keeper.poll_order(self.now) {
            let outcome = match order {
                Order::Hold { until, .. } => Outcome::Held { until },
                Order::Limit { prefix, until, .. } => Outcome::Limited { prefix, until },
                Order::Release { .. } => Outcome::Released,
            };
            self.keeper.handle_event(Event::Applied(outcome), self.now);
        }
        while self.keeper.poll_announce(self.now) {
            assert!(matches!(self.keeper.state(), State::Held { .. }), "announced in {:?}", self.keeper.state());
            self.announced.push(self.now);
        }
        self.notes.extend(std::iter::from_fn(|| self.keeper.poll_note()));
        if let Some((at, why)) = self.keeper.next_deadline(self.now) {
            assert!(at > self.now, "a busy loop over {why}");
        }
    }

    fn wait(&mut self, millis: u64) {
        for _ in 0..millis / 50 {
            self.now = self.now + Duration::from_millis(50);
            self.keeper.handle_timeout(self.now);
            self.drain();
            if self.confirmed && self.now.since_boot().subsec_millis() == 0 {
                self.read("pg1");
            }
        }
    }

    fn count(&self, which: fn(&Note) -> bool) -> usize {
        self.notes.iter().filter(|note| which(note)).count()
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn notes_a_rival_once_and_answers_until_it_is_silent() {
    let mut keeper = Fixture::settled();
    let begin = keeper.now;
    keeper.rival();
    assert_eq!(keeper.announced, [begin]);
    assert_eq!(keeper.notes, [Note::Contested { rival: RIVAL }]);
    keeper.wait(500);
    keeper.rival();
    keeper.wait(70_000);
    assert_eq!(keeper.notes.len(), 2, "{:?}", keeper.notes);
    assert_eq!(keeper.notes[1], Note::Uncontested { rival: RIVAL, claims: 2, lasted: Duration::from_millis(500) });
}

#[test]
fn answers_a_claim_within_the_pause_when_the_pause_ends() {
    let mut keeper = Fixture::settled();
    keeper.rival();
    keeper.wait(500);
    let claimed = keeper.now;
    keeper.rival();
    keeper.announced.clear();
    keeper.wait(1_000);
    // The rounds of the first series at 0.5 s and 1.1 s, and the second series from 1 s on.
    assert!(keeper.announced.contains(&(claimed + Duration::from_millis(500))), "{:?}", keeper.announced);
}

#[test]
fn answers_an_echo_of_the_former_holder_without_a_conflict() {
    let mut keeper = Fixture::holding();
    keeper.wait(200);
    keeper.announced.clear();
    for _ in 0..3 {
        keeper.rival();
        assert_eq!(keeper.count(|note| matches!(note, Note::Echo { .. })), 1);
    }
    assert_eq!(keeper.announced, [keeper.now]);
    keeper.wait(70_000);
    assert_eq!(keeper.count(|note| matches!(note, Note::Contested { .. } | Note::Uncontested { .. })), 0);
}

#[test]
fn treats_claims_after_the_echo_as_a_conflict() {
    let mut keeper = Fixture::holding();
    keeper.rival();
    keeper.wait(2_000);
    keeper.rival();
    assert_eq!(keeper.count(|note| matches!(note, Note::Contested { .. })), 1);
}

#[test]
fn answers_no_claim_unless_held_and_confirmed() {
    let mut keeper = Fixture::settled();
    keeper.confirmed = false;
    keeper.wait(4_000);
    assert!(matches!(keeper.keeper.state(), State::Doubtful { .. }));
    keeper.announced.clear();
    keeper.notes.clear();
    keeper.rival();
    keeper.wait(2_000);
    assert_eq!((keeper.announced.len(), keeper.notes.len()), (0, 0));
    keeper.read("pg2");
    keeper.notes.clear();
    keeper.rival();
    keeper.wait(2_000);
    assert_eq!((keeper.announced.len(), keeper.notes.len()), (0, 0));
}

#[test]
fn ends_the_conflict_with_the_release() {
    let mut keeper = Fixture::settled();
    keeper.rival();
    keeper.read("pg2");
    assert_eq!(keeper.count(|note| matches!(note, Note::Uncontested { .. })), 1);
    assert_eq!(keeper.keeper.conflict_deadline(), None);
}

#[test]
fn treats_a_claim_after_doubt_or_removal_as_a_conflict() {
    let mut doubted = Fixture::settled();
    doubted.confirmed = false;
    doubted.wait(4_000);
    doubted.read("pg1");
    let mut removed = Fixture::settled();
    let link = removed.keeper.link();
    removed.handle(Event::Observed(LinkView { link, ..LinkView::default() }));
    for mut keeper in [doubted, removed] {
        assert!(matches!(keeper.keeper.state(), State::Held { .. }));
        keeper.rival();
        assert_eq!(keeper.count(|note| matches!(note, Note::Contested { .. })), 1, "{:?}", keeper.notes);
    }
}

#[test]
fn answers_immediately_after_doubt_despite_an_earlier_pending_answer() {
    let mut keeper = Fixture::settled();
    keeper.rival();
    keeper.wait(500);
    keeper.rival();
    keeper.handle(Event::Unreachable { why: "silent".into(), until: None });
    keeper.confirmed = false;
    keeper.wait(3_000);
    keeper.read("pg1");
    keeper.wait(300);
    keeper.announced.clear();
    keeper.rival();
    assert_eq!(keeper.announced, [keeper.now]);
}

#[test]
fn sets_deadlines_for_the_pending_answer_and_the_end_of_the_conflict() {
    let mut keeper = Fixture::settled();
    keeper.rival();
    let first = keeper.now;
    assert_eq!(keeper.keeper.conflict_deadline(), Some(first + secs(60)));
    keeper.wait(500);
    keeper.rival();
    assert_eq!(keeper.keeper.conflict_deadline(), Some(first + secs(1)));
}

#[test]
fn limits_notes_about_many_rivals() {
    let mut keeper = Fixture::settled();
    for last in 0..9 {
        keeper.handle(Event::Rival { mac: Mac([2, 0, 0, 0, 1, last]), claims: 1 });
    }
    assert_eq!(keeper.count(|note| matches!(note, Note::Contested { .. })), 4);
}

#[test]
fn notes_a_lasting_conflict_again_after_ten_minutes_with_the_number_of_claims() {
    let mut keeper = Fixture::settled();
    let since = keeper.now;
    for _ in 0..=600 {
        keeper.rival();
        keeper.wait(1_000);
    }
    assert_eq!(
        keeper.notes,
        [Note::Contested { rival: RIVAL }, Note::StillContested { rival: RIVAL, claims: 601, since }]
    );
}

#[test]
fn limits_notes_and_packets_during_a_conflict_of_hours() {
    let mut keeper = Fixture::settled();
    let hour = 3_600;
    for _ in 0..hour * 4 {
        keeper.rival();
        keeper.wait(250);
    }
    // A series of six rounds at most each eight seconds, and the shorter first pauses.
    assert!(keeper.announced.len() <= hour / 8 * 6 + 24, "{}", keeper.announced.len());
    assert!(keeper.notes.len() <= 8, "{:?}", keeper.notes);
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn limits_answers_and_notes_for_any_sequence_of_claims(
        claims in prop::collection::vec((0_u64..40, 0_u8..8), 1..200),
    ) {
        let mut keeper = Fixture::settled();
        let begin = keeper.now;
        for (pause, last) in claims {
            keeper.wait(pause * 50);
            keeper.handle(Event::Rival { mac: Mac([2, 0, 0, 0, 1, last]), claims: 1 });
        }
        let seconds = usize::try_from(keeper.now.since(begin).as_secs()).unwrap();
        prop_assert!(keeper.announced.len() <= seconds / 8 * 6 + 24, "{} in {seconds} s", keeper.announced.len());
        let contested = keeper.count(|note| matches!(note, Note::Contested { .. }));
        prop_assert!(contested <= 4);
    }
}
