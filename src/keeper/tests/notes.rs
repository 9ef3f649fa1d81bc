//! What a keeper notes, and what it notes only once.

use super::*;

fn releases(keeper: &Fixture) -> usize {
    keeper.notes.iter().filter(|note| matches!(note, Note::Releasing { .. })).count()
}

#[test]
fn reports_the_last_read_and_why_the_store_is_unreachable() {
    let mut keeper = Fixture::empty();
    assert_eq!(
        (keeper.keeper.confirmed_at(), keeper.keeper.unreachable(), keeper.keeper.last_read()),
        (None, None, None)
    );
    keeper.handle(Event::Unreachable { why: "all members are silent".into(), until: None });
    assert_eq!(keeper.keeper.unreachable().map(AsRef::as_ref), Some("all members are silent"));
    keeper.read(Some(VALUE));
    assert_eq!((keeper.keeper.confirmed_at(), keeper.keeper.unreachable()), (Some(keeper.now), None));
    assert_eq!(keeper.keeper.last_read().map(|key_read| key_read.version), Some(Some(Version(keeper.revision))));
}

#[test]
fn names_every_state() {
    let mut keeper = Fixture::empty();
    let mut words = vec![keeper.keeper.state().name()];
    let mut next = |keeper: &Fixture| words.push(keeper.keeper.state().name());
    keeper.refusing = true;
    keeper.read(Some(VALUE));
    next(&keeper);
    keeper.refusing = false;
    keeper.wait(secs(1));
    next(&keeper);
    keeper.handle(Event::Unreachable { why: "silent".into(), until: None });
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
fn is_not_doubtful_within_two_intervals() {
    for (interval, doubts) in [(secs(1), true), (secs(2), false)] {
        let mut keeper = Fixture::holding();
        keeper.keeper.set_pace(Pace::steady(interval));
        keeper.wait(millis(1_999));
        assert!(matches!(keeper.keeper.state(), State::Held { .. }));
        keeper.wait(secs(1));
        assert_eq!(matches!(keeper.keeper.state(), State::Doubtful { .. }), doubts, "{interval:?}");
    }
}

#[test]
fn notes_each_other_leader_once() {
    let mut keeper = Fixture::empty();
    for (holder, lines) in [("pg2", 1), ("pg2", 1), ("pg3", 2), ("pg3", 2), ("pg2", 3)] {
        keeper.read(Some(holder));
        assert_eq!(keeper.notes.len(), lines, "{:?}", keeper.notes);
    }
    keeper.event(Some("pg4"));
    keeper.read(Some("pg4"));
    assert_eq!(keeper.notes.len(), 4, "the read is noted, the event is not: {:?}", keeper.notes);
    assert!(keeper.notes.iter().all(|note| matches!(note, Note::StandingBy { .. })), "{:?}", keeper.notes);
}

#[test]
fn keeps_holding_on_an_event_that_names_us() {
    let mut keeper = Fixture::holding();
    keeper.event(Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
    assert!(keeper.orders.is_empty() && keeper.notes.is_empty());
}

#[test]
fn notes_the_adoption_and_the_release_of_an_existing_address() {
    let mut keeper = Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    keeper.read(Some("pg2"));
    assert!(
        matches!(keeper.notes[..], [Note::Adopted { .. }, Note::Releasing { .. }, Note::Released { .. }]),
        "{:?}",
        keeper.notes
    );
}

#[test]
fn notes_every_change_of_leader() {
    let mut keeper = Fixture::empty();
    for _ in 0..6 {
        keeper.read(Some(VALUE));
        keeper.read(Some("pg2"));
    }
    assert_eq!(releases(&keeper), 6, "{:?}", keeper.notes);
}

#[test]
fn limits_notes_about_an_address_that_is_added_repeatedly() {
    let mut keeper = Fixture::empty();
    keeper.read(Some("pg2"));
    for _ in 0..20 {
        keeper.present.push(PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false });
        keeper.observe();
        keeper.wait(secs(2));
        assert!(keeper.present.is_empty());
    }
    assert_eq!(releases(&keeper), 3, "{:?}", keeper.notes);
}

#[test]
fn notes_no_release_if_a_read_comes_first() {
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
fn orders_a_release_on_stop_only_if_the_address_is_present() {
    let mut away = Fixture::empty();
    away.handle(Event::Stop(StopMode::Release));
    assert_eq!(away.keeper.state(), State::Stopped { kept: false });
    assert!(away.orders.is_empty());
    let mut inherited =
        Fixture::with(vec![PresentAddress { prefix: 32, lifetime: Lifetime::Forever, unusable: false }]);
    inherited.handle(Event::Stop(StopMode::Release));
    assert!(inherited.present.is_empty() && inherited.released());
}

#[test]
fn notes_another_grade_of_the_promise_once() {
    let mut keeper = Fixture::empty();
    let mut read = |tenure: Tenure| {
        keeper.wait(secs(1));
        let read = KeyRead { tenure, ..keeper.key_read(Some(VALUE)) };
        keeper.handle(Event::Read(read));
        let grades = keeper.notes.drain(..).filter_map(|note| match note {
            Note::Graded { before, now, .. } => Some((before, now)),
            Note::Acquired { grade, .. } => grade.map(|grade| (grade, grade)),
            _ => None,
        });
        grades.collect::<Vec<_>>()
    };
    let assumed = Tenure::Assumed { left: secs(9), margin: secs(3) };
    assert_eq!(read(Tenure::AtLeast(secs(25))), [(Grade::Exact, Grade::Exact)]);
    assert_eq!(read(assumed), [(Grade::Exact, Grade::Assumed)]);
    assert_eq!(read(assumed), []);
    assert_eq!(read(Tenure::NoLease), [(Grade::Assumed, Grade::Leaseless)]);
    assert_eq!(read(Tenure::AtLeast(secs(25))), [(Grade::Leaseless, Grade::Exact)]);
    assert_eq!(keeper.keeper.grade(), Some(Grade::Exact));
    keeper.read(None);
    assert_eq!(keeper.keeper.grade(), Some(Grade::Exact), "the fixture's reads of others tell it, too");
}
