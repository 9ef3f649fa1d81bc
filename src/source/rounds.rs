//! Decides which endpoint is asked next, when a second one is asked as well, and when the store is reported unreachable.
//!
//! Pure: it has no clock and starts nothing. Whoever drives it says what happened (a session began or ended, an endpoint
//! answered, failed or is slow, an interval passed) and does what it decides.
//!
//! # Rules
//! - A read asks the endpoint it wants first, then the others in turn; suspects come last. The rounds, one per interval,
//!   begin at another endpoint each time.
//! - An endpoint that has not answered the last round's read is not asked again for a round.
//! - If there is no answer after [`hedge_after`], the endpoint is a suspect and the next one is asked as well. An endpoint
//!   whose read failed is a suspect, too. An answer clears it.
//! - The store is unreachable at once when every endpoint has failed, else after two rounds without an answer (or more,
//!   where rounds are short). It is reported once per interval for as long as that lasts.
//! - Everything is quiet while a watch is up and the last three rounds were answered in time, without any endpoint that
//!   failed, lost its session, or told of a change.

use std::sync::Arc;
use std::time::Duration;

/// The position of an endpoint in the configuration.
pub type EndpointIndex = usize;

/// How long to wait for an answer before the next endpoint is asked as well.
pub fn hedge_after(interval: Duration) -> Duration {
    HEDGE.min(interval / 3)
}

/// What is known of every endpoint, and of the round under way.
#[derive(Clone, Debug)]
pub struct Rounds {
    endpoints: Vec<Endpoint>,
    /// The endpoint that the next round asks first.
    turn: EndpointIndex,
    /// Whether anybody answered since the round began.
    answered: bool,
    silent_rounds: u32,
    /// So many of them are reported.
    patience: u32,
    /// Whether the store was reported unreachable since the round began.
    reported: bool,
    /// Rounds without a doubt that are needed until everything counts as quiet.
    doubt: u32,
}

#[derive(Clone, Debug)]
struct Endpoint {
    name: Arc<str>,
    state: State,
    /// Counts sessions: what is asked in one of them says nothing of the next.
    session: u32,
}

#[derive(Clone, Debug)]
enum State {
    Down {
        reason: Reason,
    },
    Up {
        suspect: Option<Reason>,
        /// A round's read is under way.
        busy: bool,
        /// Every key is watched, and the watch has proved to live.
        watching: bool,
    },
}

/// Why an endpoint gives no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    pub why: Arc<str>,
    /// How long the address may be held at most while no endpoint answers, if the reason says more than silence does.
    pub hold_at_most: Option<Duration>,
}

impl<T: Into<Arc<str>>> From<T> for Reason {
    fn from(why: T) -> Self {
        Self { why: why.into(), hold_at_most: None }
    }
}

/// What a read is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The read of every interval.
    Round,
    /// A change was seen.
    Change,
}

/// A read that any endpoint may answer.
#[derive(Clone, Debug)]
pub struct Read {
    purpose: Purpose,
    wanted: Option<EndpointIndex>,
    asked: Vec<EndpointIndex>,
}

/// An endpoint that is asked, in the session it has now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    pub endpoint: EndpointIndex,
    session: u32,
    purpose: Purpose,
}

impl Read {
    /// A read that asks `wanted` first.
    pub const fn new(purpose: Purpose, wanted: Option<EndpointIndex>) -> Self {
        Self { purpose, wanted, asked: Vec::new() }
    }
}

