//! What a keeper does, in the words of those who operate it.

mod claim;
mod interference;
mod notes;
mod rival;

use std::time::Duration;

use super::*;
use crate::pace::Pace;
use crate::time::{Lifetime, Moment};
use crate::vip::Mac;

const VALUE: &str = "pg1";

/// Who a key names that holds this value.
fn names(value: Option<&str>) -> Names {
    match value {
        None => Names::Nobody,
        Some(VALUE) => Names::Us,
        Some(other) => Names::Other(other.into()),
    }
}
const LINK: u32 = 7;

/// A keeper with a kernel that does at once what it is ordered, unless told otherwise.
struct Fixture {
    keeper: Keeper,
    now: Moment,
    revision: i64,
    link: Option<Link>,
    present: Vec<PresentAddress>,
    refusing: bool,
    orders: Vec<Order>,
    announced: usize,
    notes: Vec<Note>,
}

impl Fixture {
    fn empty() -> Self {
        Self::with(vec![])
    }

    fn with(present: Vec<PresentAddress>) -> Self {
        let rules = Rules {
            prefix: 32,
            pace: Pace::steady(secs(1)),
            hold_timeout: secs(10),
            lease_margin: secs(3),
            claim: ClaimMode::Off,
            schedule: Schedule { count: None, interval: None, refresh: secs(60) },
            seed: 1,
        };
        let mut keeper = Self {
            keeper: Keeper::new(rules),
            now: Moment::from_boot(secs(1_000)),
            revision: 10,
            link: Some(Link { index: LINK, up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])) }),
            present,
            refusing: false,
            orders: vec![],
            announced: 0,
            notes: vec![],
        };
        keeper.observe();
        keeper
    }

    /// A keeper that has just acquired.
    fn holding() -> Self {
        let mut keeper = Self::empty();
        keeper.read(Some(VALUE));
        assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
        keeper.forget();
        keeper
    }

    fn forget(&mut self) {
        self.orders.clear();
        self.notes.clear();
        self.announced = 0;
    }

    fn read(&mut self, holder: Option<&str>) {
        let key_read = self.key_read(holder);
        self.handle(Event::Read(key_read));
    }

    fn key_read(&mut self, holder: Option<&str>) -> KeyRead {
        self.revision += 1;
        KeyRead {
            names: names(holder),
            version: Some(Version(self.revision)),
            modified: Some(Version(self.revision)),
            sent_at: self.now,
            answered_at: self.now,
            tenure: Tenure::AtLeast(secs(25)),
            from: "http://etcd1:2379".into(),
        }
    }

    fn event(&mut self, holder: Option<&str>) {
        self.revision += 1;
        let change = KeyEvent {
            names: names(holder),
            version: Some(Version(self.revision)),
            heard_at: self.now,
            from: "etcd1".into(),
        };
        self.handle(Event::Changed(change));
    }

    fn observe(&mut self) {
        let view = LinkView { link: self.link, present: self.present.clone(), narrow: None };
        self.handle(Event::Observed(view));
    }

    fn handle(&mut self, event: Event) {
        self.keeper.handle_event(event, self.now);
        self.drain();
    }

    /// Lets time pass, with every timer punctual.
    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some((at, _)) = self.keeper.next_deadline(self.now).filter(|(at, _)| *at <= end) {
            assert!(at > self.now, "a busy loop: {:?}", self.keeper.next_deadline(self.now));
            self.now = at;
            self.keeper.handle_timeout(at);
            self.drain();
        }
        self.now = end;
        self.keeper.handle_timeout(end);
        self.drain();
    }

    fn drain(&mut self) {
        let mut rounds = 0;
        while let Some(order) = self.keeper.poll_order(self.now) {
            rounds += 1;
            assert!(rounds < 10, "the orders do not end: {order:?}");
            let outcome = self.carry_out(&order);
            self.orders.push(order);
            self.keeper.handle_event(Event::Applied(outcome), self.now);
        }
        while self.keeper.poll_announce(self.now) {
            self.announced += 1;
        }
        while let Some(note) = self.keeper.poll_note() {
            self.notes.push(note);
        }
    }

    fn carry_out(&mut self, order: &Order) -> Outcome {
        if self.refusing {
            return Outcome::Refused { why: "operation not permitted".into() };
        }
        match order {
            Order::Hold { until, .. } => {
                let whole = Duration::from_secs(until.since(self.now).as_secs().max(1));
                self.present =
                    vec![PresentAddress { prefix: 32, lifetime: Lifetime::Until(self.now + whole), unusable: false }];
                Outcome::Held { until: *until }
            }
            Order::Limit { prefix, until, .. } => {
                self.present =
                    vec![PresentAddress { prefix: *prefix, lifetime: Lifetime::Until(*until), unusable: false }];
                Outcome::Limited { prefix: *prefix, until: *until }
            }
            Order::Release { .. } => {
                self.present.clear();
                Outcome::Released
            }
        }
    }

    fn released(&self) -> bool {
        self.orders.iter().any(|order| matches!(order, Order::Release { .. }))
    }
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn acquires_and_announces_after_a_read_that_names_us() {
    let mut keeper = Fixture::empty();
    keeper.read(Some(VALUE));
    assert_eq!(keeper.keeper.state(), State::Held { until: keeper.now + secs(10) });
    assert_eq!(keeper.announced, 1);
    assert!(matches!(keeper.notes[..], [Note::Acquired { .. }]), "{:?}", keeper.notes);
    keeper.wait(millis(1_200));
    assert_eq!(keeper.announced, 4);
}

