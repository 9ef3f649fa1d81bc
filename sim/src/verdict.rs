//! What a judge may find, and what the judges remember of one host.

use vip_manager::time::Moment;

use crate::time::Micros;

/// A promise that was broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Broken {
    S1,
    S2,
    S3,
    L1,
    L2,
    A1,
    /// A turn without end, or a deadline that does not lie ahead.
    Restless,
    /// The keeper panicked.
    Panic,
}

/// Which promises are looked at: all, unless somebody wants to see a certain one broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judges(u16);

impl Judges {
    pub const ALL: Self = Self(u16::MAX);

    /// Those with these names, as in `S1,L2`.
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
    const EACH: [Self; 8] = [Self::S1, Self::S2, Self::S3, Self::L1, Self::L2, Self::A1, Self::Restless, Self::Panic];

    pub const fn words(self) -> &'static str {
        match self {
            Self::S1 => "S1: holds though its lease has ended",
            Self::S2 => "S2: still holds long after the key was moved",
            Self::S3 => "S3: acquired without a read that names it and was sent after the last word against it",
            Self::L1 => "L1: leads, reaches etcd, and does not hold",
            Self::L2 => "L2: dropped before the deadline",
            Self::A1 => "A1: announced what it does not hold, or without a fresh read",
            Self::Restless => "restless: a turn without end, or a deadline that is not ahead",
            Self::Panic => "the keeper panicked",
        }
    }
}

/// What the judges remember of one host.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Up to when it may hold. Without end while the key names it.
    pub permit: Micros,
    /// Whether what ended the permit was the end of the lease.
    pub expired: bool,
    /// The lease that lay under the key when it was moved away.
    pub lease: Option<u32>,
    /// A machine that was paused may go on holding up to here.
    pub grace: Micros,
    /// The same if its daemon ends before: nobody is there to act at once.
    pub grace_unattended: Micros,
    /// From when on it is a fault that it does not hold, or that it still does.
    pub due: Micros,
    /// What struck it excuses it up to then.
    pub lenient_until: Micros,
    /// So does a refusal of the kernel; but not for something new that it has to do.
    pub refused_at: Micros,
    /// When the key was last moved away from it.
    pub moved_at: Micros,
    /// The newest reads that name it and count.
    pub ground: Option<Ground>,
    /// When it last heard that it does not lead.
    pub denied_at: Micros,
    /// The newest revision that it knows of.
    pub horizon: i64,
    /// The restore of etcd that it has read the outcome of: revisions count anew from there.
    pub seen_restore: Micros,
    /// Since when the key has named it without a break.
    pub named_since: Micros,
    pub unreachable: bool,
    /// Since its last renewal it has run, and nobody has meddled.
    pub uninterrupted: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Ground {
    pub served_at: Micros,
    pub answered: Moment,
    /// Up to when the most generous of them allows it, and the least.
    pub latest: Moment,
    pub deadline: Moment,
    /// It is the lease that bounds it.
    pub by_lease: bool,
}

impl Record {
    /// Its daemon does not run any more.
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
        self.uninterrupted = false;
    }
}
