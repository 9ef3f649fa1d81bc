//! A cluster: how many hosts, how they are configured, how wrong their clocks are.
//!
//! Half of the clusters have the default configuration. The others have any that the promise covers, which excludes a
//! margin that is too small for the hold-timeout and the clocks.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vip_manager::config::{ClaimConfig, Hooks, VipConfig};
use vip_manager::keeper::{ClaimMode, Schedule};
use vip_manager::pace::Pace;
use vip_manager::source::claim::Ending;
use vip_manager::vip::{InterfaceName, Vip};

use crate::kernel::PREFIX;
use crate::queue::MOST_HOSTS;
use crate::rng::Rng;
use crate::time::{MILLI, MINUTE, Micros, SECOND};
use crate::verdict::Judges;

/// How the store bounds the tenure of a leader, and what of that a reader learns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// A lease that the store tells, as in etcd.
    Lease,
    /// Nothing expires. Another Patroni takes over once it has seen the same record for `ttl`, as in Kubernetes.
    Record,
    /// A session that tells nobody what it has left, as in Consul: that is computed from Patroni's settings.
    Assumed,
}

impl Bound {
    const EACH: [Self; 3] = [Self::Lease, Self::Record, Self::Assumed];

    /// The kind with this name, such as `record`.
    pub fn named(name: &str) -> Option<Self> {
        Self::EACH.into_iter().find(|bound| bound.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Record => "record",
            Self::Assumed => "assumed",
        }
    }
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn by itself")]
pub struct Setup {
    pub hosts: usize,
    pub interval: Micros,
    /// The longest time between two reads while everything is quiet; the interval where that is configured.
    pub longest: Micros,
    pub hold: Micros,
    pub margin: Micros,
    /// Patroni's `ttl` and `loop_wait`.
    pub ttl: Micros,
    pub loop_wait: Micros,
    pub retry_timeout: Micros,
    /// No failure begins before the one before is over: then no two hosts hold under an assumed bound either.
    pub singly: bool,
    /// How fast each clock is, in parts per million.
    pub rates: [i64; MOST_HOSTS],
    pub etcd_rate: i64,
    pub bound: Bound,
    /// Whether the VIP is claimed, how long a claim lasts, and whether etcd creates one for the leader only.
    pub claim: ClaimMode,
    pub claim_ttl: Micros,
    pub claim_checks_leader: bool,
    /// How a claim ends that nobody renews.
    pub claim_ending: Ending,
    /// The length of the history.
    pub length: Micros,
    /// Every delay is the shortest, so that only the plan matters.
    pub calm: bool,
    /// The kernel always has its largest delay.
    pub late_kernel: bool,
    pub judges: Judges,
}

impl Setup {
    pub fn draw(rng: &mut Rng) -> Self {
        let mut setup = Self::delivered(rng.within(2, 4) as usize);
        if rng.one_in(2) {
            setup.interval = rng.pick(&[500, 1_000, 1_000, 2_000, 3_000]) * MILLI;
            setup.longest = if rng.one_in(3) { 10 * SECOND } else { setup.interval };
            let least = 3 * setup.interval;
            setup.hold = rng.pick(&[least, least, 5 * SECOND, 10 * SECOND, 15 * SECOND, 20 * SECOND]).max(least);
            setup.ttl = rng.pick(&[20, 30, 45, 60]) * SECOND;
            setup.loop_wait = rng.pick(&[5, 10]) * SECOND;
            setup.margin = rng.pick(&[3_000, 4_000, 5_000]) * MILLI;
            setup.margin = setup.margin.max(least_margin(setup.hold));
            // A key without a lease allows the whole hold-timeout, so its next lease must outlast that.
            setup.ttl = setup.ttl.max(setup.hold + setup.margin + 2 * SECOND);
        }
        let widest = rng.pick(&[0, 100, 20_000, 20_000]);
        let mut rate = || rng.within(0, 2 * widest) as i64 - widest as i64;
        setup.rates = std::array::from_fn(|_| rate());
        setup.etcd_rate = rate();
        if rng.one_in(4) {
            // The worst case: every clock is wrong in the harmful direction.
            setup.rates = [-20_000; MOST_HOSTS];
            setup.etcd_rate = 20_000;
        }
        setup.length = rng.within(5, 20) * MINUTE;
        setup
    }

