//! The states of a keeper and the one table of its transitions.
//!
//! Everything that needs judgement (is this read fresh? has that deadline passed?) is judged before, and arrives here
//! as a [`Fact`]. What is left is a total function of a state and a fact, small enough to read at once.

use crate::time::Moment;

/// The state of a keeper.
///
/// ```text
///              names us                  the kernel shows it            late or unreachable
///  Unknown ───────────────▶ Acquiring ───────────────────▶ Held ◀──────────────────────▶ Doubtful
///     │ ▲                      │  ▲     removed by others    │       confirmed again         │
///     │ └──── absent ────┐     │  └─────────────────────────┴───────────────────────────────┤
///     │ names another    │     │  names another, expired, stop                              │
///     ▼                  │     ▼                                                            │
///  Standby ◀─ absent ─ Releasing ◀──────────────────────────────────────────────────────────┘
///                          │ absent, after a stop
///                          ▼
///                       Stopped
/// ```
///
/// `Standby` leads to `Acquiring` as `Unknown` does. A stop leads from every state to `Stopped`, through `Releasing`
/// where the address is present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum State {
    /// No read counts. An address found at the start may stay until `adopting`, and its lifetime is not extended.
    Unknown { adopting: Option<Moment> },
    /// The newest read names somebody else, or nobody, and the address is absent.
    Standby,
    /// The newest read names us; the kernel does not show the address yet, or no longer does.
    Acquiring { until: Moment, doubtful: bool },
    /// The newest read names us, is fresh, and the kernel shows the address.
    Held { until: Moment },
    /// Like `Held`, but the next read is overdue. The address stays, nothing is announced.
    Doubtful { until: Moment },
    /// The address is being removed; `then` is the state after that.
    Releasing { then: AfterRelease },
    /// The end. `kept` where the address was left to its kernel lifetime.
    Stopped { kept: bool },
}

/// The state after a release.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterRelease {
    /// Nothing is known.
    Unknown,
    /// The key does not name us.
    Standby,
    /// The keeper has stopped.
    Stopped,
}

/// What happens to the address at a stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopMode {
    /// Remove it.
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
    /// The deadline has passed, or a read names us on a lease that is about to end.
    Expired,
    /// The claim was renewed: the deadline of what is held moves to then. It confirms nothing.
    Renewed { until: Moment },
    /// A confirmation is overdue, or no endpoint answers. The address may stay `until` then at most, if that is known.
    Doubt { until: Option<Moment> },
    /// The kernel shows the address with our prefix length (`exact`), or with any.
    Seen { exact: bool, any: bool },
    /// The daemon is stopping; `any` as above.
    Stop { mode: StopMode, any: bool },
}

impl State {
    /// The deadline of the address.
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

    /// The next state.
    pub(super) fn after(self, fact: Fact) -> Self {
        match fact {
            Fact::Doubt { until: Some(most) } => self.bounded(most).next(fact),
            Fact::Doubt { until: None }
            | Fact::Mine { .. }
            | Fact::NotMine
            | Fact::Renewed { .. }
            | Fact::Expired
            | Fact::Seen { .. }
            | Fact::Stop { .. } => self.next(fact),
        }
    }

    /// The same state with a deadline that is no later than this.
    fn bounded(self, most: Moment) -> Self {
        match self {
            Self::Unknown { adopting } => Self::Unknown { adopting: adopting.map(|until| until.min(most)) },
            Self::Acquiring { until, doubtful } => Self::Acquiring { until: until.min(most), doubtful },
            Self::Held { until } => Self::Held { until: until.min(most) },
            Self::Doubtful { until } => Self::Doubtful { until: until.min(most) },
            Self::Standby | Self::Releasing { .. } | Self::Stopped { .. } => self,
        }
    }

    /// The same state with another deadline of what is held.
    const fn renewed(self, until: Moment) -> Self {
        match self {
            Self::Acquiring { doubtful, .. } => Self::Acquiring { until, doubtful },
            Self::Held { .. } => Self::Held { until },
            Self::Doubtful { .. } => Self::Doubtful { until },
            Self::Unknown { .. } | Self::Standby | Self::Releasing { .. } | Self::Stopped { .. } => self,
        }
    }