#[test]
fn does_not_acquire_on_an_event_alone() {
    let mut keeper = Fixture::empty();
    keeper.event(Some(VALUE));
    assert_eq!(keeper.keeper.target(), Target::Released);
    assert!(keeper.orders.is_empty());
}

#[test]
fn releases_immediately_on_an_event_that_names_another_host() {
    let mut keeper = Fixture::holding();
    keeper.event(Some("pg2"));
    assert_eq!(keeper.keeper.state(), State::Standby);
    assert!(keeper.released() && keeper.present.is_empty());
    keeper.read(Some("pg2"));
    assert!(matches!(keeper.notes[..], [Note::Releasing { .. }, Note::Released { cause: Cause::Event(_), .. }]));
}

#[test]
fn ignores_a_read_that_was_sent_before_the_denying_event() {
    let mut keeper = Fixture::holding();
    let before = keeper.key_read(Some(VALUE));
    keeper.wait(millis(5));
    keeper.event(None);
    keeper.handle(Event::Read(KeyRead { answered_at: keeper.now, ..before }));
    assert_eq!(keeper.keeper.state(), State::Standby);
}

#[test]
fn renews_the_kernel_lifetime_once_per_read() {
    let mut keeper = Fixture::holding();
    for _ in 0..5 {
        keeper.wait(secs(1));
        keeper.read(Some(VALUE));
        keeper.observe();
    }
    assert_eq!(keeper.orders.len(), 5, "{:?}", keeper.orders);
    assert!(keeper.notes.is_empty(), "a steady state is silent: {:?}", keeper.notes);
}

#[test]
fn holds_without_answers_until_the_deadline_and_no_longer() {
    let mut keeper = Fixture::holding();
    keeper.wait(millis(9_900));
    assert!(matches!(keeper.keeper.state(), State::Doubtful { .. }));
    assert!(!keeper.released());
    keeper.wait(millis(99));
    assert!(keeper.released());
    assert_eq!(keeper.keeper.state(), State::Unknown { adopting: None });
}

