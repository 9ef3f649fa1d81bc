//! What a keeper does about another host that claims its address.

use proptest::prelude::*;

use super::*;

const RIVAL: Mac = Mac([2, 0, 0, 0, 0, 9]);

/// A keeper that holds and is confirmed each second.
struct Desk {
    keeper: Keeper,
    now: Moment,
    revision: i64,
    confirmed: bool,
    announced: Vec<Moment>,
    notes: Vec<Note>,
}

impl Desk {
    fn holding() -> Self {
        let rules = Rules {
            prefix: 32,
            value: "pg1".into(),
            interval: secs(1),
            hold_timeout: secs(10),
            lease_margin: secs(3),
            schedule: Schedule::new(None, None, secs(0)),
            seed: 1,
        };
        let mut desk = Self {
            keeper: Keeper::new(rules),
            now: Moment::from_boot(secs(1_000)),
            revision: 1,
            confirmed: true,
            announced: vec![],
            notes: vec![],
        };
        let link = Some(Link { index: 7, up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])) });
        desk.handle(Event::Observed(Observation { link, standing: vec![] }));
        desk.read("pg1");
        assert!(matches!(desk.keeper.state(), State::Held { .. }));
        desk
    }

    /// Past the time in which a claim may be an echo, and past the first series.
    fn settled() -> Self {
        let mut desk = Self::holding();
        desk.wait(10_000);
        desk.announced.clear();
        desk.notes.clear();
        desk
    }

    fn read(&mut self, holder: &str) {
        self.revision += 1;
        let sighting = Sighting {
            holder: Some(holder.into()),
            revision: self.revision,
            mod_revision: self.revision,
            sent_at: self.now,
            answered_at: self.now,
            lease: Lease::None,
            from: "etcd".into(),
        };
        self.handle(Event::Read(sighting));
    }

    fn rival(&mut self) {
        self.handle(Event::Rival { mac: RIVAL, claims: 1 });
    }

    fn handle(&mut self, event: Event) {
        self.keeper.handle(event, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(order) = self.keeper.order(self.now) {
            let outcome = match order {
                Order::Hold { until, .. } => Outcome::Held { until },
                Order::Limit { prefix, until, .. } => Outcome::Limited { prefix, until },
                Order::Release { .. } => Outcome::Released,
            };
            self.keeper.handle(Event::Applied(outcome), self.now);
        }
        while self.keeper.announce(self.now) {
            assert!(matches!(self.keeper.state(), State::Held { .. }), "announced in {:?}", self.keeper.state());
            self.announced.push(self.now);
        }
        self.notes.extend(std::iter::from_fn(|| self.keeper.note()));
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
    let mut desk = Desk::settled();
    let begin = desk.now;
    desk.rival();
    assert_eq!(desk.announced, [begin]);
    assert_eq!(desk.notes, [Note::Contested { rival: RIVAL }]);
    desk.wait(500);
    desk.rival();
    desk.wait(70_000);
    assert_eq!(desk.notes.len(), 2, "{:?}", desk.notes);
    assert_eq!(desk.notes[1], Note::Uncontested { rival: RIVAL, claims: 2, lasted: Duration::from_millis(500) });
}

#[test]
fn a_claim_within_the_pause_is_answered_at_its_end() {
    let mut desk = Desk::settled();
    desk.rival();
    desk.wait(500);
    let claimed = desk.now;
    desk.rival();
    desk.announced.clear();
    desk.wait(1_000);
    // The rounds of the first series at 0.5 s and 1.1 s, and the second series from 1 s on.
    assert!(desk.announced.contains(&(claimed + Duration::from_millis(500))), "{:?}", desk.announced);
}

#[test]
fn the_former_holders_last_word_wakes_nobody_but_is_answered() {
    let mut desk = Desk::holding();
    desk.wait(200);
    desk.announced.clear();
    for _ in 0..3 {
        desk.rival();
        assert_eq!(desk.told(|note| matches!(note, Note::Echo { .. })), 1);
    }
    assert_eq!(desk.announced, [desk.now]);
    desk.wait(70_000);
    assert_eq!(desk.told(|note| matches!(note, Note::Contested { .. } | Note::Uncontested { .. })), 0);
}

#[test]
fn one_that_goes_on_after_that_is_a_rival() {
    let mut desk = Desk::holding();
    desk.rival();
    desk.wait(2_000);
    desk.rival();
    assert_eq!(desk.told(|note| matches!(note, Note::Contested { .. })), 1);
}

#[test]
fn who_doubts_or_does_not_hold_says_nothing() {
    let mut desk = Desk::settled();
    desk.confirmed = false;
    desk.wait(4_000);
    assert!(matches!(desk.keeper.state(), State::Doubtful { .. }));
    desk.announced.clear();
    desk.notes.clear();
    desk.rival();
    desk.wait(2_000);
    assert_eq!((desk.announced.len(), desk.notes.len()), (0, 0));
    desk.read("pg2");
    desk.notes.clear();
    desk.rival();
    desk.wait(2_000);
    assert_eq!((desk.announced.len(), desk.notes.len()), (0, 0));
}

#[test]
fn a_conflict_ends_with_the_hold() {
    let mut desk = Desk::settled();
    desk.rival();
    desk.read("pg2");
    assert_eq!(desk.told(|note| matches!(note, Note::Uncontested { .. })), 1);
    assert_eq!(desk.keeper.conflict_deadline(), None);
}

#[test]
fn one_who_claims_it_after_a_doubt_or_a_theft_is_no_echo() {
    let mut doubted = Desk::settled();
    doubted.confirmed = false;
    doubted.wait(4_000);
    doubted.read("pg1");
    let mut robbed = Desk::settled();
    let link = robbed.keeper.link();
    robbed.handle(Event::Observed(Observation { link, standing: vec![] }));
    for mut desk in [doubted, robbed] {
        assert!(matches!(desk.keeper.state(), State::Held { .. }));
        desk.rival();
        assert_eq!(desk.told(|note| matches!(note, Note::Contested { .. })), 1, "{:?}", desk.notes);
    }
}

#[test]
fn what_was_owed_before_a_doubt_does_not_put_off_the_next_answer() {
    let mut desk = Desk::settled();
    desk.rival();
    desk.wait(500);
    desk.rival();
    desk.handle(Event::Blind { why: "silent".into() });
    desk.confirmed = false;
    desk.wait(3_000);
    desk.read("pg1");
    desk.wait(300);
    desk.announced.clear();
    desk.rival();
    assert_eq!(desk.announced, [desk.now]);
}

#[test]
fn the_driver_is_woken_for_what_is_owed_and_for_the_end_of_the_conflict() {
    let mut desk = Desk::settled();
    desk.rival();
    let first = desk.now;
    assert_eq!(desk.keeper.conflict_deadline(), Some(first + secs(60)));
    desk.wait(500);
    desk.rival();
    assert_eq!(desk.keeper.conflict_deadline(), Some(first + secs(1)));
}

#[test]
fn one_who_makes_up_addresses_is_told_of_a_few_times() {
    let mut desk = Desk::settled();
    for last in 0..9 {
        desk.handle(Event::Rival { mac: Mac([2, 0, 0, 0, 1, last]), claims: 1 });
    }
    assert_eq!(desk.told(|note| matches!(note, Note::Contested { .. })), 4);
}

#[test]
fn after_ten_minutes_one_is_reminded_and_told_how_many_claims_there_were() {
    let mut desk = Desk::settled();
    let since = desk.now;
    for _ in 0..=600 {
        desk.rival();
        desk.wait(1_000);
    }
    assert_eq!(
        desk.notes,
        [Note::Contested { rival: RIVAL }, Note::StillContested { rival: RIVAL, claims: 601, since }]
    );
}

#[test]
fn a_rival_for_hours_is_a_line_now_and_then_and_a_bounded_number_of_packets() {
    let mut desk = Desk::settled();
    let hour = 3_600;
    for _ in 0..hour * 4 {
        desk.rival();
        desk.wait(250);
    }
    // A series of six rounds at most each eight seconds, and the shorter first pauses.
    assert!(desk.announced.len() <= hour / 8 * 6 + 24, "{}", desk.announced.len());
    assert!(desk.notes.len() <= 8, "{:?}", desk.notes);
}

proptest! {
    #![proptest_config(cases::cases(300))]

    #[test]
    fn however_claims_come_the_answers_are_bounded_and_few_lines_tell(
        claims in prop::collection::vec((0_u64..40, 0_u8..8), 1..200),
    ) {
        let mut desk = Desk::settled();
        let begin = desk.now;
        for (pause, last) in claims {
            desk.wait(pause * 50);
            desk.handle(Event::Rival { mac: Mac([2, 0, 0, 0, 1, last]), claims: 1 });
        }
        let seconds = usize::try_from(desk.now.since(begin).as_secs()).unwrap();
        prop_assert!(desk.announced.len() <= seconds / 8 * 6 + 24, "{} in {seconds} s", desk.announced.len());
        let told = desk.told(|note| matches!(note, Note::Contested { .. }));
        prop_assert!(told <= 4);
    }
}