    #[expect(clippy::match_same_arms, reason = "a row for each meaning reads as the diagram does")]
    const fn next(self, fact: Fact) -> Self {
        match (self, fact) {
            (state, Fact::Renewed { until }) => state.renewed(until),

            (Self::Unknown { .. } | Self::Standby, Fact::Mine { until }) => Self::Acquiring { until, doubtful: false },
            (Self::Unknown { .. }, Fact::NotMine) => Self::Releasing { then: AfterRelease::Standby },
            (Self::Unknown { adopting: Some(_) }, Fact::Expired) => Self::Releasing { then: AfterRelease::Unknown },
            (Self::Unknown { adopting: None }, Fact::Seen { any: true, .. }) => {
                Self::Releasing { then: AfterRelease::Unknown }
            }
            (Self::Unknown { adopting: Some(_) }, Fact::Seen { any: false, .. }) => Self::Unknown { adopting: None },
            (Self::Unknown { .. }, Fact::Expired | Fact::Doubt { .. } | Fact::Seen { .. }) => self,

            (Self::Standby, Fact::Seen { any: true, .. }) => Self::Releasing { then: AfterRelease::Standby },
            (Self::Standby, Fact::NotMine | Fact::Expired | Fact::Doubt { .. } | Fact::Seen { .. }) => self,

            (Self::Acquiring { .. }, Fact::Mine { until }) => Self::Acquiring { until, doubtful: false },
            (Self::Acquiring { until, .. }, Fact::Doubt { .. }) => Self::Acquiring { until, doubtful: true },
            (Self::Acquiring { until, doubtful: false }, Fact::Seen { exact: true, .. }) => Self::Held { until },
            (Self::Acquiring { until, doubtful: true }, Fact::Seen { exact: true, .. }) => Self::Doubtful { until },
            (Self::Acquiring { .. }, Fact::Seen { .. }) => self,

            (Self::Held { .. } | Self::Doubtful { .. }, Fact::Mine { until }) => Self::Held { until },
            (Self::Held { until } | Self::Doubtful { until }, Fact::Doubt { .. }) => Self::Doubtful { until },
            (Self::Held { .. } | Self::Doubtful { .. }, Fact::Seen { exact: true, .. }) => self,
            (Self::Held { until }, Fact::Seen { .. }) => Self::Acquiring { until, doubtful: false },
            (Self::Doubtful { until }, Fact::Seen { .. }) => Self::Acquiring { until, doubtful: true },

            (Self::Acquiring { .. } | Self::Held { .. } | Self::Doubtful { .. }, Fact::NotMine) => {
                Self::Releasing { then: AfterRelease::Standby }
            }
            (Self::Acquiring { .. } | Self::Held { .. } | Self::Doubtful { .. }, Fact::Expired) => {
                Self::Releasing { then: AfterRelease::Unknown }
            }

            (Self::Releasing { then: AfterRelease::Unknown | AfterRelease::Standby }, Fact::Mine { until }) => {
                Self::Acquiring { until, doubtful: false }
            }
            (Self::Releasing { then: AfterRelease::Unknown | AfterRelease::Standby }, Fact::NotMine) => {
                Self::Releasing { then: AfterRelease::Standby }
            }
            (Self::Releasing { then }, Fact::Seen { any: false, .. }) => then.state(),
            (Self::Releasing { .. }, Fact::Stop { .. }) => Self::Releasing { then: AfterRelease::Stopped },
            (Self::Releasing { then: AfterRelease::Stopped }, Fact::Mine { .. } | Fact::NotMine) => self,
            (Self::Releasing { .. }, Fact::Expired | Fact::Doubt { .. } | Fact::Seen { .. }) => self,

            (Self::Acquiring { .. } | Self::Held { .. }, Fact::Stop { mode: StopMode::Keep, .. })
            | (Self::Doubtful { .. } | Self::Unknown { .. }, Fact::Stop { mode: StopMode::Keep, .. }) => {
                Self::Stopped { kept: true }
            }
            (Self::Acquiring { .. } | Self::Held { .. } | Self::Doubtful { .. }, Fact::Stop { .. })
            | (Self::Unknown { .. } | Self::Standby, Fact::Stop { any: true, .. }) => {
                Self::Releasing { then: AfterRelease::Stopped }
            }
            (Self::Unknown { .. } | Self::Standby, Fact::Stop { .. }) => Self::Stopped { kept: false },

            (
                Self::Stopped { .. },
                Fact::Mine { .. }
                | Fact::NotMine
                | Fact::Expired
                | Fact::Doubt { .. }
                | Fact::Seen { .. }
                | Fact::Stop { .. },
            ) => self,
        }
    }
}

