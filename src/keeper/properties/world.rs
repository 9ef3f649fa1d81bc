//! The world around one keeper, and the invariants of the promise, checked after everything that happens.
//!
//! It uses the keeper's public API alone and takes its names from the parent module, so that the fuzzer can include it
//! from outside the crate. The properties beside it and the fuzzer draw the operations.

use super::*;

/// Something that happens to a keeper.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A read was answered: who it names, how old it is, what is left of the lease, how its revision moved.
    Read {
        ours: bool,
        age: u64,
        lease: Option<u64>,
        /// The lease is not told but computed, with so many seconds of margin at most.
        assumed: Option<u64>,
        revision: i64,
    },
    Changed {
        ours: bool,
        revision: i64,
    },
    /// No endpoint answers, and the address may be held so many milliseconds more at most.
    Unreachable(Option<u64>),
    /// Something became of the claim.
    Claim(ClaimOp),
    /// Somebody else changes the address or the link.
    Meddle {
        present: Vec<(u8, Option<u64>)>,
        link: Option<(u32, bool, u8)>,
    },
    /// Another host claims the address.
    Rival {
        mac: u8,
        claims: u32,
    },
    Wait {
        millis: u64,
        on_time: bool,
    },
    /// From now on the kernel refuses every order, or obeys again.
    Refuse(bool),
    /// From now on the kernel takes so many milliseconds for each order.
    Slow(u64),
    /// Another interval between reads.
    Pace(u64),
    Stop(StopMode),
}

/// What became of the claim.
#[derive(Clone, Debug)]
pub(super) enum ClaimOp {
    /// Acknowledged: how long ago it was asked for, for how many seconds it is bound, and whether the store showed with
    /// it that the leader key names us.
    Held {
        age: u64,
        bound: u64,
        named: bool,
    },
    Taken,
    Lost,
    Refused,
    Unknown,
    Absent,
}

/// A keeper, the kernel under it, and what a strict observer knows about both.
pub(super) struct World {
    pub(super) keeper: Keeper,
    now: Moment,
    revision: i64,
    view: LinkView,
    refusing: bool,
    takes: Duration,
    /// The latest moment up to which any read so far allows the address.
    allowed: Option<Moment>,
    /// The same, if a claim bounds the hold too.
    allowed_with_a_claim: Option<Moment>,
    /// Since when a read must have been sent that names us, and until when the claim binds, the margin subtracted.
    claimed: Option<(Moment, Moment)>,
    /// What the keeper wanted of the claim before, and since when it wants it.
    wish: (ClaimWish, Moment),
    /// When the newest read was sent that names us.
    named_at: Option<Moment>,
    /// The first stop that it received.
    stopped: Option<StopMode>,
    /// Rivals that were reported in the current conflict.
    contested: usize,
}

impl World {
    pub(super) fn new(rules: Rules) -> Self {
        let link = Some(Link { index: 1, up: true, mac: None });
        let mut world = Self {
            keeper: Keeper::new(rules),
            now: Moment::from_boot(Duration::from_secs(5_000)),
            revision: 100,
            view: LinkView { link, ..LinkView::default() },
            refusing: false,
            takes: Duration::ZERO,
            allowed: None,
            allowed_with_a_claim: None,
            claimed: None,
            wish: (ClaimWish::Nothing, Moment::default()),
            named_at: None,
            stopped: None,
            contested: 0,
        };
        world.observe();
        world
    }

