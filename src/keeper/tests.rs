//! What a keeper does, told in the words of those who run it.

mod meddling;
mod rivalry;
mod telling;

use super::*;

const VALUE: &str = "pg1";
const LINK: u32 = 7;

/// A keeper with a kernel that does at once what it is ordered, unless told otherwise.
struct Desk {
    keeper: Keeper,
    now: Moment,
    revision: i64,
    link: Option<Link>,
    standing: Vec<Standing>,
    refusing: bool,
    orders: Vec<Order>,
    announced: usize,
    notes: Vec<Note>,
}

impl Desk {
    fn empty() -> Self {
        Self::with(vec![])
    }

    fn with(standing: Vec<Standing>) -> Self {
        let rules = Rules {
            prefix: 32,
            value: VALUE.into(),
            interval: secs(1),
            hold_timeout: secs(10),
            lease_margin: secs(3),
            schedule: Schedule::new(None, None, secs(60)),
            seed: 1,
        };
        let mut desk = Self {
            keeper: Keeper::new(rules),
            now: Moment::from_boot(secs(1_000)),
            revision: 10,
            link: Some(Link { index: LINK, up: true, mac: Some(Mac([2, 0, 0, 0, 0, 1])) }),
            standing,
            refusing: false,
            orders: vec![],
            announced: 0,
            notes: vec![],
        };
        desk.observe();
        desk
    }

    /// A desk whose keeper holds since just now.
    fn holding() -> Self {
        let mut desk = Self::empty();
        desk.read(Some(VALUE));
        assert!(matches!(desk.keeper.state(), State::Held { .. }), "{:?}", desk.keeper.state());
        desk.forget();
        desk
    }

    fn forget(&mut self) {
        self.orders.clear();
        self.notes.clear();
        self.announced = 0;
    }

    fn read(&mut self, holder: Option<&str>) {
        let sighting = self.sighting(holder);
        self.handle(Event::Read(sighting));
    }

    fn sighting(&mut self, holder: Option<&str>) -> Sighting {
        self.revision += 1;
        Sighting {
            holder: holder.map(Into::into),
            revision: self.revision,
            mod_revision: self.revision,
            sent_at: self.now,
            answered_at: self.now,
            lease: Lease::Left(secs(25)),
            from: "http://etcd1:2379".into(),
        }
    }

    fn event(&mut self, holder: Option<&str>) {
        self.revision += 1;
        let change = Change {
            holder: holder.map(Into::into),
            mod_revision: self.revision,
            heard_at: self.now,
            from: "etcd1".into(),
        };
        self.handle(Event::Changed(change));
    }

    fn observe(&mut self) {
        let observation = Observation { link: self.link, standing: self.standing.clone() };
        self.handle(Event::Observed(observation));
    }

    fn handle(&mut self, event: Event) {
        self.keeper.handle(event, self.now);
        self.drain();
    }