impl AfterRelease {
    const fn state(self) -> State {
        match self {
            Self::Unknown => State::Unknown { adopting: None },
            Self::Standby => State::Standby,
            Self::Stopped => State::Stopped { kept: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Every pair: a row per state, a column per fact, a cell for the state that follows. `.` is no change, `→` is
    /// releasing and what comes after it, `*` marks the deadline of the read or renewal and `-` that of the doubt; all others keep
    /// their own.
    ///
    /// `exact`, `other` and `absent` are what the kernel shows; `stop` and `keep` come with the address present or
    /// absent.
    const TABLE: &str = "
                mine      renewed   not-mine  expired   doubt     bounded    exact     other     absent    stop      stop-abs  keep      keep-abs
      unknown   acquire*  .         →standby  .         .         .          →unknown  →unknown  .         →stopped  stopped   kept      kept
      inherited acquire*  .         →standby  →unknown  .         inherited- .         .         unknown   →stopped  stopped   kept      kept
      standby   acquire*  .         .         .         .         .          →standby  →standby  .         →stopped  stopped   →stopped  stopped
      acquire   acquire*  acquire*  →standby  →unknown  acquire?  acquire?-  held      .         .         →stopped  →stopped  kept      kept
      acquire?  acquire*  acquire?* →standby  →unknown  .         acquire?-  doubt     .         .         →stopped  →stopped  kept      kept
      held      held*     held*     →standby  →unknown  doubt     doubt-     .         acquire   acquire   →stopped  →stopped  kept      kept
      doubt     held*     doubt*    →standby  →unknown  .         doubt-     .         acquire?  acquire?  →stopped  →stopped  kept      kept
      →unknown  acquire*  .         →standby  .         .         .          .         .         unknown   →stopped  →stopped  →stopped  →stopped
      →standby  acquire*  .         .         .         .         .          .         .         standby   →stopped  →stopped  →stopped  →stopped
      →stopped  .         .         .         .         .         .          .         .         stopped   .         .         .         .
      stopped   .         .         .         .         .         .          .         .         .         .         .         .         .
      kept      .         .         .         .         .         .          .         .         .         .         .         .         .
    ";

    const EARLY: Moment = Moment::from_boot(Duration::from_secs(5));
    const OLD: Moment = Moment::from_boot(Duration::from_secs(10));
    const NEW: Moment = Moment::from_boot(Duration::from_secs(20));

    fn state(word: &str) -> State {
        let marked =
            [('*', NEW), ('-', EARLY)].into_iter().find_map(|(mark, until)| Some((word.strip_suffix(mark)?, until)));
        let (word, until) = marked.unwrap_or((word, OLD));
        match word {
            "unknown" => State::Unknown { adopting: None },
            "inherited" => State::Unknown { adopting: Some(until) },
            "standby" => State::Standby,
            "acquire" => State::Acquiring { until, doubtful: false },
            "acquire?" => State::Acquiring { until, doubtful: true },
            "held" => State::Held { until },
            "doubt" => State::Doubtful { until },
            "→unknown" => State::Releasing { then: AfterRelease::Unknown },
            "→standby" => State::Releasing { then: AfterRelease::Standby },
            "→stopped" => State::Releasing { then: AfterRelease::Stopped },
            "stopped" => State::Stopped { kept: false },
            "kept" => State::Stopped { kept: true },
            other => panic!("no state is called {other}"),
        }
    }

    fn fact(word: &str) -> Fact {
        match word {
            "mine" => Fact::Mine { until: NEW },
            "renewed" => Fact::Renewed { until: NEW },
            "not-mine" => Fact::NotMine,
            "expired" => Fact::Expired,
            "doubt" => Fact::Doubt { until: Some(NEW) },
            "bounded" => Fact::Doubt { until: Some(EARLY) },
            "exact" => Fact::Seen { exact: true, any: true },
            "other" => Fact::Seen { exact: false, any: true },
            "absent" => Fact::Seen { exact: false, any: false },
            "stop" => Fact::Stop { mode: StopMode::Release, any: true },
            "stop-abs" => Fact::Stop { mode: StopMode::Release, any: false },
            "keep" => Fact::Stop { mode: StopMode::Keep, any: true },
            "keep-abs" => Fact::Stop { mode: StopMode::Keep, any: false },
            other => panic!("no fact is called {other}"),
        }
    }

    #[test]
    fn every_pair_of_state_and_fact_leads_where_the_table_says() {
        let mut lines = TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let facts = lines.by_ref().find(|line| !line.is_empty()).unwrap();
        let rows: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
        assert_eq!((rows.len(), facts.len()), (12, 13));
        for row in rows {
            let before = row[0];
            assert_eq!(row.len(), facts.len() + 1, "{before}");
            for (word, cell) in facts.iter().zip(&row[1..]) {
                let next = if *cell == "." { before } else { cell };
                assert_eq!(state(before).after(fact(word)), state(next), "{before}, {word}");
            }
        }
    }
}