#[test]
fn notes_the_release_of_an_adopted_address_that_the_kernel_removed_slightly_early() {
    let mut keeper = Fixture::with(vec![PresentAddress { prefix: 24, lifetime: Lifetime::Forever, unusable: false }]);
    keeper.handle(Event::Unreachable { why: "refused".into(), until: None });
    keeper.wait(Duration::from_millis(9_100));
    keeper.forget();
    keeper.present.clear();
    keeper.observe();
    assert!(
        matches!(&keeper.notes[..], [Note::Released { cause: Cause::NeverConfirmed { why: Some(_) }, .. }]),
        "{:?}",
        keeper.notes
    );
}

#[test]
fn aligns_the_kernel_lifetime_with_the_deadline_while_doubtful() {
    let mut keeper = Fixture::empty();
    let key_read = keeper.key_read(Some(VALUE));
    keeper.wait(millis(300));
    keeper.handle(Event::Read(KeyRead { answered_at: keeper.now, ..key_read }));
    let until = keeper.now + millis(9_700);
    keeper.wait(millis(4_000));
    let Lifetime::Until(expires) = keeper.present[0].lifetime else { panic!("{:?}", keeper.present) };
    assert!(until.since(expires) <= millis(20) && expires <= until, "{:?}", until.since(expires));
}

/// Whether a punctual kernel still has the address at this moment.
fn present_in_the_kernel(keeper: &Fixture) -> bool {
    keeper.present.iter().any(|present| matches!(present.lifetime, Lifetime::Until(expires) if expires > keeper.now))
}

#[test]
fn keeps_the_kernel_lifetime_alive_with_a_hold_timeout_of_three_intervals() {
    let mut keeper = Fixture::empty();
    keeper.keeper = Keeper::new(Rules { hold_timeout: secs(3), ..keeper.keeper.rules().clone() });
    keeper.observe();
    let key_read = keeper.key_read(Some(VALUE));
    keeper.wait(millis(80));
    keeper.handle(Event::Read(KeyRead { answered_at: keeper.now, ..key_read }));
    for _ in 0..28 {
        keeper.wait(millis(100));
        assert!(present_in_the_kernel(&keeper), "{:?} at {:?}", keeper.present, keeper.now);
    }
}

#[test]
fn holds_until_the_margin_of_a_lease_that_is_about_to_end() {
    let mut keeper = Fixture::holding();
    for left in (5..13).rev() {
        keeper.wait(secs(1));
        let key_read = keeper.key_read(Some(VALUE));
        keeper.handle(Event::Read(KeyRead { tenure: Tenure::AtLeast(secs(left)), ..key_read }));
    }
    for _ in 0..19 {
        keeper.wait(millis(100));
        assert!(present_in_the_kernel(&keeper), "{:?} at {:?}", keeper.present, keeper.now);
    }
}

#[test]
fn releases_before_the_kernel_does_so_that_connections_can_be_reset() {
    let mut keeper = Fixture::holding();
    keeper.wait(millis(9_900));
    let Lifetime::Until(expires) = keeper.present[0].lifetime else { panic!("{:?}", keeper.present) };
    let (releases_at, _) = keeper.keeper.next_deadline(keeper.now).unwrap();
    assert!(releases_at + millis(20) < expires, "{:?} before the kernel's", expires.since(releases_at));
    keeper.forget();
    keeper.wait(expires.since(keeper.now));
    assert!(matches!(keeper.orders[..], [Order::Release { present: true, reset: true, .. }]), "{:?}", keeper.orders);
    assert!(matches!(keeper.notes[..], [Note::Releasing { .. }, Note::Released { .. }]), "{:?}", keeper.notes);
}

#[test]
fn a_read_from_before_the_reason_that_bounds_the_hold_does_not_move_the_deadline_back() {
    let mut keeper = Fixture::holding();
    let earlier = keeper.key_read(Some(VALUE));
    keeper.wait(millis(100));
    refused(&mut keeper, secs(2));
    let until = keeper.now + secs(2);
    keeper.handle(Event::Read(KeyRead { answered_at: keeper.now, ..earlier }));
    assert_eq!(keeper.keeper.state().until(), Some(until));
    keeper.wait(millis(100));
    keeper.read(Some(VALUE));
    assert_eq!(keeper.keeper.state().until(), Some(keeper.now + secs(10)));
}

