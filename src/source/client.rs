//! What a store has to bring: a way to connect, a read and a watch. Everything else is the same for all stores.

use std::error::Error;
use std::fmt;
use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::claim::{Answer, Ending, Request, Token};
use super::keys::Keys;
use super::report::{ClaimSpec, KeyIndex, Report};
use super::rounds::{EndpointIndex, Reason};
use super::states::States;
use crate::error::chain;
use crate::keeper::{KeyEvent, KeyRead};

/// Makes sessions with one endpoint.
pub(crate) trait Connector: Send + 'static {
    type Client: Client;

    /// The longest pause between two attempts: a store that comes back must be noticed within two seconds.
    const LONGEST_PAUSE: Duration = Duration::from_millis(1350);
    /// Rounds without an answer until the store is reported unreachable. One can pass while a slow answer is on its way.
    const SILENT_ROUNDS: u32 = 2;

    /// Connects and logs in. It has time limits of its own.
    fn connect(&mut self) -> impl Future<Output = Result<Self::Client, Failure>> + Send;

    /// What has changed so that a new session is better than this one, which works. Asked now and then.
    fn has_changed(&mut self, _client: &Self::Client) -> impl Future<Output = Option<&'static str>> + Send {
        ready(None)
    }
}

/// A session with one endpoint. It is dropped as soon as anything about it fails.
pub(crate) trait Client: Clone + Send + Sync + 'static {
    type Events: Events;

    /// How a claim ends in this store.
    const CLAIM_ENDING: Ending = Ending::ByItself;
    /// Whether the store creates a claim only if the leader key names this host, in one step. Then it may be created
    /// before a read has confirmed what a watch heard.
    const CLAIM_COMPARES_LEADER: bool = true;

    /// Reads the keys, linearizably where the store can, and hands over each answer as soon as it is complete. One key
    /// that cannot be read is a failed answer; an error says that the endpoint did not answer. It returns within the
    /// limit of a call.
    fn read(&self, keys: &[KeyIndex], answers: &Answers) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Begins to watch, so that no change is missed that came after the first read of this session.
    fn watch(&self) -> impl Future<Output = Result<Self::Events, Failure>> + Send;

    /// Carries out a request for a claim. It may be dropped before it is answered.
    ///
    /// A creation compares that there is none, and every other change compares the token, in one step of the store. A
    /// request that is carried out late, after others, therefore changes nothing.
    fn claim(&self, _spec: &ClaimSpec, _request: &Request) -> impl Future<Output = Result<Answer, Failure>> + Send {
        let why = "claims are not supported with this store".into();
        ready(Ok(Answer::Refused { why, cure: None }))
    }

    /// What `check` says of a claim: who has it, or that this host may not claim. It changes nothing.
    fn inspect_claim(&self, spec: &ClaimSpec) -> impl Future<Output = Result<Answer, Failure>> + Send {
        async { self.claim(spec, &Request::Look).await }
    }

    /// Waits until a claim is not the one that was seen, or forever: it is looked at every second anyway. Cancel-safe.
    fn claim_changes(&self, _spec: &ClaimSpec, _seen: &Token) -> impl Future<Output = ()> + Send {
        pending()
    }
}

/// What a session hears of changes: from a watch, from long polls, or nothing ever.
pub(crate) trait Events: Send + 'static {
    /// Waits for the next message. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Heard, Failure>> + Send;

    /// Asks for a sign of life, which comes as a message.
    fn ask_for_sign(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What a message said. Any message shows that the session lives.
#[derive(Debug)]
pub(crate) enum Heard {
    Changed(Vec<(KeyIndex, KeyEvent)>),
    /// Everything is watched: from here on nothing can be missed.
    Complete,
    Sign,
}

/// Why an endpoint or a key could not be read, watched or reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// One word for the counters.
    pub(crate) kind: &'static str,
    /// Whether another session is needed before this endpoint can be asked again.
    pub(crate) ends_session: bool,
    /// Part of normal operation, not worth a warning.
    pub(crate) routine: bool,
    pub(crate) why: String,
    pub(crate) cure: Option<String>,
    /// What failed shows that the leader's tenure may soon end: while no endpoint answers, the address may be held for
    /// this long at most.
    pub(crate) hold_at_most: Option<Duration>,
}

impl Failure {
    /// A failure that ends the session. If the error's own text has a semicolon, the cure follows it.
    pub(crate) fn new(kind: &'static str, error: &(dyn Error + 'static)) -> Self {
        let (own, whole) = (error.to_string(), chain(error));
        let below = whole.strip_prefix(&own).unwrap_or_default();
        let (why, cure) = match own.split_once("; ") {
            Some((why, cure)) => (format!("{why}{below}"), Some(cure.to_owned())),
            None => (whole, None),
        };
        Self { kind, ends_session: true, routine: false, why, cure, hold_at_most: None }
    }
}

impl From<&Failure> for Reason {
    fn from(failure: &Failure) -> Self {
        Self { why: failure.to_string().into(), hold_at_most: failure.hold_at_most }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        self.cure.iter().try_for_each(|cure| write!(f, "; {cure}"))
    }
}

/// Takes the answers of a read, and reports them.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(super) keys: Arc<Keys>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) states: States,
    pub(super) endpoint: EndpointIndex,
    /// It is the first read of a session.
    pub(super) first: bool,
}

impl Answers {
    pub(crate) async fn give(&self, answers: Vec<(KeyIndex, Result<KeyRead, Failure>)>) {
        let (mut reads, mut unreadable) = (Vec::with_capacity(answers.len()), Vec::new());
        for (key, answer) in answers {
            match answer {
                Ok(read) => {
                    self.keys.note_readable(key);
                    self.keys.note_read(key, &read);
                    if self.first {
                        self.keys.rewind(key, &read);
                    }
                    reads.push((key, read));
                }
                Err(failure) => {
                    let why = failure.to_string().into();
                    self.keys.note_unreadable(key, &why);
                    self.states.count_error(self.endpoint, failure.kind);
                    unreadable.push((key, why));
                }
            }
        }
        // Nobody receives only while the source is being dropped, and this task with it.
        if !reads.is_empty() {
            let _dropped = self.reports.send(Report::Read(reads)).await;
        }
        if !unreadable.is_empty() {
            let _dropped = self.reports.send(Report::Unreadable(unreadable)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot log in; check the password")]
    struct LoginError(#[source] std::io::Error);

    #[test]
    fn a_failure_names_the_cause_before_the_cure() {
        let failure = Failure::new("login", &LoginError(std::io::Error::other("refused")));
        assert_eq!((&*failure.why, failure.cure.as_deref()), ("cannot log in: refused", Some("check the password")));
        assert_eq!(failure.to_string(), "cannot log in: refused; check the password");
        assert_eq!(Failure::new("x", &std::io::Error::other("refused")).to_string(), "refused");
    }
}