    pub(super) fn play(&mut self, op: Op) {
        match op {
            Op::Read { ours, age, lease, assumed, revision } => {
                self.read(ours, age, lease.map(|left| (left, assumed)), revision);
            }
            Op::Changed { ours, revision } => {
                let version = self.revision + revision;
                self.revision = self.revision.max(version);
                let names = if ours { Names::Us } else { Names::Other("pg2".into()) };
                self.handle(Event::Changed(KeyEvent {
                    names,
                    version: Some(Version(version)),
                    heard_at: self.now,
                    from: "etcd".into(),
                }));
            }
            Op::Unreachable(most) => {
                let until = most.map(|millis| self.now + Duration::from_millis(millis));
                self.allowed = self.allowed.map(|allowed| until.map_or(allowed, |until| allowed.min(until)));
                self.handle(Event::Unreachable { why: "silent".into(), until });
            }
            Op::Claim(op) => self.claim(&op),
            Op::Meddle { present, link } => {
                let lifetime = |left: Option<u64>| {
                    left.map_or(Lifetime::Forever, |s| Lifetime::Until(self.now + Duration::from_secs(s)))
                };
                let present = present.into_iter().map(|(prefix, left)| PresentAddress {
                    prefix,
                    lifetime: lifetime(left),
                    unusable: false,
                });
                self.view = LinkView {
                    present: if link.is_some() { present.collect() } else { vec![] },
                    link: link.map(|(index, up, mac)| Link { index, up, mac: Some(Mac([mac; 6])) }),
                    narrow: None,
                };
                self.observe();
            }
            Op::Rival { mac, claims } => self.handle(Event::Rival { mac: Mac([mac; 6]), claims }),
            Op::Wait { millis, on_time } => self.wait(Duration::from_millis(millis), on_time),
            Op::Refuse(refuse) => self.refusing = refuse,
            Op::Slow(millis) => self.takes = Duration::from_millis(millis),
            Op::Pace(millis) => {
                self.keeper.set_pace(Pace::steady(Duration::from_millis(millis)));
                self.wait(Duration::ZERO, false);
            }
            Op::Stop(mode) => {
                self.stopped.get_or_insert(mode);
                self.handle(Event::Stop(mode));
            }
        }
    }

    pub(super) fn read(&mut self, ours: bool, age: u64, lease: Option<(u64, Option<u64>)>, revision: i64) {
        self.revision += revision;
        let sent_at = self.now - Duration::from_millis(age);
        let rules = self.keeper.rules();
        if ours {
            self.named_at = self.named_at.max(Some(sent_at));
            let left = lease.map_or(rules.hold_timeout, |(left, assumed)| {
                let margin =
                    assumed.map_or(rules.lease_margin, |most| rules.lease_margin.min(Duration::from_secs(most)));
                Duration::from_secs(left).saturating_sub(margin)
            });
            let until = sent_at + left.min(rules.hold_timeout);
            self.allowed = self.allowed.max(Some(until));
            // A claim bounds what is only assumed.
            if lease.is_none_or(|(_, assumed)| assumed.is_some()) {
                self.allowed_with_a_claim = self.allowed_with_a_claim.max(Some(sent_at + rules.hold_timeout));
            }
        }
        let read = KeyRead {
            names: if ours { Names::Us } else { Names::Other("pg2".into()) },
            version: Some(Version(self.revision)),
            modified: Some(Version(self.revision)),
            sent_at,
            answered_at: self.now,
            tenure: lease.map_or(Tenure::NoLease, |(left, assumed)| {
                let left = Duration::from_secs(left);
                assumed.map_or(Tenure::AtLeast(left), |margin| Tenure::Assumed {
                    left,
                    margin: Duration::from_secs(margin),
                })
            }),
            from: "etcd".into(),
        };
        self.handle(Event::Read(read));
    }