fn refused(keeper: &mut Fixture, most: Duration) {
    let until = Some(keeper.now + most);
    keeper.handle(Event::Unreachable { why: "connection refused".into(), until });
}

#[test]
fn a_reason_that_bounds_the_hold_brings_the_deadline_forward_and_never_back() {
    let mut keeper = Fixture::holding();
    let deadline = keeper.now + secs(10);
    refused(&mut keeper, secs(20));
    assert_eq!(keeper.keeper.state(), State::Doubtful { until: deadline });
    refused(&mut keeper, secs(2));
    let until = keeper.now + secs(2);
    for _ in 0..8 {
        keeper.wait(millis(200));
        refused(&mut keeper, secs(2));
        assert_eq!(keeper.keeper.state(), State::Doubtful { until });
        let Lifetime::Until(expires) = keeper.present[0].lifetime else { panic!("{:?}", keeper.present) };
        assert!(expires <= until && present_in_the_kernel(&keeper), "{:?} at {:?}", keeper.present, keeper.now);
    }
    keeper.read(Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
    refused(&mut keeper, secs(2));
    keeper.wait(secs(2));
    assert!(keeper.released());
}

#[test]
fn a_reason_that_bounds_the_hold_bounds_an_inherited_address_too() {
    let mut keeper = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    refused(&mut keeper, secs(2));
    assert_eq!(keeper.keeper.target(), Target::Limited { until: keeper.now + secs(2) });
    keeper.wait(secs(2));
    assert!(keeper.released());
}

#[test]
fn releases_before_the_kernel_does_though_nothing_was_in_doubt() {
    let mut keeper = Fixture::empty();
    keeper.keeper.set_pace(Pace::steady(secs(30)));
    keeper.read(Some(VALUE));
    keeper.wait(millis(9_900));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
    assert!(present_in_the_kernel(&keeper));
    keeper.forget();
    keeper.wait(millis(40));
    assert!(matches!(keeper.orders[..], [Order::Release { reset: true, .. }]), "{:?}", keeper.orders);
    assert!(
        matches!(&keeper.notes[..], [_, Note::Released { cause: Cause::Deadline { last: Some(_), why: None }, .. }]),
        "{:?}",
        keeper.notes
    );
}

#[test]
fn an_address_that_the_kernel_removes_at_the_end_of_its_lifetime_is_released_with_its_connections() {
    for (before, lapses) in [(millis(1_000), true), (millis(90), true), (millis(1_100), false)] {
        let mut keeper = Fixture::holding();
        keeper.keeper.set_pace(Pace::steady(secs(30)));
        keeper.wait(secs(10).saturating_sub(before));
        keeper.forget();
        keeper.present.clear();
        keeper.observe();
        let released =
            |note: &Note| matches!(note, Note::Released { cause: Cause::Lifetime { last: Some(_), .. }, .. });
        assert_eq!(keeper.notes.iter().any(released), lapses, "{before:?} before: {:?}", keeper.notes);
        assert_eq!(keeper.notes.contains(&Note::Missing { suppressed: 0 }), !lapses, "{:?}", keeper.notes);
        if lapses {
            assert!(matches!(keeper.orders[..], [Order::Release { present: false, reset: true, .. }]));
            keeper.read(Some(VALUE));
            assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
        }
    }
}

#[test]
fn announces_nothing_while_doubtful_and_again_after_a_confirmation() {
    let mut keeper = Fixture::holding();
    keeper.handle(Event::Unreachable { why: "all members are silent".into(), until: None });
    keeper.forget();
    keeper.wait(secs(5));
    assert_eq!(keeper.announced, 0);
    keeper.read(Some(VALUE));
    assert_eq!(keeper.announced, 1);
    assert!(
        matches!(keeper.notes[..], [Note::Confirmed { silent_for, .. }] if silent_for == secs(5)),
        "{:?}",
        keeper.notes
    );
}

#[test]
fn does_not_announce_after_a_stop_that_outlasts_the_confirmation() {
    for (lease_left, stopped_for, announces) in [
        (secs(25), millis(0), true),
        (secs(25), millis(1_999), true),
        (secs(25), millis(2_000), false),
        (secs(25), secs(30), false),
        (secs(4), millis(999), true),
        (secs(4), millis(1_000), false),
    ] {
        let mut keeper = Fixture::empty();
        let key_read = KeyRead { tenure: Tenure::AtLeast(lease_left), ..keeper.key_read(Some(VALUE)) };
        keeper.keeper.handle_event(Event::Read(key_read), keeper.now);
        let order = keeper.keeper.poll_order(keeper.now).unwrap();
        let outcome = keeper.carry_out(&order);
        keeper.keeper.handle_event(Event::Applied(outcome), keeper.now);
        let announced = keeper.keeper.poll_announce(keeper.now + stopped_for);
        assert_eq!(announced, announces, "{lease_left:?} left, stopped for {stopped_for:?}");
    }
}

#[test]
fn reacquires_on_a_read_without_an_event_after_the_deadline() {
    let mut keeper = Fixture::holding();
    keeper.wait(secs(40));
    assert!(keeper.present.is_empty());
    keeper.read(Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
}

#[test]
fn releases_before_the_lease_ends() {
    let mut keeper = Fixture::holding();
    let mut key_read = keeper.key_read(Some(VALUE));
    key_read.tenure = Tenure::AtLeast(secs(4));
    keeper.handle(Event::Read(key_read));
    keeper.wait(millis(1_000));
    assert!(keeper.present.is_empty());
}

#[test]
fn does_not_acquire_with_only_the_margin_left_on_the_lease() {
    let mut keeper = Fixture::empty();
    for _ in 0..2 {
        let mut key_read = keeper.key_read(Some(VALUE));
        key_read.tenure = Tenure::AtLeast(secs(3));
        keeper.handle(Event::Read(key_read));
        keeper.wait(secs(1));
    }
    assert!(keeper.orders.is_empty());
    assert!(
        matches!(keeper.notes[..], [Note::Waiting { for_what: Obstacle::LeaseTooShort, .. }]),
        "{:?}",
        keeper.notes
    );
}

#[test]
fn does_not_extend_the_deadline_for_an_unknown_lease() {
    let mut keeper = Fixture::holding();
    let until = keeper.now + secs(10);
    keeper.wait(secs(1));
    let mut key_read = keeper.key_read(Some(VALUE));
    key_read.tenure = Tenure::Unknown;
    keeper.handle(Event::Read(key_read));
    assert_eq!(keeper.keeper.target(), Target::Held { until });
}

#[test]
fn releases_first_after_a_stop_past_the_deadline() {
    let mut keeper = Fixture::holding();
    let stale = keeper.key_read(Some(VALUE));
    keeper.now = keeper.now + secs(30);
    keeper.handle(Event::Read(KeyRead { answered_at: keeper.now, ..stale }));
    assert_eq!(keeper.keeper.target(), Target::Released);
    assert!(keeper.present.is_empty());
    assert!(!keeper.orders.iter().any(|order| matches!(order, Order::Hold { .. })));
}

#[test]
fn restores_and_announces_an_address_that_somebody_removed() {
    let mut keeper = Fixture::holding();
    keeper.present.clear();
    keeper.observe();
    assert_eq!(keeper.present.len(), 1);
    assert_eq!(keeper.announced, 1);
    assert_eq!(keeper.notes, [Note::Missing { suppressed: 0 }, Note::Restored]);
}

#[test]
fn restores_a_repeatedly_removed_address_at_a_limited_rate() {
    let mut keeper = Fixture::holding();
    let mut puts = 0;
    for _ in 0..100 {
        keeper.present.clear();
        keeper.forget();
        keeper.observe();
        puts += keeper.orders.len();
        keeper.wait(millis(1));
    }
    assert!(puts <= 3, "{puts} in 100 ms");
    keeper.wait(secs(1));
    assert_eq!(keeper.present.len(), 1);
}

#[test]
fn notes_three_removals_and_counts_the_rest() {
    let mut keeper = Fixture::holding();
    for _ in 0..20 {
        keeper.present.clear();
        keeper.observe();
        keeper.wait(millis(200));
        keeper.read(Some(VALUE));
    }
    let of = |keeper: &Fixture, wanted: &Note| keeper.notes.iter().filter(|note| *note == wanted).count();
    assert_eq!(of(&keeper, &Note::Missing { suppressed: 0 }), 3, "{:?}", keeper.notes);
    assert_eq!(keeper.notes.len(), 6, "{:?}", keeper.notes);
    for _ in 0..60 {
        keeper.wait(secs(1));
        keeper.read(Some(VALUE));
    }
    keeper.present.clear();
    keeper.observe();
    assert_eq!(of(&keeper, &Note::Missing { suppressed: 17 }), 1, "{:?}", keeper.notes);
}

#[test]
fn corrects_a_wrong_prefix_length_and_lifetime() {
    let mut keeper = Fixture::holding();
    keeper.present.push(PresentAddress { prefix: 24, lifetime: Lifetime::Forever, unusable: false });
    keeper.observe();
    assert!(
        matches!(&keeper.orders[..], [Order::Hold { other_prefixes, .. }] if other_prefixes[..] == [24]),
        "{:?}",
        keeper.orders
    );
    keeper.wait(secs(1));
    keeper.read(Some(VALUE));
    keeper.forget();
    keeper.present = vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }];
    keeper.observe();
    assert!(
        matches!(keeper.present[..], [PresentAddress { lifetime: Lifetime::Until(_), .. }]),
        "{:?}",
        keeper.present
    );
}