impl Rounds {
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        let down = |name| Endpoint { name, state: State::Down { reason: "not connected yet".into() }, session: 0 };
        let endpoints = names.into_iter().map(down).collect();
        Self {
            endpoints,
            turn: 0,
            answered: false,
            silent_rounds: 0,
            patience: SILENT_ROUNDS,
            reported: false,
            doubt: DOUBT,
        }
    }

    /// Reports the store unreachable after so many rounds without an answer.
    #[must_use]
    pub fn patient(self, patience: u32) -> Self {
        Self { patience, ..self }
    }

    /// A session began.
    pub fn up(&mut self, endpoint: EndpointIndex) {
        let row = &mut self.endpoints[endpoint];
        row.state = State::Up { suspect: None, busy: false, watching: false };
        row.session = row.session.wrapping_add(1);
    }

    /// The session ended, or none began.
    pub fn down(&mut self, endpoint: EndpointIndex, reason: impl Into<Reason>) {
        let state = &mut self.endpoints[endpoint].state;
        if matches!(state, State::Up { .. }) {
            self.doubt = DOUBT;
        }
        *state = State::Down { reason: reason.into() };
    }

    /// Every key is watched in this session, or its watch is not to be relied on.
    pub fn watching(&mut self, endpoint: EndpointIndex, relied_on: bool) {
        if let State::Up { watching, .. } = &mut self.endpoints[endpoint].state {
            *watching = relied_on;
        }
    }

    /// A watch told of a change, or has missed one: some reads look closely.
    pub const fn changed(&mut self) {
        self.doubt = DOUBT;
    }

    /// Whether a change would be heard from a watch, and nothing was wrong lately.
    pub fn is_quiet(&self) -> bool {
        let watches = |row: &Endpoint| matches!(row.state, State::Up { suspect: None, watching: true, .. });
        self.doubt == 0 && self.endpoints.iter().any(watches)
    }

    /// A read was answered that was not asked for here, such as the first of a session.
    pub const fn note_answer(&mut self) {
        self.answered = true;
    }

    /// The endpoint gave a sign of life.
    pub fn trust(&mut self, endpoint: EndpointIndex) {
        if let State::Up { suspect, .. } = &mut self.endpoints[endpoint].state {
            *suspect = None;
        }
    }

    /// The next endpoint to ask for this read, if one is left.
    pub fn ask(&mut self, read: &mut Read) -> Option<Ask> {
        let count = self.endpoints.len();
        let order = read.wanted.into_iter().chain((0..count).map(|step| (self.turn + step) % count));
        let mut pick = None;
        for endpoint in order.filter(|endpoint| !read.asked.contains(endpoint)) {
            match &self.endpoints[endpoint].state {
                State::Down { .. } => {}
                State::Up { busy: true, .. } if read.purpose == Purpose::Round => {}
                State::Up { suspect: Some(_), .. } => pick = pick.or(Some(endpoint)),
                State::Up { suspect: None, .. } => {
                    pick = Some(endpoint);
                    break;
                }
            }
        }
        let endpoint = pick?;
        read.asked.push(endpoint);
        let row = &mut self.endpoints[endpoint];
        if let (Purpose::Round, State::Up { busy, .. }) = (read.purpose, &mut row.state) {
            *busy = true;
            self.turn = (endpoint + 1) % count;
        }
        Some(Ask { endpoint, session: row.session, purpose: read.purpose })
    }

    /// There is no answer after [`hedge_after`]: the endpoint asked last is a suspect. Now ask the next one.
    pub fn slow(&mut self, read: &Read) {
        if let Some(&endpoint) = read.asked.last() {
            self.suspect(endpoint, NO_ANSWER.into());
        }
    }

    /// The answer came, late or not.
    pub fn answered(&mut self, ask: Ask) {
        self.note_answer();
        self.trust(ask.endpoint);
        self.free(ask);
    }

    /// No answer will come. There is no cause where the session has ended: [`Rounds::down`] has it.
    pub fn failed(&mut self, ask: Ask, reason: Option<Reason>) {
        if let Some(reason) = reason {
            self.suspect(ask.endpoint, reason);
        }
        self.free(ask);
    }

    /// An interval has passed, and a round begins. Returns whether to report the store unreachable.
    pub const fn begin_round(&mut self) -> bool {
        self.silent_rounds = if self.answered { 0 } else { self.silent_rounds.saturating_add(1) };
        self.doubt = if self.answered { self.doubt.saturating_sub(1) } else { DOUBT };
        let unreachable = self.silent_rounds >= self.patience && !self.reported;
        self.answered = false;
        self.reported = false;
        unreachable
    }

    /// A round's read failed at every endpoint that it could ask. Returns whether to report the store unreachable.
    pub fn round_failed(&mut self) -> bool {
        let unreachable = !self.answered && !self.reported && self.endpoints.iter().all(Endpoint::has_failed);
        self.reported |= unreachable;
        unreachable
    }

    /// Why no endpoint answers. The hold is bounded if every endpoint's reason bounds it, by the longest of the bounds.
    pub fn why_unreachable(&self) -> Reason {
        let causes: Vec<_> = self.endpoints.iter().map(|row| format!("{}: {}", row.name, row.why())).collect();
        let bounds: Option<Vec<_>> = self.endpoints.iter().map(Endpoint::hold_at_most).collect();
        let hold_at_most = bounds.and_then(|bounds| bounds.into_iter().max());
        Reason { why: causes.join("; ").into(), hold_at_most }
    }

    fn suspect(&mut self, endpoint: EndpointIndex, reason: Reason) {
        self.doubt = DOUBT;
        if let State::Up { suspect, .. } = &mut self.endpoints[endpoint].state {
            *suspect = Some(reason);
        }
    }

    fn free(&mut self, ask: Ask) {
        let row = &mut self.endpoints[ask.endpoint];
        if let State::Up { busy, .. } = &mut row.state
            && ask.purpose == Purpose::Round
            && ask.session == row.session
        {
            *busy = false;
        }
    }
}

