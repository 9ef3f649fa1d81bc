//! An interface and an address that somebody else changes.

use super::*;

/// How many orders add or renew the address.
fn holds(keeper: &Fixture) -> usize {
    keeper.orders.iter().filter(|order| matches!(order, Order::Hold { .. })).count()
}

#[test]
fn ignores_repeated_notices() {
    let mut keeper = Fixture::holding();
    for _ in 0..3 {
        keeper.wait(millis(20));
        keeper.observe();
    }
    assert_eq!((keeper.announced, keeper.orders.len()), (0, 0));
    keeper.wait(millis(500));
    keeper.read(Some(VALUE));
    assert_eq!(holds(&keeper), 1, "the renewal is not delayed");
}

#[test]
fn holds_an_existing_address_if_a_read_came_before_the_first_look() {
    let mut keeper = Fixture::empty();
    keeper.keeper = Keeper::new(keeper.keeper.rules().clone());
    keeper.read(Some(VALUE));
    keeper.present.push(PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false });
    keeper.observe();
    assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
    assert!(matches!(keeper.notes[..], [Note::Acquired { .. }]), "{:?}", keeper.notes);
}

#[test]
fn does_not_adopt_an_address_that_appears_after_the_first_look() {
    let mut keeper = Fixture::empty();
    keeper.present.push(PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false });
    keeper.observe();
    assert!(keeper.present.is_empty(), "{:?}", keeper.keeper.state());
    assert!(matches!(keeper.notes[..], [Note::Releasing { cause: Cause::Foreign }, Note::Released { .. }]));
}

#[test]
fn limits_every_prefix_length_of_an_adopted_address() {
    let both = [24, 32].map(|prefix| PresentAddress { prefix, lifetime: Lifetime::Forever, unusable: false });
    let mut keeper = Fixture::with(both.to_vec());
    let until = keeper.now + secs(10);
    assert_eq!(keeper.orders, [24, 32].map(|prefix| Order::Limit { link: LINK, prefix, until, clear: false }));
    keeper.forget();
    keeper.present =
        [24, 32].map(|prefix| PresentAddress { prefix, lifetime: Lifetime::Until(until), unusable: false }).to_vec();
    keeper.observe();
    assert!(keeper.orders.is_empty());
}

#[test]
fn notes_no_release_of_an_adopted_address_before_its_end() {
    let mut taken = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    taken.wait(secs(2));
    taken.present.clear();
    taken.observe();
    assert!(matches!(taken.notes[..], [Note::Adopted { .. }]), "{:?}", taken.notes);
    let mut present = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    present.wait(secs(9));
    present.observe();
    assert!(matches!(present.notes[..], [Note::Adopted { .. }]), "{:?}", present.notes);
}

#[test]
fn corrects_a_shortened_lifetime_at_a_limited_rate() {
    let mut keeper = Fixture::holding();
    for _ in 0..100 {
        keeper.present =
            vec![PresentAddress { prefix: 32, lifetime: Lifetime::Until(keeper.now + secs(2)), unusable: false }];
        keeper.observe();
        keeper.wait(millis(1));
    }
    assert!((1..=3).contains(&holds(&keeper)), "{} in 100 ms", holds(&keeper));
    keeper.wait(secs(1));
    assert!(matches!(keeper.present[0].lifetime, Lifetime::Until(end) if end.since(keeper.now) > secs(7)));
}

#[test]
fn restores_immediately_if_removals_are_a_second_apart() {
    let mut keeper = Fixture::holding();
    for _ in 0..3 {
        keeper.present.clear();
        keeper.observe();
        assert_eq!(keeper.present.len(), 1);
        keeper.wait(secs(1));
        keeper.read(Some(VALUE));
    }
}

#[test]
fn retries_immediately_when_the_link_comes_up_or_is_recreated() {
    type KeyEvent = fn(Link) -> Link;
    let up: KeyEvent = |link| Link { up: true, ..link };
    let anew: KeyEvent = |link| Link { index: 9, ..link };
    for (up_before, change) in [(false, up), (true, anew)] {
        let mut keeper = Fixture::empty();
        keeper.link = keeper.link.map(|link| Link { up: up_before, ..link });
        keeper.observe();
        keeper.refusing = true;
        keeper.read(Some(VALUE));
        for _ in 0..9 {
            keeper.wait(secs(1));
            keeper.read(Some(VALUE));
        }
        keeper.forget();
        keeper.refusing = false;
        keeper.link = keeper.link.map(change);
        keeper.observe();
        assert_eq!(holds(&keeper), 1, "up before: {up_before}");
    }
}

#[test]
fn releases_without_an_order_if_there_is_no_interface() {
    let mut absent = Fixture::empty();
    absent.keeper = Keeper::new(absent.keeper.rules().clone());
    absent.link = None;
    absent.observe();
    absent.read(Some("pg2"));
    assert_eq!(absent.keeper.state(), State::Standby);
    let mut gone = Fixture::holding();
    gone.refusing = true;
    gone.read(Some("pg2"));
    assert!(matches!(gone.keeper.state(), State::Releasing { .. }));
    gone.link = None;
    gone.present.clear();
    gone.observe();
    assert_eq!(gone.keeper.state(), State::Standby);
}

#[test]
fn acquires_only_with_a_whole_second_above_the_margin() {
    let mut keeper = Fixture::empty();
    keeper.refusing = true;
    let key_read = KeyRead { tenure: Tenure::AtLeast(secs(4)), ..keeper.key_read(Some(VALUE)) };
    keeper.handle(Event::Read(key_read));
    assert_eq!(holds(&keeper), 1);
    keeper.wait(millis(950));
    assert_eq!(holds(&keeper), 1, "a lifetime of less than a second cannot be asked for");
}