    /// The claim counts as lost in doubt, as held only if it was asked for while it was wanted.
    fn claim(&mut self, op: &ClaimOp) {
        let report = match *op {
            ClaimOp::Held { age, bound, named } => {
                let (sent_at, bound) = (self.now - Duration::from_millis(age), Duration::from_secs(bound));
                if matches!(self.wish.0, ClaimWish::Ahead | ClaimWish::Hold | ClaimWish::Keep) && sent_at > self.wish.1
                {
                    let until = sent_at + bound.saturating_sub(self.keeper.rules().lease_margin);
                    let (since, before) =
                        self.claimed.unwrap_or((if named { Moment::default() } else { self.now }, until));
                    self.claimed = Some((since, until.max(before)));
                }
                ClaimReport::Held { sent_at, answered_at: self.now, bound, named }
            }
            ClaimOp::Taken => ClaimReport::Taken { by: "pg2".into(), at_most: None },
            ClaimOp::Lost => ClaimReport::Lost { why: "it is absent".into() },
            ClaimOp::Refused => ClaimReport::Refused { why: "permission denied".into(), cure: None },
            ClaimOp::Unknown => ClaimReport::Unknown { why: "silent".into() },
            ClaimOp::Absent => ClaimReport::Absent,
        };
        if matches!(op, ClaimOp::Taken | ClaimOp::Lost | ClaimOp::Absent) {
            self.claimed = None;
        }
        self.handle(Event::Claim(report));
    }

    /// What was acknowledged before the claim was wanted counts no more. To be called after each event.
    fn note_wish(&mut self) {
        let wanted = |wish| matches!(wish, ClaimWish::Ahead | ClaimWish::Hold | ClaimWish::Keep);
        let wish = self.keeper.claim_wish();
        if wanted(wish) && !wanted(self.wish.0) {
            self.wish.1 = self.now;
            self.claimed = None;
        }
        if wish == ClaimWish::Delete {
            self.claimed = None;
        }
        self.wish.0 = wish;
    }

    /// A claim is kept as long as the address is there.
    fn check_claim(&self) {
        if self.wish.0 == ClaimWish::Delete {
            // After the end, addresses that others add are not judged.
            let stopped = matches!(self.keeper.state(), State::Stopped { .. });
            assert!(stopped || self.view.present.is_empty(), "the claim goes before the address");
        }
        if let (ClaimMode::Require, Target::Held { until }) = (self.keeper.rules().claim, self.keeper.target()) {
            let (since, bound) = self.claimed.expect("held without a claim");
            assert!(until <= bound, "held longer than the claim");
            assert!(self.named_at.is_some_and(|named| named >= since), "held without a read after the claim");
        }
    }

    /// Silence, and a kernel that obeys at once: the address is removed, and a stop is completed.
    pub(super) fn end(&mut self) {
        self.refusing = false;
        self.takes = Duration::ZERO;
        self.wait(Duration::from_secs(90), true);
        let state = self.keeper.state();
        match self.stopped {
            None => assert!(self.view.present.is_empty(), "present in {state:?}"),
            Some(StopMode::Release) => assert_eq!(state, State::Stopped { kept: false }),
            Some(StopMode::Keep) => assert!(matches!(state, State::Stopped { .. }), "{state:?}"),
        }
        assert_eq!(self.contested, 0, "a conflict without end");
    }

    fn observe(&mut self) {
        self.handle(Event::Observed(self.view.clone()));
    }

    pub(super) fn wait(&mut self, span: Duration, on_time: bool) {
        let end = self.now + span;
        while let Some((at, why)) = self.keeper.next_deadline(self.now).filter(|(at, _)| on_time && *at <= end) {
            assert!(at > self.now, "a busy loop over {why}");
            self.now = at;
            self.keeper.handle_timeout(at);
            self.note_wish();
            self.drain();
        }
        self.now = end;
        self.keeper.handle_timeout(end);
        self.note_wish();
        self.drain();
    }

    fn handle(&mut self, event: Event) {
        self.keeper.handle_event(event, self.now);
        self.note_wish();
        self.drain();
    }

    fn drain(&mut self) {
        let mut orders = 0;
        while let Some(order) = self.keeper.poll_order(self.now) {
            orders += 1;
            assert!(orders < 20, "orders without end: {order:?}");
            let outcome = self.carry_out(&order);
            self.keeper.handle_event(Event::Applied(outcome), self.now);
            self.note_wish();
        }
        if self.keeper.poll_announce(self.now) {
            self.check_announcement();
            assert!(!self.keeper.poll_announce(self.now), "two rounds at once");
        }
        while let Some(note) = self.keeper.poll_note() {
            self.listen(&note);
        }
        self.check();
        self.check_claim();
    }

