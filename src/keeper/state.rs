//! The states of a keeper and the one table of its transitions.
//!
//! Everything that needs judgement (is this read fresh? is that deadline over?) is judged before it comes here, and
//! arrives as a [`Fact`]. What is left is a total function of a state and a fact, small enough to be read at once.

use super::Moment;

/// Where a keeper stands.
///
/// ```text
///              names us                  the kernel shows it            late or unreachable
///  Unknown ───────────────▶ Acquiring ───────────────────▶ Held ◀──────────────────────▶ Doubtful
///     │ ▲                      │  ▲     taken by somebody    │       confirmed again         │
///     │ └──── absent ────┐     │  └─────────────────────────┴───────────────────────────────┤
///     │ names another    │     │  names another, deadline over, stop                        │
///     ▼                  │     ▼                                                            │
///  Standby ◀─ absent ─ Releasing ◀──────────────────────────────────────────────────────────┘
///                          │ absent, after a stop
///                          ▼
///                       Stopped
/// ```
///
/// `Standby` and `Unknown` go to `Acquiring` alike; a stop leads from everywhere to `Stopped`, through `Releasing`
/// where something stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No read counts. An address found at the start may stay until `adopting`, and gets no longer lifetime.
    Unknown { adopting: Option<Moment> },
    /// The newest read names somebody else, or nobody, and the address is away.
    Standby,
    /// The newest read names us; the kernel does not show the address yet, or no more.
    Acquiring { until: Moment, doubtful: bool },
    /// The newest read names us, is fresh, and the kernel shows the address.
    Held { until: Moment },
    /// As `Held`, but the read grows old. The address stays, nothing is announced.
    Doubtful { until: Moment },
    /// The address has to go, and this is where the keeper rests when it is gone.
    Releasing { then: Rest },
    /// The end. `kept` where the address was left to its kernel lifetime.
    Stopped { kept: bool },
}

/// Where a release leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    Unknown,
    Standby,
    Stopped,
}

/// What is to become of the address at a stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopMode {
    Release,
    /// Leave it to its kernel lifetime, for the next start to adopt.
    Keep,
}

/// Something that happened, judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fact {
    /// A fresh read names us, and its deadline is far enough ahead.
    Mine { until: Moment },
    /// A read or a newer event names somebody else or nobody.
    NotMine,
    /// The deadline is over, or a read names us on a lease that is as good as over.
    Spent,
    /// A confirmation is overdue, or no member could be asked.
    Doubt,
    /// The kernel shows the address with our prefix length (`exact`), or with any.
    Seen { exact: bool, any: bool },
    /// The daemon is told to stop.
    Stop { mode: StopMode, any: bool },
}

impl State {
    /// The instant up to which the address may stand.
    pub(super) const fn until(self) -> Option<Moment> {
        match self {
            Self::Acquiring { until, .. } | Self::Held { until } | Self::Doubtful { until } => Some(until),
            Self::Unknown { adopting } => adopting,
            Self::Standby | Self::Releasing { .. } | Self::Stopped { .. } => None,
        }
    }