#[test]
fn limits_an_adopted_address_until_the_first_read() {
    let mut keeper = Fixture::with(vec![PresentAddress { prefix: 24, lifetime: Lifetime::Forever, unusable: false }]);
    let until = keeper.now + secs(10);
    assert_eq!(keeper.orders, [Order::Limit { link: LINK, prefix: 24, until, clear: false }]);
    assert_eq!(keeper.announced, 0);
    keeper.read(Some(VALUE));
    assert!(
        matches!(&keeper.orders[1..], [Order::Hold { other_prefixes, .. }] if other_prefixes[..] == [24]),
        "{:?}",
        keeper.orders
    );
    assert!(!keeper.released());
}

#[test]
fn does_not_extend_the_shorter_lifetime_of_an_adopted_address() {
    let soon = Moment::from_boot(secs(1_004));
    let keeper = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Until(soon), unusable: false }]);
    assert!(keeper.orders.is_empty());
}

#[test]
fn releases_an_adopted_address_at_the_end_of_its_lifetime_if_the_kernel_is_late() {
    let soon = Moment::from_boot(secs(1_004));
    let mut keeper =
        Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Until(soon), unusable: false }]);
    keeper.wait(millis(3_999));
    assert!(!keeper.released());
    keeper.wait(millis(1));
    assert!(keeper.released());
}

