//! What the oracles may find, and what they remember of one host.

use vip_manager::time::Moment;

use crate::time::Micros;

/// A promise that was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Broken {
    S0,
    S1,
    S2,
    S3,
    L1,
    L2,
    A1,
    /// A turn without end, or a deadline in the past.
    Restless,
    /// The keeper panicked.
    Panic,
}

/// Which promises are checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judges(u16);

impl Judges {
    pub const ALL: Self = Self(u16::MAX);

    /// The promises with these names, such as `S1,L2`.
    pub fn named(names: &str) -> Option<Self> {
        let one = |name: &str| Broken::EACH.into_iter().find(|broken| format!("{broken:?}") == name);
        let all: Option<Vec<Broken>> = names.split(',').map(one).collect();
        all.map(|all| Self(all.into_iter().fold(0, |mask, broken| mask | 1 << broken as u16)))
    }

    pub const fn look_for(self, what: Broken) -> bool {
        self.0 & (1 << what as u16) != 0
    }
}

impl Broken {
    const EACH: [Self; 9] =
        [Self::S0, Self::S1, Self::S2, Self::S3, Self::L1, Self::L2, Self::A1, Self::Restless, Self::Panic];

    pub const fn words(self) -> &'static str {
        match self {
            Self::S0 => "S0: holds while another host does",
            Self::S1 => "S1: holds though its lease has ended",
            Self::S2 => "S2: still holds long after the key was moved",
            Self::S3 => "S3: acquired without a read that names it and was sent after the last denial",
            Self::L1 => "L1: leads, reaches etcd, and does not hold",
            Self::L2 => "L2: dropped before the deadline",
            Self::A1 => "A1: announced what it does not hold, or without a fresh read",
            Self::Restless => "restless: a turn without end, or a deadline in the past",
            Self::Panic => "the keeper panicked",
        }
    }
}

/// What the oracles remember of one host.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Until when it may hold. Without end while the key names it.
    pub permit: Micros,
    /// Whether what ended the permit was the end of the lease.
    pub expired: bool,
    /// The lease of the key when it was moved away.
    pub lease: Option<u32>,
    /// Until when a machine that was paused may hold.
    pub grace: Micros,
    /// The same if its daemon ends before, so that only the kernel acts.
    pub grace_unattended: Micros,
    /// When it must hold, or must have released.
    pub due: Micros,
    /// When it reads at the latest, if its watches do not tell of the last change.
    pub reads_by: Micros,
    /// Until when faults excuse it.
    pub lenient_until: Micros,
    /// When the kernel last refused a request, which excuses it too.
    pub refused_at: Micros,
    /// When the key was last moved away from it.
    pub moved_at: Micros,
    /// The newest reads that name it and are valid.
    pub ground: Option<Ground>,
    /// When it last learned that it does not lead.
    pub denied_at: Micros,
    /// The newest revision that it knows of.
    pub horizon: i64,
    /// The last restore of etcd whose result it has read: revisions restart there.
    pub seen_restore: Micros,
    /// Since when the key names it.
    pub named_since: Micros,
    pub unreachable: bool,
    /// Until when its claim lets it hold, as far as it knows.
    pub claimed_until: Moment,
    /// Since its last renewal it has run without interference.
    pub uninterrupted: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Ground {
    pub served_at: Micros,
    pub answered: Moment,
    /// Until when the most generous of them allows it, and the least.
    pub latest: Moment,
    pub deadline: Moment,
    /// The lease limits it, not the hold-timeout.
    pub by_lease: bool,
}

impl Record {
    /// Its daemon no longer runs.
    pub fn unattended(&mut self) {
        self.uninterrupted = false;
        self.grace = self.grace.max(self.grace_unattended);
    }

    /// A new process knows nothing.
    pub const fn forget(&mut self) {
        self.ground = None;
        self.denied_at = 0;
        self.horizon = 0;
        self.unreachable = false;
        self.claimed_until = Moment::from_boot(std::time::Duration::ZERO);
        self.uninterrupted = false;
    }
}
