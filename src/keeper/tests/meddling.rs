//! What a keeper makes of an interface and an address that others lay hands on.

use super::*;

/// What of the orders puts the address up or renews it.
fn holds(desk: &Desk) -> usize {
    desk.orders.iter().filter(|order| matches!(order, Order::Hold { .. })).count()
}

#[test]
fn what_the_kernel_repeats_is_neither_announced_again_nor_a_quarrel() {
    let mut desk = Desk::holding();
    for _ in 0..3 {
        desk.wait(millis(20));
        desk.observe();
    }
    assert_eq!((desk.announced, desk.orders.len()), (0, 0));
    desk.wait(millis(500));
    desk.read(Some(VALUE));
    assert_eq!(holds(&desk), 1, "the renewal waits for nothing");
}

#[test]
fn an_address_that_the_first_read_names_is_held_though_it_was_inherited() {
    let mut desk = Desk::empty();
    desk.keeper = Keeper::new(desk.keeper.rules().clone());
    desk.read(Some(VALUE));
    desk.standing.push(Standing { prefix: 32, expires: Expiry::Never });
    desk.observe();
    assert!(matches!(desk.keeper.state(), State::Held { .. }), "{:?}", desk.keeper.state());
    assert!(matches!(desk.notes[..], [Note::Acquired { .. }]), "{:?}", desk.notes);
}

#[test]
fn an_address_that_appears_after_the_first_look_is_not_taken_for_inherited() {
    let mut desk = Desk::empty();
    desk.standing.push(Standing { prefix: 32, expires: Expiry::Never });
    desk.observe();
    assert!(desk.standing.is_empty(), "{:?}", desk.keeper.state());
    assert!(matches!(desk.notes[..], [Note::Leaving { cause: Cause::Intruder }, Note::Released { .. }]));
}

#[test]
fn of_what_was_inherited_each_prefix_length_gets_a_finite_lifetime() {
    let both = [24, 32].map(|prefix| Standing { prefix, expires: Expiry::Never });
    let mut desk = Desk::with(both.to_vec());
    let until = desk.now + secs(10);
    assert_eq!(desk.orders, [24, 32].map(|prefix| Order::Limit { link: LINK, prefix, until }));
    desk.forget();
    desk.standing = [24, 32].map(|prefix| Standing { prefix, expires: Expiry::At(until) }).to_vec();
    desk.observe();
    assert!(desk.orders.is_empty());
}

#[test]
fn an_inherited_address_is_told_to_be_gone_only_when_its_end_came() {
    let mut taken = Desk::with(vec![Standing { prefix: 32, expires: Expiry::Never }]);
    taken.wait(secs(2));
    taken.standing.clear();
    taken.observe();
    assert!(matches!(taken.notes[..], [Note::Adopted { .. }]), "{:?}", taken.notes);
    let mut standing = Desk::with(vec![Standing { prefix: 32, expires: Expiry::Never }]);
    standing.wait(secs(9));
    standing.observe();
    assert!(matches!(standing.notes[..], [Note::Adopted { .. }]), "{:?}", standing.notes);
}

#[test]
fn a_lifetime_that_somebody_cuts_short_is_made_right_at_a_bounded_pace() {
    let mut desk = Desk::holding();
    for _ in 0..100 {
        desk.standing = vec![Standing { prefix: 32, expires: Expiry::At(desk.now + secs(2)) }];
        desk.observe();
        desk.wait(millis(1));
    }
    assert!((1..=3).contains(&holds(&desk)), "{} in 100 ms", holds(&desk));
    desk.wait(secs(1));
    assert!(matches!(desk.standing[0].expires, Expiry::At(end) if end.since(desk.now) > secs(7)));
}

#[test]
fn what_is_taken_again_after_a_second_is_put_back_at_once() {
    let mut desk = Desk::holding();
    for _ in 0..3 {
        desk.standing.clear();
        desk.observe();
        assert_eq!(desk.standing.len(), 1);
        desk.wait(secs(1));
        desk.read(Some(VALUE));
    }
}

#[test]
fn a_link_that_comes_up_or_is_made_anew_ends_the_wait_after_a_refusal() {
    type Change = fn(Link) -> Link;
    let up: Change = |link| Link { up: true, ..link };
    let anew: Change = |link| Link { index: 9, ..link };
    for (up_before, change) in [(false, up), (true, anew)] {
        let mut desk = Desk::empty();
        desk.link = desk.link.map(|link| Link { up: up_before, ..link });
        desk.observe();
        desk.refusing = true;
        desk.read(Some(VALUE));
        for _ in 0..9 {
            desk.wait(secs(1));
            desk.read(Some(VALUE));
        }
        desk.forget();
        desk.refusing = false;
        desk.link = desk.link.map(change);
        desk.observe();
        assert_eq!(holds(&desk), 1, "up before: {up_before}");
    }
}

#[test]
fn a_host_without_the_interface_has_nothing_to_remove() {
    let mut absent = Desk::empty();
    absent.keeper = Keeper::new(absent.keeper.rules().clone());
    absent.link = None;
    absent.observe();
    absent.read(Some("pg2"));
    assert_eq!(absent.keeper.state(), State::Standby);
    let mut gone = Desk::holding();
    gone.refusing = true;
    gone.read(Some("pg2"));
    assert!(matches!(gone.keeper.state(), State::Releasing { .. }));
    gone.link = None;
    gone.standing.clear();
    gone.observe();
    assert_eq!(gone.keeper.state(), State::Standby);
}

#[test]
fn a_second_more_than_the_margin_is_ground_to_acquire_and_less_is_none() {
    let mut desk = Desk::empty();
    desk.refusing = true;
    let sighting = Sighting { lease: Lease::Left(secs(4)), ..desk.sighting(Some(VALUE)) };
    desk.handle(Event::Read(sighting));
    assert_eq!(holds(&desk), 1);
    desk.wait(millis(950));
    assert_eq!(holds(&desk), 1, "a lifetime of less than a second cannot be asked for");
}
