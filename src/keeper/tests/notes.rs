//! What a keeper tells, and what it does not tell twice.

use super::*;

fn leavings(keeper: &Fixture) -> usize {
    keeper.notes.iter().filter(|note| matches!(note, Note::Releasing { .. })).count()
}

#[test]
fn what_it_knows_of_the_cluster_can_be_asked() {
    let mut keeper = Fixture::empty();
    assert_eq!(
        (keeper.keeper.confirmed_at(), keeper.keeper.unreachable(), keeper.keeper.last_read()),
        (None, None, None)
    );
    keeper.handle(Event::Unreachable { why: "all members are silent".into() });
    assert_eq!(keeper.keeper.unreachable().map(AsRef::as_ref), Some("all members are silent"));
    keeper.read(Some(VALUE));
    assert_eq!((keeper.keeper.confirmed_at(), keeper.keeper.unreachable()), (Some(keeper.now), None));
    assert_eq!(keeper.keeper.last_read().map(|key_read| key_read.version), Some(Some(Version(keeper.revision))));
}

#[test]
fn a_word_says_where_it_stands() {
    let mut keeper = Fixture::empty();
    let mut words = vec![keeper.keeper.state().name()];
    let mut next = |keeper: &Fixture| words.push(keeper.keeper.state().name());
    keeper.refusing = true;
    keeper.read(Some(VALUE));
    next(&keeper);
    keeper.refusing = false;
    keeper.wait(secs(1));
    next(&keeper);
    keeper.handle(Event::Unreachable { why: "silent".into() });
    next(&keeper);
    keeper.refusing = true;
    keeper.event(Some("pg2"));
    next(&keeper);
    keeper.refusing = false;
    keeper.wait(secs(1));
    next(&keeper);
    keeper.handle(Event::Stop(StopMode::Release));
    next(&keeper);
    assert_eq!(words, ["unknown", "acquiring", "held", "doubtful", "releasing", "standby", "stopped"]);
}

#[test]
fn a_slower_pace_of_reads_is_no_doubt() {
    for (interval, doubts) in [(secs(1), true), (secs(2), false)] {
        let mut keeper = Fixture::holding();
        keeper.keeper.set_interval(interval);
        keeper.wait(millis(1_999));
        assert!(matches!(keeper.keeper.state(), State::Held { .. }));
        keeper.wait(secs(1));
        assert_eq!(matches!(keeper.keeper.state(), State::Doubtful { .. }), doubts, "{interval:?}");
    }
}

#[test]
fn who_leads_elsewhere_is_told_once_each() {
    let mut keeper = Fixture::empty();
    for (holder, lines) in [("pg2", 1), ("pg2", 1), ("pg3", 2), ("pg3", 2), ("pg2", 3)] {
        keeper.read(Some(holder));
        assert_eq!(keeper.notes.len(), lines, "{:?}", keeper.notes);
    }
    keeper.event(Some("pg4"));
    keeper.read(Some("pg4"));
    assert_eq!(keeper.notes.len(), 4, "the event tells nothing, the read does: {:?}", keeper.notes);
    assert!(keeper.notes.iter().all(|note| matches!(note, Note::StandingBy { .. })), "{:?}", keeper.notes);
}

#[test]
fn an_event_that_names_us_again_takes_nothing_from_the_holder() {
    let mut keeper = Fixture::holding();
    keeper.event(Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
    assert!(keeper.orders.is_empty() && keeper.notes.is_empty());
}

#[test]
fn an_inherited_address_is_told_when_it_comes_and_when_it_goes() {
    let mut keeper = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever }]);
    keeper.read(Some("pg2"));
    assert!(
        matches!(keeper.notes[..], [Note::Adopted { .. }, Note::Releasing { .. }, Note::Released { .. }]),
        "{:?}",
        keeper.notes
    );
}

#[test]
fn each_change_of_leader_is_told_however_many_there_are() {
    let mut keeper = Fixture::empty();
    for _ in 0..6 {
        keeper.read(Some(VALUE));
        keeper.read(Some("pg2"));
    }
    assert_eq!(leavings(&keeper), 6, "{:?}", keeper.notes);
}

#[test]
fn somebody_who_puts_it_up_again_and_again_is_told_of_a_few_times_a_minute() {
    let mut keeper = Fixture::empty();
    keeper.read(Some("pg2"));
    for _ in 0..20 {
        keeper.present.push(PresentAddress { prefix: 32, lifetime: Lifetime::Forever });
        keeper.observe();
        keeper.wait(secs(2));
        assert!(keeper.present.is_empty());
    }
    assert_eq!(leavings(&keeper), 3, "{:?}", keeper.notes);
}

#[test]
fn a_release_that_a_read_overtakes_is_not_told_as_done() {
    let mut keeper = Fixture::holding();
    keeper.refusing = true;
    keeper.event(None);
    keeper.wait(millis(5));
    keeper.refusing = false;
    keeper.read(Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
    assert!(
        matches!(keeper.notes[..], [Note::Releasing { .. }, Note::Refused { .. }, Note::Acquired { .. }]),
        "{:?}",
        keeper.notes
    );
}

#[test]
fn a_stop_asks_the_kernel_only_for_what_stands() {
    let mut away = Fixture::empty();
    away.handle(Event::Stop(StopMode::Release));
    assert_eq!(away.keeper.state(), State::Stopped { kept: false });
    assert!(away.orders.is_empty());
    let mut inherited = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever }]);
    inherited.handle(Event::Stop(StopMode::Release));
    assert!(inherited.present.is_empty() && inherited.released());
}