    /// One in three clusters claims. It is drawn apart, so that the others stay as they are.
    pub fn draw_claim(&mut self, seed: u64) {
        let mut rng = Rng::new(seed ^ 0x00c1_a135);
        if rng.one_in(3) {
            self.claim = ClaimMode::Require;
            self.claim_ttl = rng.pick(&[10, 10, 15]) * SECOND;
            self.claim_checks_leader = rng.one_in(2);
            if rng.one_in(3) {
                self.claim_ending = Ending::Unchanged;
            }
        }
    }

    /// Some clusters that do not claim have another kind of bound. It is drawn apart as well.
    pub fn draw_bound(&mut self, seed: u64) {
        let mut rng = Rng::new(seed ^ 0x00b0_1d5e);
        if self.claim == ClaimMode::Off {
            self.bound = match (rng.one_in(6), rng.one_in(6)) {
                (true, _) => Bound::Record,
                (false, true) => Bound::Assumed,
                (false, false) => self.bound,
            };
        }
    }

    /// Settings of Patroni that leave something of an assumed bound.
    pub fn assume(&mut self, seed: u64) {
        let mut rng = Rng::new(seed ^ 0x00a5_503e);
        let (ttl, loop_wait, retry) = rng.pick(&[(30, 10, 10), (20, 5, 5), (20, 10, 3), (30, 10, 3), (60, 10, 10)]);
        (self.ttl, self.loop_wait, self.retry_timeout) = (ttl * SECOND, loop_wait * SECOND, retry * SECOND);
        self.interval = rng.pick(&[500, 1_000]) * MILLI;
        self.hold = rng.pick(&[10, 15, 20]) * SECOND;
        self.margin = 3 * SECOND;
        self.singly = rng.one_in(2);
    }

    /// The default configuration with exact clocks.
    pub const fn delivered(hosts: usize) -> Self {
        Self {
            hosts,
            interval: SECOND,
            longest: 10 * SECOND,
            hold: 10 * SECOND,
            margin: 3 * SECOND,
            ttl: 30 * SECOND,
            loop_wait: 10 * SECOND,
            retry_timeout: 10 * SECOND,
            singly: false,
            rates: [0; MOST_HOSTS],
            etcd_rate: 0,
            bound: Bound::Lease,
            claim: ClaimMode::Off,
            claim_ttl: 10 * SECOND,
            claim_checks_leader: false,
            claim_ending: Ending::ByItself,
            length: MINUTE,
            calm: false,
            late_kernel: false,
            judges: Judges::ALL,
        }
    }

    /// The VIP as every host has it configured.
    ///
    /// # Panics
    /// Never: address, prefix length and name are constants.
    #[expect(clippy::expect_used, reason = "the address, the prefix length and the name are constants")]
    pub fn vip(&self) -> VipConfig {
        VipConfig {
            vip: Vip::new(ADDRESS, PREFIX).expect("a VIP"),
            interface: InterfaceName::new("eth0").expect("a name"),
            source: 0,
            key: String::new(),
            value: String::new(),
            hold_timeout: duration(self.hold),
            lease_margin: duration(self.margin),
            claim: ClaimConfig { mode: self.claim, key: String::new(), ttl: duration(self.claim_ttl) },
            announce: Schedule { count: None, interval: None, refresh: duration(60_000 * MILLI) },
            reset_connections: false,
            refuse_after_release: duration(10 * SECOND),
            hooks: Hooks { acquire: None, release: None, conflict: None, limit: Duration::ZERO },
        }
    }

    /// The times between two reads: as `interval` sets them, or as they are if nothing does.
    pub const fn pace(&self) -> Pace {
        Pace { full: duration(self.interval), longest: duration(self.longest) }
    }

    /// The longest time between two reads of a host that reaches etcd, is named or not, and hears nothing of a change.
    pub fn longest_pause(&self, named: bool) -> Micros {
        let pause = if named { self.pace().holding(duration(self.hold)) } else { self.pace().longest * 9 / 8 };
        pause.as_micros() as u64
    }

    /// How long after a confirmation that leaves so much another one is missing.
    pub fn overdue(&self, left: Duration) -> Duration {
        self.pace().overdue(left)
    }

    /// How long a call may take before its session is given up.
    pub const fn call_limit(&self) -> Micros {
        self.hold / 3
    }

    /// The longest true time that a span of a host's time can last.
    pub const fn at_most(span: Micros) -> Micros {
        span + span / 45
    }
}

/// Covers the delay of the kernel and clocks that differ by 4 %.
const fn least_margin(hold: Micros) -> Micros {
    (2_150 * MILLI + hold / 24).div_ceil(SECOND) * SECOND
}

const fn duration(micros: Micros) -> Duration {
    Duration::from_micros(micros)
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
