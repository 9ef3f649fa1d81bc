//! The task of one endpoint: connect, read, watch, and all of that again whenever anything of it fails.
//!
//! The read comes first and the watch begins after what it saw, so that nothing is missed in between. A session that ends
//! for whatever reason is followed by a new one with a new read: what happened meanwhile is never guessed.
//!
//! A session that is silent is asked for a sign of life. There are proxies that drop the question, such as `etcd
//! grpc-proxy`. If two sessions in a row were asked in vain, and no session ever gave a sign, a read is the sign.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::client::{Client, Connector, Events, Failure, Heard};
use super::reader::{Shared, Wake};
use super::report::{KeyIndex, Report};
use super::rounds::{EndpointIndex, Reason, Rounds};
use super::session::{Session, SessionGuard};
use super::states::StateReporter;
use crate::backoff::Backoff;
use crate::time::Moment;

/// A session that lived this long is followed by the next one at once.
const PROVED: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Member<C: Connector> {
    pub(super) index: EndpointIndex,
    pub(super) connector: C,
    pub(super) shared: Arc<Shared<C::Client>>,
    pub(super) wakes: mpsc::Sender<Wake>,
    /// How long an answer may take.
    pub(super) limit: Duration,
    /// How often to look for a reason to begin another session.
    pub(super) check: Duration,
    /// How long the session may be silent before a sign of life is asked for.
    pub(super) keepalive: Duration,
    pub(super) signs: Signs,
    pub(super) reporter: StateReporter,
    pub(super) backoff: Backoff,
    pub(super) clock: fn() -> Moment,
}

/// What became of the questions for a sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Signs {
    #[default]
    NeverAsked,
    Given,
    /// The session that was asked first gave none, and was replaced.
    Missed,
    /// Neither did the next: a read has to do.
    NotGiven,
}

/// A session with its watch.
struct ActiveSession<C: Client> {
    session: Session<C>,
    guard: SessionGuard,
    events: C::Events,
}

impl<C: Connector> Member<C> {
    pub(super) async fn run(mut self) {
        loop {
            let began = (self.clock)();
            let Err(failure) = self.serve().await;
            let now = (self.clock)();
            self.shared.states.count_error(self.index, failure.kind);
            let reason = Reason::from(&failure);
            let why = Arc::clone(&reason.why);
            self.shared.endpoints.down(self.index, reason);
            self.shared.doubt.notify_one();
            let was_up = self.reporter.is_up();
            self.reporter.down(&why, was_up && failure.routine);
            if was_up && now.since(began) >= PROVED {
                self.backoff.reset();
            } else {
                // Counted from the start of the attempt: one that hung until its limit has waited enough.
                let pause = self.backoff.failed(began);
                sleep((began + pause).since(now)).await;
            }
        }
    }

    /// One session from its beginning to its end.
    async fn serve(&mut self) -> Result<Infallible, Failure> {
        let mut active = self.establish().await?;
        self.follow(&mut active).await
    }

    /// Connects, reads every key, and begins to watch.
    async fn establish(&mut self) -> Result<ActiveSession<C::Client>, Failure> {
        let (session, guard) = Session::new(self.connector.connect().await?);
        self.read_all(&session, true).await?;
        self.shared.endpoints.up(self.index, session.clone());
        self.shared.endpoints.rounds(Rounds::note_answer);
        match timeout(self.limit, session.client().watch()).await {
            Ok(events) => Ok(ActiveSession { events: events?, session, guard }),
            Err(_elapsed) => Err(silent(format!("the watch did not begin within {:.1?}", self.limit))),
        }
    }