impl Endpoint {
    fn reason(&self) -> Option<&Reason> {
        match &self.state {
            State::Down { reason } => Some(reason),
            State::Up { suspect, .. } => suspect.as_ref(),
        }
    }

    fn why(&self) -> &str {
        self.reason().map_or(NO_ANSWER, |reason| &reason.why)
    }

    fn hold_at_most(&self) -> Option<Duration> {
        self.reason().and_then(|reason| reason.hold_at_most)
    }

    /// Whether there is no answer left to wait for.
    const fn has_failed(&self) -> bool {
        match &self.state {
            State::Down { .. } => true,
            State::Up { suspect, busy, .. } => suspect.is_some() && !*busy,
        }
    }
}

const NO_ANSWER: &str = "no answer yet";
const HEDGE: Duration = Duration::from_millis(250);
/// One can pass while a slow answer is on its way.
const SILENT_ROUNDS: u32 = 2;
const DOUBT: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(up: &[bool]) -> Rounds {
        let mut rounds = Rounds::new((0..up.len()).map(|number| format!("e{number}").into()));
        for (endpoint, _) in up.iter().enumerate().filter(|(_, up)| **up) {
            rounds.up(endpoint);
        }
        rounds
    }

    fn why(text: &str) -> Reason {
        text.into()
    }

    /// Everybody that a new read asks, one after the other; nobody answers.
    fn order(rounds: &mut Rounds, purpose: Purpose, wanted: Option<EndpointIndex>) -> Vec<EndpointIndex> {
        let mut read = Read::new(purpose, wanted);
        std::iter::from_fn(|| rounds.ask(&mut read).map(|ask| ask.endpoint)).collect()
    }

    #[test]
    fn rounds_ask_the_endpoints_in_turn() {
        let mut rounds = rounds(&[true; 3]);
        let mut asked = Vec::new();
        for _ in 0..6 {
            let ask = rounds.ask(&mut Read::new(Purpose::Round, None)).unwrap();
            asked.push(ask.endpoint);
            rounds.answered(ask);
        }
        assert_eq!(asked, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn the_wanted_endpoint_is_asked_first_and_nobody_twice() {
        let mut rounds = rounds(&[true; 3]);
        assert_eq!(order(&mut rounds, Purpose::Change, Some(2)), [2, 0, 1]);
        assert_eq!(order(&mut rounds, Purpose::Change, None), [0, 1, 2]);
    }

    #[test]
    fn suspects_are_asked_last_until_they_answer_or_give_a_sign_of_life() {
        let mut rounds = rounds(&[true; 3]);
        let ask = rounds.ask(&mut Read::new(Purpose::Change, None)).unwrap();
        rounds.failed(ask, Some(why("refused")));
        assert_eq!(order(&mut rounds, Purpose::Change, Some(0)), [1, 2, 0]);
        rounds.answered(ask);
        assert_eq!(order(&mut rounds, Purpose::Change, Some(0)), [0, 1, 2]);
        rounds.failed(ask, Some(why("refused")));
        rounds.trust(0);
        assert_eq!(order(&mut rounds, Purpose::Change, None), [0, 1, 2]);
    }

    #[test]
    fn a_slow_endpoint_is_a_suspect() {
        let mut rounds = rounds(&[true; 2]);
        let mut read = Read::new(Purpose::Change, None);
        rounds.ask(&mut read);
        rounds.slow(&read);
        assert_eq!(rounds.ask(&mut read).map(|ask| ask.endpoint), Some(1));
        assert_eq!(order(&mut rounds, Purpose::Change, None), [1, 0]);
    }

    #[test]
    fn endpoints_that_are_down_are_not_asked() {
        let mut rounds = rounds(&[true, false, true]);
        assert_eq!(order(&mut rounds, Purpose::Change, Some(1)), [0, 2]);
        rounds.down(0, why("gone"));
        assert_eq!(order(&mut rounds, Purpose::Round, None), [2]);
    }

    #[test]
    fn an_endpoint_that_owes_an_answer_to_a_round_is_asked_for_changes_only() {
        let mut rounds = rounds(&[true]);
        let mut read = Read::new(Purpose::Round, None);
        let ask = rounds.ask(&mut read).unwrap();
        assert_eq!(order(&mut rounds, Purpose::Round, None), [0; 0]);
        assert_eq!(order(&mut rounds, Purpose::Change, None), [0]);
        rounds.failed(ask, None);
        assert_eq!(order(&mut rounds, Purpose::Round, None), [0]);
    }

    #[test]
    fn what_an_ended_session_owed_is_not_owed_by_the_next() {
        let mut rounds = rounds(&[true]);
        let old = rounds.ask(&mut Read::new(Purpose::Round, None)).unwrap();
        rounds.down(0, why("gone"));
        rounds.up(0);
        let new = rounds.ask(&mut Read::new(Purpose::Round, None));
        assert!(new.is_some());
        rounds.failed(old, None);
        assert!(rounds.ask(&mut Read::new(Purpose::Round, None)).is_none(), "the new session still owes its answer");
    }

    #[test]
    fn unreachable_is_reported_at_once_when_everybody_failed_and_then_once_per_interval() {
        let mut rounds = rounds(&[false, true]);
        rounds.begin_round();
        let ask = rounds.ask(&mut Read::new(Purpose::Round, None)).unwrap();
        assert!(!rounds.round_failed(), "an answer may still come");
        rounds.failed(ask, Some(why("refused")));
        assert!(rounds.round_failed());
        assert!(!rounds.round_failed());
        assert_eq!(&*rounds.why_unreachable().why, "e0: not connected yet; e1: refused");
        for _ in 0..5 {
            let at_the_start = rounds.begin_round();
            let at_once = rounds.round_failed();
            assert!(at_the_start != at_once, "once per interval");
        }
    }

    #[test]
    fn a_hold_is_bounded_while_every_endpoint_has_a_reason_that_bounds_it() {
        let mut rounds = rounds(&[true; 2]);
        let bounded = |seconds| Reason { hold_at_most: Some(Duration::from_secs(seconds)), ..why("refused") };
        let bound = |rounds: &Rounds| rounds.why_unreachable().hold_at_most;
        rounds.down(0, bounded(2));
        assert_eq!(bound(&rounds), None, "the other may yet answer");
        let ask = rounds.ask(&mut Read::new(Purpose::Round, None)).unwrap();
        rounds.failed(ask, Some(bounded(3)));
        assert_eq!(bound(&rounds), Some(Duration::from_secs(3)));
        rounds.down(1, why("gone"));
        assert_eq!(bound(&rounds), None);
    }

    #[test]
    fn silence_is_reported_after_two_rounds_and_then_once_per_interval() {
        let mut rounds = rounds(&[true]);
        rounds.note_answer();
        assert!(!rounds.begin_round());
        let ask = rounds.ask(&mut Read::new(Purpose::Round, None)).unwrap();
        assert!(!rounds.begin_round(), "one silent round");
        assert!(rounds.begin_round() && rounds.begin_round());
        assert_eq!(&*rounds.why_unreachable().why, "e0: no answer yet");
        rounds.answered(ask);
        assert!(!rounds.begin_round());
        assert!(!rounds.begin_round());
        assert!(rounds.begin_round());
    }

    #[test]
    fn quiet_takes_a_watch_and_rounds_without_a_doubt() {
        let mut rounds = rounds(&[true; 2]);
        let round = |rounds: &mut Rounds| {
            rounds.begin_round();
            let ask = rounds.ask(&mut Read::new(Purpose::Round, None)).unwrap();
            rounds.answered(ask);
            rounds.is_quiet()
        };
        assert_eq!([0; 5].map(|_| round(&mut rounds)), [false; 5], "nothing is watched");
        rounds.watching(1, true);
        assert!(rounds.is_quiet());
        rounds.down(0, why("gone"));
        assert_eq!([0; 4].map(|_| round(&mut rounds)), [false, false, true, true], "one is gone for good");
        rounds.begin_round();
        let mut read = Read::new(Purpose::Round, None);
        let ask = rounds.ask(&mut read).unwrap();
        rounds.slow(&read);
        assert!(!rounds.is_quiet());
        rounds.answered(ask);
        assert_eq!([0; 3].map(|_| round(&mut rounds)), [false, false, true]);
        rounds.watching(1, false);
        assert!(!rounds.is_quiet());
    }

    #[test]
    fn an_answer_in_the_round_outweighs_every_failure() {
        let mut rounds = rounds(&[false]);
        rounds.begin_round();
        rounds.note_answer();
        assert!(!rounds.round_failed());
    }

    #[test]
    fn the_next_endpoint_is_asked_within_a_third_of_a_short_interval() {
        assert_eq!(hedge_after(Duration::from_millis(300)), Duration::from_millis(100));
        assert_eq!(hedge_after(Duration::from_secs(10)), HEDGE);
    }
}