#[test]
fn releases_an_adopted_address_when_the_lease_is_about_to_end() {
    let mut keeper = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    let key_read = keeper.key_read(Some(VALUE));
    keeper.handle(Event::Read(KeyRead { tenure: Tenure::AtLeast(secs(3)), ..key_read }));
    assert!(keeper.present.is_empty(), "{:?}", keeper.keeper.state());
}

#[test]
fn releases_an_adopted_address_if_the_key_names_another_host_or_nobody_answers() {
    let mut named = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    named.read(Some("pg2"));
    assert!(named.present.is_empty() && named.keeper.state() == State::Standby);
    let mut silent = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    silent.wait(secs(10));
    assert!(silent.present.is_empty());
}

#[test]
fn removes_an_address_that_appears_while_another_host_leads() {
    let mut keeper = Fixture::empty();
    keeper.read(Some("pg2"));
    keeper.present.push(PresentAddress { prefix: 24, lifetime: Lifetime::Forever, unusable: false });
    keeper.observe();
    assert!(keeper.present.is_empty());
    assert!(keeper.notes.contains(&Note::Releasing { cause: Cause::Foreign }));
}

#[test]
fn retries_a_refused_release_and_notes_it_once() {
    let mut keeper = Fixture::holding();
    keeper.refusing = true;
    keeper.read(None);
    keeper.wait(secs(2));
    assert!(keeper.orders.len() >= 3, "{:?}", keeper.orders);
    assert_eq!(keeper.notes.iter().filter(|note| matches!(note, Note::Refused { .. })).count(), 1);
    keeper.refusing = false;
    keeper.wait(secs(6));
    assert_eq!(keeper.keeper.state(), State::Standby);
}

