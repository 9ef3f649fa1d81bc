//! The keeper's invariants, tried with whatever can happen in whatever order.

use proptest::prelude::*;

use super::*;

const VALUE: &str = "pg1";

/// Something that the world does to a keeper.
#[derive(Clone, Debug)]
enum Op {
    /// A read was answered: who it names, how old it is, what is left of the lease, how its revision moved.
    Read {
        ours: bool,
        age: u64,
        lease: Option<u64>,
        revision: i64,
    },
    Changed {
        ours: bool,
        revision: i64,
    },
    Blind,
    /// Somebody else changes the address or the link.
    Meddle {
        standing: Vec<(u8, Option<u64>)>,
        link: Option<(u32, bool, u8)>,
    },
    Wait {
        millis: u64,
        on_time: bool,
    },
    Refuse(bool),
    Stop(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let prefix = prop_oneof![Just(32_u8), Just(24_u8)];
    let standing = prop::collection::vec((prefix, prop::option::of(1_u64..30)), 0..3);
    let link = prop::option::weighted(0.9, (1_u32..3, any::<bool>(), 0_u8..2));
    prop_oneof![
        6 => (any::<bool>(), 0_u64..15_000, prop::option::of(0_u64..31), -3_i64..4)
            .prop_map(|(ours, age, lease, revision)| Op::Read { ours, age, lease, revision }),
        6 => (0_u64..20, 10_u64..31).prop_map(|(age, lease)| Op::Read { ours: true, age, lease: Some(lease), revision: 1 }),
        3 => (any::<bool>(), -3_i64..4).prop_map(|(ours, revision)| Op::Changed { ours, revision }),
        1 => Just(Op::Blind),
        2 => (standing, link).prop_map(|(standing, link)| Op::Meddle { standing, link }),
        6 => (0_u64..6_000, prop::bool::weighted(0.8)).prop_map(|(millis, on_time)| Op::Wait { millis, on_time }),
        1 => any::<bool>().prop_map(Op::Refuse),
        1 => prop::bool::weighted(0.1).prop_map(Op::Stop),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    (1_u64..5, 0_u64..20, 1_u64..6, any::<u64>(), prop::option::of(1_u32..9), 0_u64..70).prop_map(
        |(interval, extra, margin, seed, count, refresh)| Rules {
            prefix: 32,
            value: VALUE.into(),
            interval: Duration::from_millis(interval * 500),
            hold_timeout: Duration::from_millis(interval * 1_500 + 500 + extra * 100),
            lease_margin: Duration::from_secs(margin),
            schedule: Schedule::new(count, None, Duration::from_secs(refresh)),
            seed,
        },
    )
}

/// A keeper, the kernel under it, and what a strict observer knows about both.
struct World {
    keeper: Keeper,
    now: Moment,
    revision: i64,
    observation: Observation,
    refusing: bool,
    /// The latest moment that any read so far allows the address to stand.
    allowed: Option<Moment>,
    stopped: bool,
}

impl World {
    fn new(rules: Rules) -> Self {
        let link = Some(Link { index: 1, up: true, mac: None });
        let mut world = Self {
            keeper: Keeper::new(rules),
            now: Moment::from_boot(Duration::from_secs(5_000)),
            revision: 100,
            observation: Observation { link, standing: vec![] },
            refusing: false,
            allowed: None,
            stopped: false,
        };
        world.observe();
        world
    }

    fn play(&mut self, op: Op) {
        match op {
            Op::Read { ours, age, lease, revision } => self.read(ours, age, lease, revision),
            Op::Changed { ours, revision } => {
                let mod_revision = self.revision + revision;
                self.revision = self.revision.max(mod_revision);
                let holder = Some(if ours { VALUE.into() } else { "pg2".into() });
                self.handle(Event::Changed(Change { holder, mod_revision, heard_at: self.now, from: "etcd".into() }));
            }
            Op::Blind => self.handle(Event::Blind { why: "silent".into() }),
            Op::Meddle { standing, link } => {
                let expires =
                    |left: Option<u64>| left.map_or(Expiry::Never, |s| Expiry::At(self.now + Duration::from_secs(s)));
                let standing = standing.into_iter().map(|(prefix, left)| Standing { prefix, expires: expires(left) });
                self.observation = Observation {
                    standing: if link.is_some() { standing.collect() } else { vec![] },
                    link: link.map(|(index, up, mac)| Link { index, up, mac: Some(Mac([mac; 6])) }),
                };
                self.observe();
            }
            Op::Wait { millis, on_time } => self.wait(Duration::from_millis(millis), on_time),
            Op::Refuse(refuse) => self.refusing = refuse,
            Op::Stop(stop) => {
                if stop {
                    self.stopped = true;
                    self.handle(Event::Stop(Farewell::Release));
                }
            }
        }
    }

    fn read(&mut self, ours: bool, age: u64, lease: Option<u64>, revision: i64) {
        self.revision += revision;
        let sent_at = self.now - Duration::from_millis(age);
        let rules = self.keeper.rules();
        if ours {
            let left = lease.map_or(rules.hold_timeout, |s| Duration::from_secs(s).saturating_sub(rules.lease_margin));
            let until = sent_at + left.min(rules.hold_timeout);
            self.allowed = Some(self.allowed.map_or(until, |allowed| allowed.max(until)));
        }
        let sighting = Sighting {
            holder: Some(if ours { VALUE.into() } else { "pg2".into() }),
            revision: self.revision,
            mod_revision: self.revision,
            sent_at,
            answered_at: self.now,
            lease: lease.map_or(Lease::None, |s| Lease::Left(Duration::from_secs(s))),
            from: "etcd".into(),
        };
        self.handle(Event::Read(sighting));
    }

    fn observe(&mut self) {
        self.handle(Event::Observed(self.observation.clone()));
    }

    fn wait(&mut self, span: Duration, on_time: bool) {
        let end = self.now + span;
        while let Some((at, why)) = self.keeper.next_deadline(self.now).filter(|(at, _)| on_time && *at <= end) {
            assert!(at > self.now, "a busy loop over {why}");
            self.now = at;
            self.keeper.handle_timeout(at);
            self.drain();
        }
        self.now = end;
        self.keeper.handle_timeout(end);
        self.drain();
    }

    fn handle(&mut self, event: Event) {
        self.keeper.handle(event, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        let mut orders = 0;
        while let Some(order) = self.keeper.order(self.now) {
            orders += 1;
            assert!(orders < 20, "orders without end: {order:?}");
            let outcome = self.carry_out(&order);
            self.keeper.handle(Event::Applied(outcome), self.now);
        }
        while self.keeper.announce(self.now) {
            self.check_announcement();
        }
        while self.keeper.note().is_some() {}
        self.check();
    }

    fn carry_out(&mut self, order: &Order) -> Outcome {
        if self.refusing {
            return Outcome::Refused { why: "no".into() };
        }
        let link = self.observation.link.expect("no order without a link").index;
        match order {
            Order::Hold { link: on, until, .. } => {
                assert_eq!(*on, link);
                assert!(*until > self.now, "a hold whose deadline has passed");
                self.observation.standing = vec![Standing { prefix: 32, expires: Expiry::At(*until) }];
                Outcome::Held { until: *until }
            }
            Order::Limit { prefix, until, .. } => {
                for standing in self.observation.standing.iter_mut().filter(|standing| standing.prefix == *prefix) {
                    standing.expires = Expiry::At(*until);
                }
                Outcome::Limited { prefix: *prefix, until: *until }
            }
            Order::Release { .. } => {
                self.observation.standing.clear();
                Outcome::Released
            }
        }
    }

    fn check_announcement(&self) {
        assert!(matches!(self.keeper.state(), State::Held { .. }), "announced while {:?}", self.keeper.state());
        assert!(self.observation.standing.iter().any(|standing| standing.prefix == 32), "announced what is not there");
    }

    fn check(&self) {
        if let Target::Held { until } = self.keeper.target() {
            assert!(until > self.now, "held past its deadline");
            assert!(self.allowed.is_some_and(|allowed| until <= allowed), "held longer than any read allows");
            let newest = self.keeper.sighting().expect("held without a read");
            assert_eq!(newest.holder.as_deref(), Some(VALUE), "held while the newest read names another");
            assert!(!self.stopped, "held after a stop");
        }
        if let Some((at, why)) = self.keeper.next_deadline(self.now) {
            assert!(at > self.now, "a busy loop over {why}");
        }
        if !self.refusing && self.observation.link.is_some() && self.keeper.backoff.ready(self.now) {
            let stands = !self.observation.standing.is_empty();
            match self.keeper.target() {
                // The end: what others put up after it is not ours to judge.
                Target::Released if matches!(self.keeper.state(), State::Stopped { .. }) => {}
                Target::Released => assert!(!stands, "stands in {:?}", self.keeper.state()),
                Target::Held { until } if until < self.now + SHORTEST_LIFETIME => {}
                Target::Held { .. } => assert!(stands, "does not stand in {:?}", self.keeper.state()),
                Target::Limited { .. } | Target::Left => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(cases::cases(2_000))]

    #[test]
    fn whatever_happens_the_promise_holds(rules in rules(), ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new(rules);
        for op in ops {
            world.play(op);
        }
        // Silence, and a kernel that obeys: whatever stood is gone, and a stop is reached.
        world.refusing = false;
        world.wait(Duration::from_secs(60), true);
        if world.observation.link.is_some() && !world.stopped {
            prop_assert!(world.observation.standing.is_empty(), "stands in {:?}", world.keeper.state());
        }
        if world.stopped {
            prop_assert_eq!(world.keeper.state(), State::Stopped { kept: false });
        }
    }

    #[test]
    fn a_leader_whose_reads_come_in_time_never_loses_the_address(
        rules in rules(),
        delays in prop::collection::vec((0_u64..400, 0_u64..100), 1..60),
    ) {
        let mut world = World::new(rules);
        world.read(true, 0, Some(60), 0);
        for (age, late) in delays {
            let pause = world.keeper.rules().interval + Duration::from_millis(late);
            world.wait(pause, true);
            world.read(true, age, Some(60), 0);
            let holding = matches!(world.keeper.state(), State::Held { .. } | State::Doubtful { .. });
            prop_assert!(holding, "{:?}", world.keeper.state());
        }
    }
}