    fn carry_out(&mut self, order: &Order) -> Outcome {
        let issued = self.now;
        self.now = issued + self.takes;
        if self.refusing {
            return Outcome::Refused { why: "no".into() };
        }
        let link = self.view.link.expect("no order without a link").index;
        match order {
            Order::Hold { link: on, until, .. } => {
                assert_eq!(*on, link);
                assert!(*until > issued, "a hold whose deadline has passed");
                if *until <= self.now {
                    self.view.present.clear();
                    return Outcome::Late;
                }
                self.view.present =
                    vec![PresentAddress { prefix: 32, lifetime: Lifetime::Until(*until), unusable: false }];
                Outcome::Held { until: *until }
            }
            Order::Limit { prefix, until, .. } => {
                for present in self.view.present.iter_mut().filter(|present| present.prefix == *prefix) {
                    present.lifetime = Lifetime::Until(*until);
                }
                Outcome::Limited { prefix: *prefix, until: *until }
            }
            Order::Release { .. } => {
                self.view.present.clear();
                Outcome::Released
            }
        }
    }

    fn check_announcement(&self) {
        assert!(matches!(self.keeper.state(), State::Held { .. }), "announced while {:?}", self.keeper.state());
        assert!(self.view.present.iter().any(|present| present.prefix == 32), "announced what is not there");
    }

    fn listen(&mut self, note: &Note) {
        match note {
            Note::Contested { .. } => {
                self.contested += 1;
                assert!(self.contested <= MOST_RIVALS, "a line for each of many rivals");
            }
            Note::StillContested { .. } => assert!(self.contested > 0, "goes on without a beginning"),
            Note::Uncontested { claims, .. } => {
                assert!(self.contested > 0 && *claims > 0, "ends without a beginning");
                self.contested = 0;
            }
            Note::Adopted { .. }
            | Note::Waiting { .. }
            | Note::Acquired { .. }
            | Note::Doubtful { .. }
            | Note::Graded { .. }
            | Note::Confirmed { .. }
            | Note::Missing { .. }
            | Note::Restored
            | Note::Releasing { .. }
            | Note::Released { .. }
            | Note::StandingBy { .. }
            | Note::Claimed { .. }
            | Note::ClaimRefused { .. }
            | Note::ClaimUnconfirmed { .. }
            | Note::Refused { .. }
            | Note::Echo { .. } => {}
        }
    }

    fn check(&self) {
        if let Target::Held { until } = self.keeper.target() {
            assert!(until > self.now, "held past its deadline");
            let claimed = self.claimed.is_some_and(|(_, bound)| until <= bound);
            let allowed = if claimed { self.allowed.max(self.allowed_with_a_claim) } else { self.allowed };
            assert!(allowed.is_some_and(|allowed| until <= allowed), "held longer than any read allows");
            let newest = self.keeper.last_read().expect("held without a read");
            assert_eq!(newest.names, Names::Us, "held while the newest read names another");
            assert_eq!(self.stopped, None, "held after a stop");
        }
        if let Some((at, why)) = self.keeper.next_deadline(self.now) {
            assert!(at > self.now, "a busy loop over {why}");
        }
        if !self.refusing && self.view.link.is_some() && !self.keeper.is_pausing(self.now) {
            let present = !self.view.present.is_empty();
            match self.keeper.target() {
                // After the end, addresses that others add are not judged.
                Target::Released if matches!(self.keeper.state(), State::Stopped { .. }) => {}
                Target::Released => assert!(!present, "present in {:?}", self.keeper.state()),
                Target::Held { until } if until < self.now + SHORTEST_LIFETIME => {}
                Target::Held { .. } => assert!(present, "absent in {:?}", self.keeper.state()),
                Target::Limited { .. } | Target::Left => {}
            }
        }
    }
}

/// The number of rivals that are reported in one conflict.
const MOST_RIVALS: usize = 4;
