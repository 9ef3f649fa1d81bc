//! What a keeper tells, and what it does not tell twice.

use super::*;

fn leavings(desk: &Desk) -> usize {
    desk.notes.iter().filter(|note| matches!(note, Note::Leaving { .. })).count()
}

#[test]
fn what_it_knows_of_the_cluster_can_be_asked() {
    let mut desk = Desk::empty();
    assert_eq!((desk.keeper.confirmed_at(), desk.keeper.blind(), desk.keeper.sighting()), (None, None, None));
    desk.handle(Event::Blind { why: "all members are silent".into() });
    assert_eq!(desk.keeper.blind().map(AsRef::as_ref), Some("all members are silent"));
    desk.read(Some(VALUE));
    assert_eq!((desk.keeper.confirmed_at(), desk.keeper.blind()), (Some(desk.now), None));
    assert_eq!(desk.keeper.sighting().map(|sighting| sighting.revision), Some(desk.revision));
}

#[test]
fn a_word_says_where_it_stands() {
    let mut desk = Desk::empty();
    let mut words = vec![desk.keeper.state().name()];
    let mut next = |desk: &Desk| words.push(desk.keeper.state().name());
    desk.refusing = true;
    desk.read(Some(VALUE));
    next(&desk);
    desk.refusing = false;
    desk.wait(secs(1));
    next(&desk);
    desk.handle(Event::Blind { why: "silent".into() });
    next(&desk);
    desk.refusing = true;
    desk.event(Some("pg2"));
    next(&desk);
    desk.refusing = false;
    desk.wait(secs(1));
    next(&desk);
    desk.handle(Event::Stop(StopMode::Release));
    next(&desk);
    assert_eq!(words, ["unknown", "acquiring", "held", "doubtful", "releasing", "standby", "stopped"]);
}

#[test]
fn a_slower_pace_of_reads_is_no_doubt() {
    for (interval, doubts) in [(secs(1), true), (secs(2), false)] {
        let mut desk = Desk::holding();
        desk.keeper.set_interval(interval);
        desk.wait(millis(1_999));
        assert!(matches!(desk.keeper.state(), State::Held { .. }));
        desk.wait(secs(1));
        assert_eq!(matches!(desk.keeper.state(), State::Doubtful { .. }), doubts, "{interval:?}");
    }
}

#[test]
fn who_leads_elsewhere_is_told_once_each() {
    let mut desk = Desk::empty();
    for (holder, lines) in [("pg2", 1), ("pg2", 1), ("pg3", 2), ("pg3", 2), ("pg2", 3)] {
        desk.read(Some(holder));
        assert_eq!(desk.notes.len(), lines, "{:?}", desk.notes);
    }
    desk.event(Some("pg4"));
    desk.read(Some("pg4"));
    assert_eq!(desk.notes.len(), 4, "the event tells nothing, the read does: {:?}", desk.notes);
    assert!(desk.notes.iter().all(|note| matches!(note, Note::StandingBy { .. })), "{:?}", desk.notes);
}

#[test]
fn an_event_that_names_us_again_takes_nothing_from_the_holder() {
    let mut desk = Desk::holding();
    desk.event(Some(VALUE));
    assert!(matches!(desk.keeper.state(), State::Held { .. }), "{:?}", desk.keeper.state());
    assert!(desk.orders.is_empty() && desk.notes.is_empty());
}

#[test]
fn an_inherited_address_is_told_when_it_comes_and_when_it_goes() {
    let mut desk = Desk::with(vec![Standing { prefix: 32, expires: Expiry::Never }]);
    desk.read(Some("pg2"));
    assert!(
        matches!(desk.notes[..], [Note::Adopted { .. }, Note::Leaving { .. }, Note::Released { .. }]),
        "{:?}",
        desk.notes
    );
}

#[test]
fn each_change_of_leader_is_told_however_many_there_are() {
    let mut desk = Desk::empty();
    for _ in 0..6 {
        desk.read(Some(VALUE));
        desk.read(Some("pg2"));
    }
    assert_eq!(leavings(&desk), 6, "{:?}", desk.notes);
}

#[test]
fn somebody_who_puts_it_up_again_and_again_is_told_of_a_few_times_a_minute() {
    let mut desk = Desk::empty();
    desk.read(Some("pg2"));
    for _ in 0..20 {
        desk.standing.push(Standing { prefix: 32, expires: Expiry::Never });
        desk.observe();
        desk.wait(secs(2));
        assert!(desk.standing.is_empty());
    }
    assert_eq!(leavings(&desk), 3, "{:?}", desk.notes);
}

#[test]
fn a_release_that_a_read_overtakes_is_not_told_as_done() {
    let mut desk = Desk::holding();
    desk.refusing = true;
    desk.event(None);
    desk.wait(millis(5));
    desk.refusing = false;
    desk.read(Some(VALUE));
    assert!(matches!(desk.keeper.state(), State::Held { .. }));
    assert!(
        matches!(desk.notes[..], [Note::Leaving { .. }, Note::Refused { .. }, Note::Acquired { .. }]),
        "{:?}",
        desk.notes
    );
}

#[test]
fn a_stop_asks_the_kernel_only_for_what_stands() {
    let mut away = Desk::empty();
    away.handle(Event::Stop(StopMode::Release));
    assert_eq!(away.keeper.state(), State::Stopped { kept: false });
    assert!(away.orders.is_empty());
    let mut inherited = Desk::with(vec![Standing { prefix: 32, expires: Expiry::Never }]);
    inherited.handle(Event::Stop(StopMode::Release));
    assert!(inherited.standing.is_empty() && inherited.released());
}
