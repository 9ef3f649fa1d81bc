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
            interval: secs(1),
            hold_timeout: secs(10),
            lease_margin: secs(3),
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

    /// Past the time in which a claim may be an echo, and past the first series.
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

    fn told(&self, which: fn(&Note) -> bool) -> usize {
        self.notes.iter().filter(|note| which(note)).count()
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_rival_is_told_once_answered_at_once_and_its_silence_ends_the_conflict() {
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
fn a_claim_within_the_pause_is_answered_at_its_end() {
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
fn the_former_holders_last_word_wakes_nobody_but_is_answered() {
    let mut keeper = Fixture::holding();
    keeper.wait(200);
    keeper.announced.clear();
    for _ in 0..3 {
        keeper.rival();
        assert_eq!(keeper.told(|note| matches!(note, Note::Echo { .. })), 1);
    }
    assert_eq!(keeper.announced, [keeper.now]);
    keeper.wait(70_000);
    assert_eq!(keeper.told(|note| matches!(note, Note::Contested { .. } | Note::Uncontested { .. })), 0);
}

#[test]
fn one_that_goes_on_after_that_is_a_rival() {
    let mut keeper = Fixture::holding();
    keeper.rival();
    keeper.wait(2_000);
    keeper.rival();
    assert_eq!(keeper.told(|note| matches!(note, Note::Contested { .. })), 1);
}

#[test]
fn who_doubts_or_does_not_hold_says_nothing() {
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
fn a_conflict_ends_with_the_hold() {
    let mut keeper = Fixture::settled();
    keeper.rival();
    keeper.read("pg2");
    assert_eq!(keeper.told(|note| matches!(note, Note::Uncontested { .. })), 1);
    assert_eq!(keeper.keeper.conflict_deadline(), None);
}

#[test]
fn one_who_claims_it_after_a_doubt_or_a_theft_is_no_echo() {
    let mut doubted = Fixture::settled();
    doubted.confirmed = false;
    doubted.wait(4_000);
    doubted.read("pg1");
    let mut robbed = Fixture::settled();
    let link = robbed.keeper.link();
    robbed.handle(Event::Observed(LinkView { link, ..LinkView::default() }));
    for mut keeper in [doubted, robbed] {
        assert!(matches!(keeper.keeper.state(), State::Held { .. }));
        keeper.rival();
        assert_eq!(keeper.told(|note| matches!(note, Note::Contested { .. })), 1, "{:?}", keeper.notes);
    }
}

#[test]
fn what_was_owed_before_a_doubt_does_not_put_off_the_next_answer() {
    let mut keeper = Fixture::settled();
    keeper.rival();
    keeper.wait(500);
    keeper.rival();
    keeper.handle(Event::Unreachable { why: "silent".into() });
    keeper.confirmed = false;
    keeper.wait(3_000);
    keeper.read("pg1");
    keeper.wait(300);
    keeper.announced.clear();
    keeper.rival();
    assert_eq!(keeper.announced, [keeper.now]);
}

#[test]
fn the_driver_is_woken_for_what_is_owed_and_for_the_end_of_the_conflict() {
    let mut keeper = Fixture::settled();
    keeper.rival();
    let first = keeper.now;
    assert_eq!(keeper.keeper.conflict_deadline(), Some(first + secs(60)));
    keeper.wait(500);
    keeper.rival();
    assert_eq!(keeper.keeper.conflict_deadline(), Some(first + secs(1)));
}

#[test]
fn one_who_makes_up_addresses_is_told_of_a_few_times() {
    let mut keeper = Fixture::settled();
    for last in 0..9 {
        keeper.handle(Event::Rival { mac: Mac([2, 0, 0, 0, 1, last]), claims: 1 });
    }
    assert_eq!(keeper.told(|note| matches!(note, Note::Contested { .. })), 4);
}

#[test]
fn after_ten_minutes_one_is_reminded_and_told_how_many_claims_there_were() {
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
fn a_rival_for_hours_is_a_line_now_and_then_and_a_bounded_number_of_packets() {
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
    fn however_claims_come_the_answers_are_bounded_and_few_lines_tell(
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
        let told = keeper.told(|note| matches!(note, Note::Contested { .. }));
        prop_assert!(told <= 4);
    }
}