    async fn follow(&mut self, active: &mut ActiveSession<C::Client>) -> Result<Infallible, Failure> {
        // The confirmation of the watch is the first sign to wait for.
        let (mut awaiting_sign, mut asked) = (true, false);
        let mut heard_at = (self.clock)();
        loop {
            let patience = if awaiting_sign { self.limit } else { self.check };
            let doubted = tokio::select! {
                // What has arrived counts before the time that it took: a process that was stopped finds both.
                biased;
                heard = active.events.next() => {
                    let heard = heard?;
                    awaiting_sign = false;
                    heard_at = (self.clock)();
                    if asked && matches!(heard, Heard::Sign) {
                        self.signs = Signs::Given;
                    }
                    self.hear(heard).await;
                    continue;
                }
                Some(failure) = active.guard.failure() => return Err(failure),
                () = self.shared.missed.notified(), if !awaiting_sign => true,
                () = sleep(patience) => false,
            };
            if awaiting_sign {
                self.miss_sign(asked, patience)?;
            }
            let renewed = self.renew(active).await;
            // To the nearest check: timer and clock differ by a little.
            let silent = (self.clock)().since(heard_at) + self.check / 2 >= self.keepalive;
            if !(awaiting_sign || doubted || renewed || silent) {
                continue;
            }
            if self.signs == Signs::NotGiven {
                awaiting_sign = false;
                self.read_all(&active.session, false).await?;
                heard_at = (self.clock)();
            } else {
                active.events.ask_for_sign().await?;
                (awaiting_sign, asked) = (true, true);
            }
        }
    }

    async fn read_all(&mut self, session: &Session<C::Client>, first: bool) -> Result<(), Failure> {
        let all: Vec<KeyIndex> = self.shared.keys.all().collect();
        session.client().read(&all, &self.shared.answers(self.index, first)).await
    }

    /// There was no sign of life. Decides whether that ends the session.
    fn miss_sign(&mut self, asked: bool, patience: Duration) -> Result<(), Failure> {
        let failure = silent(format!("the watch gave no sign of life within {patience:.1?}"));
        match self.signs {
            Signs::NeverAsked if asked => {
                self.signs = Signs::Missed;
                Err(Failure { routine: true, ..failure })
            }
            Signs::Missed if asked => {
                self.signs = Signs::NotGiven;
                self.shared.endpoints.rounds(|rounds| rounds.watching(self.index, false));
                self.shared.doubt.notify_one();
                tracing::debug!(endpoint = %self.reporter.name(), "endpoint gives no signs of life, reads are taken for them");
                Ok(())
            }
            Signs::NeverAsked | Signs::Missed | Signs::Given | Signs::NotGiven => Err(failure),
        }
    }

    /// Changes over to a new session if there is a reason, once that works, and returns whether it did. Until then the old
    /// one is kept: TLS files are seldom changed everywhere at the same instant, and sometimes wrongly.
    async fn renew(&mut self, active: &mut ActiveSession<C::Client>) -> bool {
        let Some(change) = self.connector.has_changed(active.session.client()).await else { return false };
        match self.establish().await {
            Ok(new) => {
                *active = new;
                tracing::info!(endpoint = %self.reporter.name(), "endpoint has a new session because of {change}");
                true
            }
            Err(failure) => {
                tracing::warn!(endpoint = %self.reporter.name(), "keeping the old session, no new one for {change}: {failure}");
                self.shared.endpoints.up(self.index, active.session.clone());
                self.shared.endpoints.rounds(|rounds| rounds.watching(self.index, self.signs != Signs::NotGiven));
                false
            }
        }
    }

    async fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Complete => {
                let relied_on = self.signs != Signs::NotGiven;
                self.shared.endpoints.rounds(|rounds| rounds.watching(self.index, relied_on));
                self.reporter.up();
            }
            Heard::Sign => self.shared.endpoints.rounds(|rounds| rounds.trust(self.index)),
            Heard::Changed(mut changes) => {
                changes.retain(|(key, event)| self.shared.keys.is_news(*key, event.version));
                if changes.is_empty() {
                    return self.shared.endpoints.rounds(|rounds| rounds.trust(self.index));
                }
                self.shared.endpoints.rounds(Rounds::changed);
                let keys = changes.iter().map(|&(key, _)| key).collect();
                // Nobody receives only while the source is being dropped, and this task with it.
                let _dropped = self.shared.reports.send(Report::Changed(changes)).await;
                let _dropped = self.wakes.send(Wake { endpoint: self.index, keys }).await;
            }
        }
    }
}

const fn silent(why: String) -> Failure {
    Failure { kind: "timeout", ends_session: true, routine: false, why, cure: None, hold_at_most: None }
}