    /// One word for logs and status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown",
            Self::Standby => "standby",
            Self::Acquiring { .. } => "acquiring",
            Self::Held { .. } => "held",
            Self::Doubtful { .. } => "doubtful",
            Self::Releasing { .. } => "releasing",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// The state that follows.
    #[expect(clippy::match_same_arms, reason = "a row for each meaning reads as the diagram does")]
    pub(super) const fn after(self, fact: Fact) -> Self {
        match (self, fact) {
            (Self::Unknown { .. } | Self::Standby, Fact::Mine { until }) => Self::Acquiring { until, doubtful: false },
            (Self::Unknown { .. }, Fact::NotMine) => Self::Releasing { then: Rest::Standby },
            (Self::Unknown { adopting: Some(_) }, Fact::Spent) => Self::Releasing { then: Rest::Unknown },
            (Self::Unknown { adopting: None }, Fact::Seen { any: true, .. }) => Self::Releasing { then: Rest::Unknown },
            (Self::Unknown { adopting: Some(_) }, Fact::Seen { any: false, .. }) => Self::Unknown { adopting: None },
            (Self::Unknown { .. }, Fact::Spent | Fact::Doubt | Fact::Seen { .. }) => self,

            (Self::Standby, Fact::Seen { any: true, .. }) => Self::Releasing { then: Rest::Standby },
            (Self::Standby, Fact::NotMine | Fact::Spent | Fact::Doubt | Fact::Seen { .. }) => self,

            (Self::Acquiring { .. }, Fact::Mine { until }) => Self::Acquiring { until, doubtful: false },
            (Self::Acquiring { until, .. }, Fact::Doubt) => Self::Acquiring { until, doubtful: true },
            (Self::Acquiring { until, doubtful: false }, Fact::Seen { exact: true, .. }) => Self::Held { until },
            (Self::Acquiring { until, doubtful: true }, Fact::Seen { exact: true, .. }) => Self::Doubtful { until },
            (Self::Acquiring { .. }, Fact::Seen { .. }) => self,

            (Self::Held { .. } | Self::Doubtful { .. }, Fact::Mine { until }) => Self::Held { until },
            (Self::Held { until } | Self::Doubtful { until }, Fact::Doubt) => Self::Doubtful { until },
            (Self::Held { .. } | Self::Doubtful { .. }, Fact::Seen { exact: true, .. }) => self,
            (Self::Held { until }, Fact::Seen { .. }) => Self::Acquiring { until, doubtful: false },
            (Self::Doubtful { until }, Fact::Seen { .. }) => Self::Acquiring { until, doubtful: true },

            (Self::Acquiring { .. } | Self::Held { .. } | Self::Doubtful { .. }, Fact::NotMine) => {
                Self::Releasing { then: Rest::Standby }
            }
            (Self::Acquiring { .. } | Self::Held { .. } | Self::Doubtful { .. }, Fact::Spent) => {
                Self::Releasing { then: Rest::Unknown }
            }

            (Self::Releasing { then: Rest::Unknown | Rest::Standby }, Fact::Mine { until }) => {
                Self::Acquiring { until, doubtful: false }
            }
            (Self::Releasing { then: Rest::Unknown | Rest::Standby }, Fact::NotMine) => {
                Self::Releasing { then: Rest::Standby }
            }
            (Self::Releasing { then }, Fact::Seen { any: false, .. }) => then.state(),
            (Self::Releasing { .. }, Fact::Stop { .. }) => Self::Releasing { then: Rest::Stopped },
            (Self::Releasing { then: Rest::Stopped }, Fact::Mine { .. } | Fact::NotMine) => self,
            (Self::Releasing { .. }, Fact::Spent | Fact::Doubt | Fact::Seen { .. }) => self,

            (Self::Acquiring { .. } | Self::Held { .. }, Fact::Stop { mode: StopMode::Keep, .. })
            | (Self::Doubtful { .. } | Self::Unknown { .. }, Fact::Stop { mode: StopMode::Keep, .. }) => {
                Self::Stopped { kept: true }
            }
            (Self::Acquiring { .. } | Self::Held { .. } | Self::Doubtful { .. }, Fact::Stop { .. })
            | (Self::Unknown { .. } | Self::Standby, Fact::Stop { any: true, .. }) => {
                Self::Releasing { then: Rest::Stopped }
            }
            (Self::Unknown { .. } | Self::Standby, Fact::Stop { .. }) => Self::Stopped { kept: false },

            (
                Self::Stopped { .. },
                Fact::Mine { .. } | Fact::NotMine | Fact::Spent | Fact::Doubt | Fact::Seen { .. } | Fact::Stop { .. },
            ) => self,
        }
    }
}

impl Rest {
    const fn state(self) -> State {
        match self {
            Self::Unknown => State::Unknown { adopting: None },
            Self::Standby => State::Standby,
            Self::Stopped => State::Stopped { kept: false },
        }
    }
}