    /// Lets time pass, with every timer on its minute.
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
        while let Some(order) = self.keeper.order(self.now) {
            rounds += 1;
            assert!(rounds < 10, "the orders do not end: {order:?}");
            let outcome = self.carry_out(&order);
            self.orders.push(order);
            self.keeper.handle(Event::Applied(outcome), self.now);
        }
        while self.keeper.announce(self.now) {
            self.announced += 1;
        }
        while let Some(note) = self.keeper.note() {
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
                self.standing = vec![Standing { prefix: 32, expires: Expiry::At(self.now + whole) }];
                Outcome::Held { until: *until }
            }
            Order::Limit { prefix, until, .. } => {
                self.standing = vec![Standing { prefix: *prefix, expires: Expiry::At(*until) }];
                Outcome::Limited { prefix: *prefix, until: *until }
            }
            Order::Release { .. } => {
                self.standing.clear();
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
fn a_read_that_names_us_puts_the_address_up_and_announces_it() {
    let mut desk = Desk::empty();
    desk.read(Some(VALUE));
    assert_eq!(desk.keeper.state(), State::Held { until: desk.now + secs(10) });
    assert_eq!(desk.announced, 1);
    assert!(matches!(desk.notes[..], [Note::Acquired { .. }]), "{:?}", desk.notes);
    desk.wait(millis(1_200));
    assert_eq!(desk.announced, 4);
}

#[test]
fn an_event_that_names_us_does_nothing_by_itself() {
    let mut desk = Desk::empty();
    desk.event(Some(VALUE));
    assert_eq!(desk.keeper.target(), Target::Released);
    assert!(desk.orders.is_empty());
}

#[test]
fn an_event_that_names_another_releases_at_once() {
    let mut desk = Desk::holding();
    desk.event(Some("pg2"));
    assert_eq!(desk.keeper.state(), State::Standby);
    assert!(desk.released() && desk.standing.is_empty());
    desk.read(Some("pg2"));
    assert!(matches!(desk.notes[..], [Note::Leaving { .. }, Note::Released { cause: Cause::Event(_), .. }]));
}

#[test]
fn a_read_that_was_sent_before_the_event_cannot_bring_it_back() {
    let mut desk = Desk::holding();
    let before = desk.sighting(Some(VALUE));
    desk.wait(millis(5));
    desk.event(None);
    desk.handle(Event::Read(Sighting { answered_at: desk.now, ..before }));
    assert_eq!(desk.keeper.state(), State::Standby);
}

#[test]
fn each_read_renews_the_kernels_lifetime_once() {
    let mut desk = Desk::holding();
    for _ in 0..5 {
        desk.wait(secs(1));
        desk.read(Some(VALUE));
        desk.observe();
    }
    assert_eq!(desk.orders.len(), 5, "{:?}", desk.orders);
    assert!(desk.notes.is_empty(), "a steady state is silent: {:?}", desk.notes);
}

#[test]
fn silence_keeps_the_address_to_the_deadline_and_not_a_moment_longer() {
    let mut desk = Desk::holding();
    desk.wait(millis(9_900));
    assert!(matches!(desk.keeper.state(), State::Doubtful { .. }));
    assert!(!desk.released());
    desk.wait(millis(99));
    assert!(desk.released());
    assert_eq!(desk.keeper.state(), State::Unknown { adopting: None });
}

#[test]
fn an_inherited_address_that_the_kernel_ends_a_little_early_does_not_go_without_a_word() {
    let mut desk = Desk::with(vec![Standing { prefix: 24, expires: Expiry::Never }]);
    desk.handle(Event::Blind { why: "refused".into() });
    desk.wait(Duration::from_millis(9_100));
    desk.forget();
    desk.standing.clear();
    desk.observe();
    assert!(
        matches!(&desk.notes[..], [Note::Released { cause: Cause::NeverConfirmed { why: Some(_) }, .. }]),
        "{:?}",
        desk.notes
    );
}

#[test]
fn in_doubt_the_kernels_lifetime_is_squared_with_the_deadline() {
    let mut desk = Desk::empty();
    let sighting = desk.sighting(Some(VALUE));
    desk.wait(millis(300));
    desk.handle(Event::Read(Sighting { answered_at: desk.now, ..sighting }));
    let until = desk.now + millis(9_700);
    desk.wait(millis(4_000));
    let Expiry::At(expires) = desk.standing[0].expires else { panic!("{:?}", desk.standing) };
    assert!(until.since(expires) <= millis(20) && expires <= until, "{:?}", until.since(expires));
}

/// The kernel's side of a silence: what stands at this moment, if the kernel is punctual.
fn stands_in_the_kernel(desk: &Desk) -> bool {
    desk.standing.iter().any(|standing| matches!(standing.expires, Expiry::At(expires) if expires > desk.now))
}

#[test]
fn a_hold_timeout_of_three_intervals_is_kept_by_the_kernel_too() {
    let mut desk = Desk::empty();
    desk.keeper = Keeper::new(Rules { hold_timeout: secs(3), ..desk.keeper.rules().clone() });
    desk.observe();
    let sighting = desk.sighting(Some(VALUE));
    desk.wait(millis(80));
    desk.handle(Event::Read(Sighting { answered_at: desk.now, ..sighting }));
    for _ in 0..28 {
        desk.wait(millis(100));
        assert!(stands_in_the_kernel(&desk), "{:?} at {:?}", desk.standing, desk.now);
    }
}

#[test]
fn a_lease_that_runs_low_is_used_to_the_end() {
    let mut desk = Desk::holding();
    for left in (5..13).rev() {
        desk.wait(secs(1));
        let sighting = desk.sighting(Some(VALUE));
        desk.handle(Event::Read(Sighting { lease: Lease::Left(secs(left)), ..sighting }));
    }
    for _ in 0..19 {
        desk.wait(millis(100));
        assert!(stands_in_the_kernel(&desk), "{:?} at {:?}", desk.standing, desk.now);
    }
}

#[test]
fn at_the_deadline_the_daemon_is_ahead_of_the_kernel_so_that_clients_are_reset() {
    let mut desk = Desk::holding();
    desk.wait(millis(9_900));
    let Expiry::At(expires) = desk.standing[0].expires else { panic!("{:?}", desk.standing) };
    let (lets_go, _) = desk.keeper.next_deadline(desk.now).unwrap();
    assert!(lets_go + millis(20) < expires, "{:?} before the kernel's", expires.since(lets_go));
    desk.forget();
    desk.wait(expires.since(desk.now));
    assert!(matches!(desk.orders[..], [Order::Release { standing: true, .. }]), "{:?}", desk.orders);
    assert!(matches!(desk.notes[..], [Note::Leaving { .. }, Note::Released { .. }]), "{:?}", desk.notes);
}

#[test]
fn in_doubt_nothing_is_announced_and_a_confirmation_announces_anew() {
    let mut desk = Desk::holding();
    desk.handle(Event::Blind { why: "all members are silent".into() });
    desk.forget();
    desk.wait(secs(5));
    assert_eq!(desk.announced, 0);
    desk.read(Some(VALUE));
    assert_eq!(desk.announced, 1);
    assert!(
        matches!(desk.notes[..], [Note::Confirmed { silent_for, .. }] if silent_for == secs(5)),
        "{:?}",
        desk.notes
    );
}

#[test]
fn a_process_that_was_stopped_just_before_its_announcement_sends_none() {
    for (lease_left, stopped_for, announces) in [
        (secs(25), millis(0), true),
        (secs(25), millis(1_999), true),
        (secs(25), millis(2_000), false),
        (secs(25), secs(30), false),
        (secs(4), millis(999), true),
        (secs(4), millis(1_000), false),
    ] {
        let mut desk = Desk::empty();
        let sighting = Sighting { lease: Lease::Left(lease_left), ..desk.sighting(Some(VALUE)) };
        desk.keeper.handle(Event::Read(sighting), desk.now);
        let order = desk.keeper.order(desk.now).unwrap();
        let outcome = desk.carry_out(&order);
        desk.keeper.handle(Event::Applied(outcome), desk.now);
        let announced = desk.keeper.announce(desk.now + stopped_for);
        assert_eq!(announced, announces, "{lease_left:?} left, stopped for {stopped_for:?}");
    }
}

#[test]
fn after_the_deadline_a_read_alone_brings_it_back_without_any_event() {
    let mut desk = Desk::holding();
    desk.wait(secs(40));
    assert!(desk.standing.is_empty());
    desk.read(Some(VALUE));
    assert!(matches!(desk.keeper.state(), State::Held { .. }));
}

#[test]
fn a_lease_that_runs_out_takes_the_address_before_its_end() {
    let mut desk = Desk::holding();
    let mut sighting = desk.sighting(Some(VALUE));
    sighting.lease = Lease::Left(secs(4));
    desk.handle(Event::Read(sighting));
    desk.wait(millis(1_000));
    assert!(desk.standing.is_empty());
}

#[test]
fn a_lease_with_no_more_than_the_margin_left_is_no_ground_to_acquire() {
    let mut desk = Desk::empty();
    for _ in 0..2 {
        let mut sighting = desk.sighting(Some(VALUE));
        sighting.lease = Lease::Left(secs(3));
        desk.handle(Event::Read(sighting));
        desk.wait(secs(1));
    }
    assert!(desk.orders.is_empty());
    assert!(matches!(desk.notes[..], [Note::Waiting { for_what: Obstacle::LeaseTooShort, .. }]), "{:?}", desk.notes);
}

#[test]
fn a_lease_that_nobody_could_tell_extends_nothing() {
    let mut desk = Desk::holding();
    let until = desk.now + secs(10);
    desk.wait(secs(1));
    let mut sighting = desk.sighting(Some(VALUE));
    sighting.lease = Lease::Unknown;
    desk.handle(Event::Read(sighting));
    assert_eq!(desk.keeper.target(), Target::Held { until });
}

#[test]
fn a_process_that_was_stopped_past_the_deadline_lets_go_first_whatever_waits_in_its_queue() {
    let mut desk = Desk::holding();
    let stale = desk.sighting(Some(VALUE));
    desk.now = desk.now + secs(30);
    desk.handle(Event::Read(Sighting { answered_at: desk.now, ..stale }));
    assert_eq!(desk.keeper.target(), Target::Released);
    assert!(desk.standing.is_empty());
    assert!(!desk.orders.iter().any(|order| matches!(order, Order::Hold { .. })));
}

#[test]
fn an_address_taken_by_hand_is_back_at_once_and_announced() {
    let mut desk = Desk::holding();
    desk.standing.clear();
    desk.observe();
    assert_eq!(desk.standing.len(), 1);
    assert_eq!(desk.announced, 1);
    assert_eq!(desk.notes, [Note::Missing { untold: 0 }, Note::Restored]);
}

#[test]
fn a_quarrel_over_the_address_is_fought_at_a_bounded_pace() {
    let mut desk = Desk::holding();
    let mut puts = 0;
    for _ in 0..100 {
        desk.standing.clear();
        desk.forget();
        desk.observe();
        puts += desk.orders.len();
        desk.wait(millis(1));
    }
    assert!(puts <= 3, "{puts} in 100 ms");
    desk.wait(secs(1));
    assert_eq!(desk.standing.len(), 1);
}

#[test]
fn a_quarrel_is_told_a_few_times_and_then_counted() {
    let mut desk = Desk::holding();
    for _ in 0..20 {
        desk.standing.clear();
        desk.observe();
        desk.wait(millis(200));
        desk.read(Some(VALUE));
    }
    let of = |desk: &Desk, wanted: &Note| desk.notes.iter().filter(|note| *note == wanted).count();
    assert_eq!(of(&desk, &Note::Missing { untold: 0 }), 3, "{:?}", desk.notes);
    assert_eq!(desk.notes.len(), 6, "{:?}", desk.notes);
    for _ in 0..60 {
        desk.wait(secs(1));
        desk.read(Some(VALUE));
    }
    desk.standing.clear();
    desk.observe();
    assert_eq!(of(&desk, &Note::Missing { untold: 17 }), 1, "{:?}", desk.notes);
}

#[test]
fn another_prefix_length_and_another_lifetime_are_corrected() {
    let mut desk = Desk::holding();
    desk.standing.push(Standing { prefix: 24, expires: Expiry::Never });
    desk.observe();
    assert!(matches!(&desk.orders[..], [Order::Hold { strays, .. }] if strays[..] == [24]), "{:?}", desk.orders);
    desk.wait(secs(1));
    desk.read(Some(VALUE));
    desk.forget();
    desk.standing = vec![Standing { prefix: 32, expires: Expiry::Never }];
    desk.observe();
    assert!(matches!(desk.standing[..], [Standing { expires: Expiry::At(_), .. }]), "{:?}", desk.standing);
}

#[test]
fn an_inherited_address_gets_a_finite_lifetime_and_waits_for_the_verdict() {
    let mut desk = Desk::with(vec![Standing { prefix: 24, expires: Expiry::Never }]);
    let until = desk.now + secs(10);
    assert_eq!(desk.orders, [Order::Limit { link: LINK, prefix: 24, until }]);
    assert_eq!(desk.announced, 0);
    desk.read(Some(VALUE));
    assert!(matches!(&desk.orders[1..], [Order::Hold { strays, .. }] if strays[..] == [24]), "{:?}", desk.orders);
    assert!(!desk.released());
}

#[test]
fn an_inherited_address_with_a_shorter_lifetime_gets_no_longer_one() {
    let soon = Moment::from_boot(secs(1_004));
    let desk = Desk::with(vec![Standing { prefix: 32, expires: Expiry::At(soon) }]);
    assert!(desk.orders.is_empty());
}

#[test]
fn an_inherited_address_goes_at_the_end_of_its_lifetime_even_if_the_kernel_is_late() {
    let soon = Moment::from_boot(secs(1_004));
    let mut desk = Desk::with(vec![Standing { prefix: 32, expires: Expiry::At(soon) }]);
    desk.wait(millis(3_999));
    assert!(!desk.released());
    desk.wait(millis(1));
    assert!(desk.released());
}

#[test]
fn an_inherited_address_goes_when_the_lease_is_about_to_end() {
    let mut desk = Desk::with(vec![Standing { prefix: 32, expires: Expiry::Never }]);
    let sighting = desk.sighting(Some(VALUE));
    desk.handle(Event::Read(Sighting { lease: Lease::Left(secs(3)), ..sighting }));
    assert!(desk.standing.is_empty(), "{:?}", desk.keeper.state());
}

#[test]
fn an_inherited_address_goes_when_the_key_names_another_or_nobody_answers() {
    let mut named = Desk::with(vec![Standing { prefix: 32, expires: Expiry::Never }]);
    named.read(Some("pg2"));
    assert!(named.standing.is_empty() && named.keeper.state() == State::Standby);
    let mut silent = Desk::with(vec![Standing { prefix: 32, expires: Expiry::Never }]);
    silent.wait(secs(10));
    assert!(silent.standing.is_empty());
}

#[test]
fn an_address_that_appears_while_another_host_leads_is_removed() {
    let mut desk = Desk::empty();
    desk.read(Some("pg2"));
    desk.standing.push(Standing { prefix: 24, expires: Expiry::Never });
    desk.observe();
    assert!(desk.standing.is_empty());
    assert!(desk.notes.contains(&Note::Leaving { cause: Cause::Intruder }));
}

#[test]
fn a_refused_release_is_tried_again_and_noted_once() {
    let mut desk = Desk::holding();
    desk.refusing = true;
    desk.read(None);
    desk.wait(secs(2));
    assert!(desk.orders.len() >= 3, "{:?}", desk.orders);
    assert_eq!(desk.notes.iter().filter(|note| matches!(note, Note::Refused { .. })).count(), 1);
    desk.refusing = false;
    desk.wait(secs(6));
    assert_eq!(desk.keeper.state(), State::Standby);
}

#[test]
fn the_interface_may_come_late_and_may_come_back() {
    let mut desk = Desk::empty();
    let link = desk.link.take();
    desk.observe();
    desk.read(Some(VALUE));
    assert!(matches!(desk.notes[..], [Note::Waiting { for_what: Obstacle::NoInterface, .. }]), "{:?}", desk.notes);
    desk.link = link.map(|link| Link { index: 9, ..link });
    desk.observe();
    assert!(matches!(desk.keeper.state(), State::Held { .. }));
    assert_eq!(desk.announced, 1);
}

#[test]
fn a_link_that_comes_up_and_a_new_mac_are_announced() {
    let mut desk = Desk::holding();
    desk.wait(secs(1));
    desk.read(Some(VALUE));
    desk.link = desk.link.map(|link| Link { up: false, ..link });
    desk.observe();
    desk.forget();
    desk.wait(millis(900));
    assert_eq!(desk.announced, 0, "nobody hears it while the link is down");
    desk.link = desk.link.map(|link| Link { up: true, ..link });
    desk.observe();
    assert_eq!(desk.announced, 1);
    desk.link = desk.link.map(|link| Link { mac: Some(Mac([2, 0, 0, 0, 0, 9])), ..link });
    desk.observe();
    assert_eq!(desk.announced, 2);
}

#[test]
fn a_stop_releases_for_ever() {
    let mut desk = Desk::holding();
    desk.handle(Event::Stop(StopMode::Release));
    assert_eq!(desk.keeper.state(), State::Stopped { kept: false });
    assert!(desk.standing.is_empty());
    desk.read(Some(VALUE));
    assert_eq!(desk.keeper.target(), Target::Released);
}

#[test]
fn a_stop_that_keeps_leaves_the_address_to_its_lifetime() {
    let mut desk = Desk::holding();
    desk.handle(Event::Stop(StopMode::Keep));
    desk.wait(secs(1));
    assert_eq!(desk.keeper.state(), State::Stopped { kept: true });
    assert!(desk.orders.is_empty() && desk.standing.len() == 1);
}

#[test]
fn a_delete_and_a_put_in_a_row_lose_no_time() {
    let mut desk = Desk::empty();
    desk.event(None);
    let first = desk.sighting(None);
    desk.wait(millis(1));
    let second = desk.sighting(Some(VALUE));
    desk.wait(millis(1));
    desk.handle(Event::Read(Sighting { answered_at: desk.now, ..first }));
    desk.handle(Event::Read(Sighting { answered_at: desk.now, ..second }));
    assert!(matches!(desk.keeper.state(), State::Held { .. }));
}
