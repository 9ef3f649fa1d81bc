//! What a keeper does with its claim.

use super::*;

/// A keeper that claims, with the claim and the address as they are after a first acquisition.
fn holding(mode: ClaimMode) -> Fixture {
    let mut keeper = claiming(mode, vec![]);
    keeper.read(Some(VALUE));
    acknowledge(&mut keeper);
    read_after(&mut keeper, Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
    keeper.forget();
    keeper
}

fn claiming(mode: ClaimMode, present: Vec<PresentAddress>) -> Fixture {
    let mut keeper = Fixture::with(present);
    keeper.keeper = Keeper::new(Rules { claim: mode, ..keeper.keeper.rules().clone() });
    keeper.observe();
    keeper.forget();
    keeper
}

fn tell(keeper: &mut Fixture, report: ClaimReport) {
    keeper.handle(Event::Claim(report));
}

/// The store acknowledges the claim, ten seconds from a request that took a millisecond.
fn acknowledge(keeper: &mut Fixture) {
    acknowledge_with(keeper, false);
}

/// The same; `named`: with it the store showed that the leader key names this host.
fn acknowledge_with(keeper: &mut Fixture, named: bool) {
    let sent_at = keeper.now + millis(1);
    keeper.now = keeper.now + millis(2);
    tell(keeper, ClaimReport::Held { sent_at, answered_at: keeper.now, bound: secs(10), named });
}

fn read_after(keeper: &mut Fixture, holder: Option<&str>) {
    keeper.now = keeper.now + millis(1);
    keeper.read(holder);
}

fn wish(keeper: &Fixture) -> ClaimWish {
    keeper.keeper.claim_wish()
}

fn refused() -> ClaimReport {
    ClaimReport::Refused { why: "permission denied".into(), cure: Some("grant it".into()) }
}

#[test]
fn acquires_after_the_claim_and_a_read_that_was_sent_later() {
    let mut keeper = claiming(ClaimMode::Require, vec![]);
    assert_eq!(wish(&keeper), ClaimWish::Nothing);
    keeper.read(Some(VALUE));
    assert_eq!((keeper.keeper.state(), wish(&keeper)), (State::Unknown { adopting: None }, ClaimWish::Hold));
    let sent_before = keeper.key_read(Some(VALUE));
    acknowledge(&mut keeper);
    keeper.handle(Event::Read(sent_before));
    assert_eq!(keeper.keeper.target(), Target::Released);
    read_after(&mut keeper, Some(VALUE));
    let State::Held { until } = keeper.keeper.state() else { panic!("{:?}", keeper.keeper.state()) };
    // Sent two milliseconds ago, for ten seconds, three of which are the margin.
    assert_eq!(until, keeper.now - millis(2) + secs(7));
    assert!(matches!(keeper.notes[..], [Note::Acquired { .. }]), "{:?}", keeper.notes);
}

#[test]
fn acquires_with_a_claim_that_was_created_only_because_the_leader_key_names_this_host() {
    let mut keeper = claiming(ClaimMode::Require, vec![]);
    keeper.read(Some(VALUE));
    let read_at = keeper.now;
    acknowledge_with(&mut keeper, true);
    let State::Held { until } = keeper.keeper.state() else { panic!("{:?}", keeper.keeper.state()) };
    // The read before it is still what the hold counts from, and the claim ends it sooner.
    assert_eq!(until, read_at + millis(1) + secs(7));
    assert!(matches!(keeper.notes[..], [Note::Acquired { .. }]), "{:?}", keeper.notes);
}

#[test]
fn a_claim_that_names_this_host_admits_nothing_after_another_was_named_or_the_read_is_old() {
    let mut moved = claiming(ClaimMode::Require, vec![]);
    moved.read(Some(VALUE));
    moved.event(Some("pg2"));
    acknowledge_with(&mut moved, true);
    assert_eq!((moved.keeper.target(), wish(&moved)), (Target::Released, ClaimWish::Delete));

    // Nor does it where that read would leave a doubt by now, until the next one.
    for late in [millis(2_500), secs(11)] {
        let mut old = claiming(ClaimMode::Require, vec![]);
        old.read(Some(VALUE));
        old.wait(late);
        acknowledge_with(&mut old, true);
        assert_eq!(old.keeper.target(), Target::Released);
    }
    let mut cut_off = claiming(ClaimMode::Require, vec![]);
    cut_off.read(Some(VALUE));
    cut_off.handle(Event::Unreachable { why: "silent".into(), until: None });
    acknowledge_with(&mut cut_off, true);
    assert_eq!(cut_off.keeper.target(), Target::Released);
    read_after(&mut cut_off, Some(VALUE));
    assert!(matches!(cut_off.keeper.state(), State::Held { .. }), "{:?}", cut_off.keeper.state());
}

#[test]
fn is_claimed_ahead_of_the_read_that_confirms_what_was_heard_and_held_when_both_are_there() {
    let heard = || {
        let mut keeper = claiming(ClaimMode::Require, vec![]);
        keeper.read(Some("pg2"));
        keeper.event(Some(VALUE));
        assert_eq!((wish(&keeper), keeper.keeper.target()), (ClaimWish::Ahead, Target::Released));
        keeper
    };
    let mut claimed_first = heard();
    let sent_before = {
        claimed_first.now = claimed_first.now + millis(1);
        claimed_first.key_read(Some(VALUE))
    };
    acknowledge_with(&mut claimed_first, true);
    assert_eq!(claimed_first.keeper.target(), Target::Released, "what was heard is confirmed by a read only");
    claimed_first.handle(Event::Read(sent_before));
    assert!(matches!(claimed_first.keeper.state(), State::Held { .. }), "{:?}", claimed_first.keeper.state());
    assert_eq!(wish(&claimed_first), ClaimWish::Hold);

    let mut read_first = heard();
    read_after(&mut read_first, Some(VALUE));
    assert_eq!((wish(&read_first), read_first.keeper.target()), (ClaimWish::Hold, Target::Released));
    acknowledge_with(&mut read_first, true);
    assert!(matches!(read_first.keeper.state(), State::Held { .. }), "{:?}", read_first.keeper.state());
}

#[test]
fn a_claim_ahead_of_the_read_is_given_up_when_the_read_or_the_watch_names_another_or_no_read_comes() {
    let heard = || {
        let mut keeper = claiming(ClaimMode::Require, vec![]);
        keeper.read(Some("pg2"));
        keeper.event(Some(VALUE));
        acknowledge_with(&mut keeper, true);
        keeper
    };
    let mut read = heard();
    read_after(&mut read, Some("pg2"));
    assert_eq!((wish(&read), read.keeper.target()), (ClaimWish::Delete, Target::Released));
    let mut moved = heard();
    moved.event(Some("pg3"));
    assert_eq!((wish(&moved), moved.keeper.target()), (ClaimWish::Delete, Target::Released));
    let mut unread = heard();
    unread.wait(millis(1_010));
    assert_eq!((wish(&unread), unread.keeper.target()), (ClaimWish::Delete, Target::Released));
    // Nor does it count for a read that comes later, where none came before.
    let mut at_start = claiming(ClaimMode::Require, vec![]);
    at_start.event(Some(VALUE));
    acknowledge_with(&mut at_start, true);
    at_start.wait(millis(1_010));
    assert_eq!(wish(&at_start), ClaimWish::Nothing);
    read_after(&mut at_start, Some(VALUE));
    assert_eq!((wish(&at_start), at_start.keeper.target()), (ClaimWish::Hold, Target::Released));
    // A read that was sent before the deletion no longer counts.
    let mut late = heard();
    let sent_before = late.key_read(Some(VALUE));
    late.wait(millis(1_010));
    late.handle(Event::Read(sent_before));
    assert_eq!((wish(&late), late.keeper.target()), (ClaimWish::Hold, Target::Released));
}

/// Such a read says less than the watch. If the claim were given up and wanted again, its creation would not count.
#[test]
fn a_claim_ahead_of_the_read_is_not_given_up_for_a_read_that_was_sent_before_the_watch_heard() {
    let mut keeper = claiming(ClaimMode::Require, vec![]);
    keeper.read(Some("pg2"));
    keeper.now = keeper.now + millis(1);
    let sent_before = keeper.key_read(None);
    keeper.now = keeper.now + millis(1);
    keeper.event(Some(VALUE));
    let sent_at = keeper.now + millis(1);
    keeper.handle(Event::Read(sent_before));
    assert_eq!(wish(&keeper), ClaimWish::Ahead);
    keeper.now = keeper.now + millis(2);
    read_after(&mut keeper, Some(VALUE));
    let answered_at = keeper.now;
    tell(&mut keeper, ClaimReport::Held { sent_at, answered_at, bound: secs(10), named: true });
    assert!(matches!(keeper.keeper.state(), State::Held { .. }), "{:?}", keeper.keeper.state());
}

#[test]
fn another_hosts_claim_that_was_found_ahead_of_the_read_is_noted_after_it() {
    let mut keeper = claiming(ClaimMode::Require, vec![]);
    keeper.read(Some("pg2"));
    keeper.event(Some(VALUE));
    keeper.forget();
    let taken = || ClaimReport::Taken { by: "pg2".into(), at_most: None };
    tell(&mut keeper, taken());
    assert_eq!(keeper.notes, []);
    read_after(&mut keeper, Some(VALUE));
    tell(&mut keeper, taken());
    assert!(matches!(keeper.notes[..], [Note::Claimed { .. }]), "{:?}", keeper.notes);
}

#[test]
fn the_grade_that_is_noted_is_that_of_the_claim() {
    let mut keeper = claiming(ClaimMode::Auto, vec![]);
    keeper.read(Some(VALUE));
    acknowledge(&mut keeper);
    keeper.now = keeper.now + millis(1);
    let read = keeper.key_read(Some(VALUE));
    keeper.handle(Event::Read(KeyRead { tenure: Tenure::Assumed { left: secs(10), margin: secs(3) }, ..read }));
    assert!(matches!(keeper.notes[..], [Note::Acquired { grade: Some(Grade::Exact), .. }]), "{:?}", keeper.notes);
    assert_eq!(keeper.keeper.grade(), Some(Grade::Exact));
}

/// The claim is the bound; with short settings of Patroni what is assumed would leave nothing.
#[test]
fn claims_and_acquires_where_the_assumed_bound_leaves_nothing() {
    let read = |keeper: &mut Fixture| {
        keeper.now = keeper.now + millis(1);
        let tenure = Tenure::Assumed { left: Duration::ZERO, margin: secs(3) };
        let read = keeper.key_read(Some(VALUE));
        keeper.handle(Event::Read(KeyRead { tenure, ..read }));
    };
    let mut claimed = claiming(ClaimMode::Auto, vec![]);
    read(&mut claimed);
    assert_eq!((wish(&claimed), claimed.keeper.target()), (ClaimWish::Hold, Target::Released));
    acknowledge(&mut claimed);
    read(&mut claimed);
    assert!(matches!(claimed.keeper.state(), State::Held { .. }), "{:?}", claimed.keeper.state());

    // Without a claim it counts.
    let mut unclaimed = claiming(ClaimMode::Auto, vec![]);
    tell(&mut unclaimed, refused());
    read(&mut unclaimed);
    assert_eq!(unclaimed.keeper.target(), Target::Released);
}

#[test]
fn does_not_acquire_if_the_read_after_the_claim_names_another() {
    let mut keeper = claiming(ClaimMode::Require, vec![]);
    keeper.read(Some(VALUE));
    acknowledge(&mut keeper);
    read_after(&mut keeper, Some("pg2"));
    assert_eq!((keeper.keeper.state(), wish(&keeper)), (State::Standby, ClaimWish::Delete));
    tell(&mut keeper, ClaimReport::Absent);
    assert_eq!(wish(&keeper), ClaimWish::Nothing);
}

#[test]
fn each_renewal_moves_the_deadline_and_confirms_nothing() {
    let mut keeper = holding(ClaimMode::Require);
    keeper.wait(millis(2_500));
    assert!(matches!(keeper.keeper.state(), State::Doubtful { .. }));
    acknowledge(&mut keeper);
    let State::Doubtful { until } = keeper.keeper.state() else { panic!("{:?}", keeper.keeper.state()) };
    assert_eq!(until, keeper.now - millis(1) + secs(7));
}

#[test]
fn the_reads_bind_where_they_end_sooner_than_the_claim() {
    let mut keeper = holding(ClaimMode::Require);
    let read = keeper.key_read(Some(VALUE));
    keeper.handle(Event::Read(KeyRead { tenure: Tenure::AtLeast(secs(5)), ..read }));
    acknowledge(&mut keeper);
    assert_eq!(keeper.keeper.state(), State::Held { until: keeper.now - millis(2) + secs(2) });
}

#[test]
fn a_claim_that_is_not_renewed_ends_the_hold_whatever_the_reads_say() {
    let mut keeper = holding(ClaimMode::Require);
    tell(&mut keeper, ClaimReport::Unknown { why: "silent".into() });
    tell(&mut keeper, ClaimReport::Unknown { why: "silent".into() });
    assert!(matches!(keeper.notes[..], [Note::ClaimUnconfirmed { until: Some(_), .. }]), "{:?}", keeper.notes);
    for _ in 0..14 {
        keeper.wait(millis(500));
        keeper.read(Some(VALUE));
    }
    assert!(keeper.released());
    let cause = Cause::ClaimDeadline { why: Some("silent".into()) };
    assert!(keeper.notes.contains(&Note::Releasing { cause }), "{:?}", keeper.notes);
    assert!(!keeper.notes.contains(&Note::Missing { suppressed: 0 }), "the kernel was first: {:?}", keeper.notes);
    assert_eq!((keeper.keeper.target(), wish(&keeper)), (Target::Released, ClaimWish::Hold));
}

#[test]
fn a_lost_claim_releases_at_once_and_is_asked_for_again() {
    let mut keeper = holding(ClaimMode::Require);
    tell(&mut keeper, ClaimReport::Lost { why: "it is absent".into() });
    assert!(keeper.released() && keeper.present.is_empty());
    assert_eq!(wish(&keeper), ClaimWish::Hold);
    read_after(&mut keeper, Some(VALUE));
    assert_eq!(keeper.keeper.target(), Target::Released);
    acknowledge(&mut keeper);
    read_after(&mut keeper, Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
}

#[test]
fn the_claim_is_kept_until_the_kernel_has_confirmed_that_the_address_is_gone() {
    let mut keeper = holding(ClaimMode::Require);
    keeper.refusing = true;
    keeper.event(Some("pg2"));
    assert_eq!(wish(&keeper), ClaimWish::Keep);
    keeper.wait(secs(1));
    assert_eq!(wish(&keeper), ClaimWish::Keep);
    keeper.refusing = false;
    keeper.wait(secs(10));
    assert_eq!((keeper.present.len(), wish(&keeper)), (0, ClaimWish::Delete));
    tell(&mut keeper, ClaimReport::Absent);
    assert_eq!(wish(&keeper), ClaimWish::Nothing);
}

#[test]
fn a_stop_deletes_the_claim_after_the_address_and_a_restart_leaves_both() {
    let mut keeper = holding(ClaimMode::Require);
    keeper.handle(Event::Stop(StopMode::Release));
    assert_eq!((keeper.present.len(), wish(&keeper)), (0, ClaimWish::Delete));
    tell(&mut keeper, ClaimReport::Absent);
    assert_eq!(wish(&keeper), ClaimWish::Nothing);
    let mut keeper = holding(ClaimMode::Require);
    keeper.handle(Event::Stop(StopMode::Keep));
    assert_eq!((keeper.present.len(), wish(&keeper)), (1, ClaimWish::Nothing));
}

#[test]
fn another_hosts_claim_is_waited_for_and_reported_once() {
    let mut keeper = claiming(ClaimMode::Auto, vec![]);
    keeper.read(Some(VALUE));
    let taken = ClaimReport::Taken { by: "pg2".into(), at_most: Some(secs(7)) };
    for _ in 0..3 {
        tell(&mut keeper, taken.clone());
        read_after(&mut keeper, Some(VALUE));
    }
    assert_eq!(keeper.notes, [Note::Claimed { by: "pg2".into(), at_most: Some(secs(7)) }]);
    assert_eq!((keeper.keeper.target(), wish(&keeper)), (Target::Released, ClaimWish::Hold));
    acknowledge(&mut keeper);
    read_after(&mut keeper, Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
}

#[test]
fn another_hosts_claim_removes_an_inherited_address() {
    let present =
        PresentAddress { prefix: 32, lifetime: Lifetime::Until(Moment::from_boot(secs(1_006))), unusable: false };
    let mut keeper = claiming(ClaimMode::Require, vec![present]);
    assert_eq!(wish(&keeper), ClaimWish::Keep);
    keeper.read(Some(VALUE));
    assert_eq!((keeper.present.len(), wish(&keeper)), (1, ClaimWish::Hold));
    tell(&mut keeper, ClaimReport::Taken { by: "pg2".into(), at_most: None });
    assert!(keeper.present.is_empty());
}

#[test]
fn an_inherited_address_stays_while_the_claim_is_taken_over() {
    let present =
        PresentAddress { prefix: 32, lifetime: Lifetime::Until(Moment::from_boot(secs(1_006))), unusable: false };
    let mut keeper = claiming(ClaimMode::Require, vec![present]);
    keeper.read(Some(VALUE));
    acknowledge(&mut keeper);
    read_after(&mut keeper, Some(VALUE));
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
    assert!(!keeper.released());
}

#[test]
fn without_the_right_to_claim_auto_goes_by_the_reads_and_require_does_not_acquire() {
    for mode in [ClaimMode::Auto, ClaimMode::Require] {
        let mut keeper = claiming(mode, vec![]);
        keeper.read(Some(VALUE));
        tell(&mut keeper, refused());
        tell(&mut keeper, refused());
        read_after(&mut keeper, Some(VALUE));
        let required = mode == ClaimMode::Require;
        let told = |note: &&Note| matches!(note, Note::ClaimRefused { required: told, .. } if *told == required);
        assert_eq!(keeper.notes.iter().filter(told).count(), 1, "{:?}", keeper.notes);
        assert_eq!(matches!(keeper.keeper.target(), Target::Held { .. }), !required, "{mode:?}");
    }
}

#[test]
fn an_answer_to_what_was_asked_before_the_claim_was_given_up_does_not_count() {
    let mut keeper = holding(ClaimMode::Require);
    let sent_at = keeper.now;
    keeper.event(Some("pg2"));
    assert_eq!(wish(&keeper), ClaimWish::Delete);
    let late = ClaimReport::Held { sent_at, answered_at: keeper.now, bound: secs(10), named: false };
    tell(&mut keeper, late.clone());
    read_after(&mut keeper, Some(VALUE));
    assert_eq!(wish(&keeper), ClaimWish::Hold);
    tell(&mut keeper, late);
    read_after(&mut keeper, Some(VALUE));
    assert_eq!(keeper.keeper.target(), Target::Released, "its claim is being deleted");
}

#[test]
fn a_keeper_without_claims_wants_none() {
    let mut keeper = Fixture::holding();
    tell(&mut keeper, ClaimReport::Lost { why: "it is absent".into() });
    assert!(matches!(keeper.keeper.state(), State::Held { .. }));
    keeper.event(Some("pg2"));
    assert_eq!((wish(&keeper), keeper.keeper.claimed()), (ClaimWish::Nothing, None));
}