#[test]
fn acquires_when_the_interface_appears() {
    let mut keeper = Fixture::empty();
    let link = keeper.link.take();
    keeper.observe();
    keeper.read(Some(VALUE));
    assert!(matches!(keeper.notes[..], [Note::Waiting { for_what: Obstacle::NoInterface, .. }]), "{:?}", keeper.notes);
    keeper.link = link.map(|link| Link { index: 9, ..link });
    keeper.observe();
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
    assert_eq!(keeper.announced, 1);
}

#[test]
fn announces_when_the_link_comes_up_and_when_its_mac_changes() {
    let mut keeper = Fixture::holding();
    keeper.wait(secs(1));
    keeper.read(Some(VALUE));
    keeper.link = keeper.link.map(|link| Link { up: false, ..link });
    keeper.observe();
    keeper.forget();
    keeper.wait(millis(900));
    assert_eq!(keeper.announced, 0, "nobody hears it while the link is down");
    keeper.link = keeper.link.map(|link| Link { up: true, ..link });
    keeper.observe();
    assert_eq!(keeper.announced, 1);
    keeper.link = keeper.link.map(|link| Link { mac: Some(Mac([2, 0, 0, 0, 0, 9])), ..link });
    keeper.observe();
    assert_eq!(keeper.announced, 2);
}

#[test]
fn releases_permanently_on_stop() {
    let mut keeper = Fixture::holding();
    keeper.handle(Event::Stop(StopMode::Release));
    assert_eq!(keeper.keeper.state(), State::Stopped { kept: false });
    assert!(keeper.present.is_empty());
    keeper.read(Some(VALUE));
    assert_eq!(keeper.keeper.target(), Target::Released);
}

#[test]
fn leaves_the_address_to_its_lifetime_on_a_stop_that_keeps() {
    let mut keeper = Fixture::holding();
    keeper.handle(Event::Stop(StopMode::Keep));
    keeper.wait(secs(1));
    assert_eq!(keeper.keeper.state(), State::Stopped { kept: true });
    assert!(keeper.orders.is_empty() && keeper.present.len() == 1);
}

#[test]
fn acquires_without_delay_after_a_delete_and_a_put() {
    let mut keeper = Fixture::empty();
    keeper.event(None);
    let first = keeper.key_read(None);
    keeper.wait(millis(1));
    let second = keeper.key_read(Some(VALUE));
    keeper.wait(millis(1));
    keeper.handle(Event::Read(KeyRead { answered_at: keeper.now, ..first }));
    keeper.handle(Event::Read(KeyRead { answered_at: keeper.now, ..second }));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
}
