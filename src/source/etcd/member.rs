//! The task of one member: connect, log in, read, watch, and all of that again whenever anything of it fails.
//!
//! The read comes first and the watch begins at the revision after it, so that nothing falls between. A session that
//! ends for whatever reason is followed by a new one with a new read: what happened meanwhile is never guessed.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::error::CallError;
use super::keys::Keys;
use super::reader::Wake;
use super::session::{Connector, OpenError, Session, SessionGuard};
use super::watch::{Heard, WatchError, Watcher};
use super::{EndpointState, Link, pace::Pace};
use crate::clock;
use crate::error;
use crate::source::endpoints::{EndpointIndex, Endpoints, Others};
use crate::source::{KeyIndex, Report};

/// A session that lived this long has earned a retry without a pause.
const PROVED: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Member {
    pub(super) index: EndpointIndex,
    pub(super) connector: Connector,
    pub(super) keys: Arc<Keys>,
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) wakes: mpsc::Sender<Wake>,
    /// How long the watch may be silent before a sign of life is asked for.
    pub(super) keepalive: Duration,
    pub(super) reporter: StateReporter,
}

/// A session with its watch.
struct ActiveSession {
    session: Session,
    guard: SessionGuard,
    watcher: Watcher,
}

/// Why a session ended, or none began.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error("the watch gave no sign of life within {0:.1?}")]
    NoSign(Duration),
}

impl Member {
    pub(super) async fn run(mut self) {
        let mut pace = Pace::new();
        loop {
            let began = clock::now();
            let end = match self.serve().await {
                Ok(never) => match never {},
                Err(end) => end,
            };
            let spent = clock::now().since(began);
            let why: Arc<str> = error::chain(&end).into();
            self.endpoints.failed(self.index, end.kind());
            if self.endpoints.down(self.index, Arc::clone(&why)) == Others::AllDown {
                self.keys.forget_cluster();
            }
            let was_up = self.reporter.is_up();
            let proved = was_up && spent >= PROVED;
            self.reporter.down(&why, was_up && end.is_routine());
            if proved {
                pace.reset();
            }
            sleep(pace.pause(spent)).await;
        }
    }

    /// One session from its beginning to its end.
    async fn serve(&mut self) -> Result<Infallible, End> {
        let mut active = self.establish().await?;
        self.follow(&mut active).await.map_err(|end| end.corrected(&active.session))
    }

    /// Connects, reads every key, and begins to watch from the revision after the read.
    async fn establish(&mut self) -> Result<ActiveSession, End> {
        let (session, guard) = self.connector.open().await?;
        let revision = self.read_first(&session).await?;
        self.endpoints.up(self.index, session.clone());
        self.endpoints.answered();
        let limit = self.connector.limit;
        let start = Watcher::start(&session, &self.keys, revision + 1);
        let watcher = timeout(limit, start).await.map_err(|_elapsed| CallError::Silent { limit })??;
        Ok(ActiveSession { session, guard, watcher })
    }

    async fn read_first(&self, session: &Session) -> Result<i64, End> {
        let all: Vec<KeyIndex> = self.keys.all().collect();
        let read = session.read(&self.keys, &all, self.connector.limit, &self.reports).await;
        let revision = read.map_err(|error| error.before_any_answer(self.connector.tls.as_deref()))?;
        for key in all {
            self.keys.rewind(key, revision);
        }
        Ok(revision)
    }

    async fn follow(&mut self, active: &mut ActiveSession) -> Result<Infallible, End> {
        // The confirmation of the watches is the first sign to wait for.
        let mut awaiting_sign = true;
        loop {
            let patience = if awaiting_sign { self.connector.limit } else { self.keepalive };
            tokio::select! {
                // What has arrived counts before the time that it took: a process that was stopped finds both.
                biased;
                heard = active.watcher.hear() => {
                    awaiting_sign = false;
                    self.hear(heard?).await;
                }
                cause = active.guard.failure() => return Err(cause.into()),
                () = sleep(patience) => {
                    if awaiting_sign {
                        return Err(End::NoSign(patience));
                    }
                    self.follow_files(active).await;
                    active.watcher.ask_for_sign().await?;
                    awaiting_sign = true;
                }
            }
        }
    }

    /// Changes over to a session with the changed TLS files, once it works. While it does not, the old one serves on:
    /// certificates are seldom changed everywhere at the same instant, and sometimes wrongly.
    async fn follow_files(&mut self, active: &mut ActiveSession) {
        let generation = match self.connector.tls.as_ref().map(|tls| tls.current()) {
            Some(Ok(credentials)) if credentials.generation != active.guard.generation => credentials.generation,
            Some(_) | None => return,
        };
        match self.establish().await {
            Ok(new) => {
                *active = new;
                tracing::info!(member = %self.connector.name, "etcd member is reached with the changed TLS files");
            }
            Err(mistake) => {
                let why = error::chain(&mistake);
                tracing::warn!(member = %self.connector.name, "no session with the changed TLS files, the old one serves on: {why}");
                self.endpoints.up(self.index, active.session.clone());
                active.guard.generation = generation;
            }
        }
    }

    async fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Complete => self.reporter.up(),
            Heard::Sign => self.endpoints.trust(self.index),
            Heard::News(news) => {
                let keys = news.iter().map(|&(key, _)| key).collect();
                // Nobody listens only while the source is being dropped, and this task with it.
                let _gone = self.reports.send(Report::Changed(news)).await;
                let _gone = self.wakes.send(Wake { member: self.index, keys }).await;
            }
        }
    }
}

impl End {
    fn corrected(self, session: &Session) -> Self {
        match self {
            Self::Call(error) | Self::Watch(WatchError::Call(error)) => Self::Call(session.correct(error)),
            other => other,
        }
    }

    /// One word for the counters.
    fn kind(&self) -> &'static str {
        match self {
            Self::Open(OpenError::Dial(_)) => "connect",
            Self::Open(OpenError::Password { .. }) => "login",
            Self::Open(OpenError::Login(cause)) | Self::Call(cause) | Self::Watch(WatchError::Call(cause)) => {
                cause.kind()
            }
            Self::Watch(_) => "watch",
            Self::NoSign(_) => "timeout",
        }
    }

    /// Whether it is part of normal life, and no reason to wake anybody.
    fn is_routine(&self) -> bool {
        match self {
            Self::Call(cause) | Self::Watch(WatchError::Call(cause)) => cause.is_routine(),
            Self::Watch(WatchError::Compacted(_)) => true,
            Self::Open(_) | Self::Watch(_) | Self::NoSign(_) => false,
        }
    }
}

/// Tells people and the state about a member: each change once, a steady state and a steady failure never.
#[derive(Debug)]
pub(super) struct StateReporter {
    name: Arc<str>,
    state: watch::Sender<EndpointState>,
    /// The causes that were told since the member was last there. Two that take turns are told once each.
    told: BTreeSet<Arc<str>>,
}

impl StateReporter {
    pub(super) fn new(name: Arc<str>, state: watch::Sender<EndpointState>) -> Self {
        Self { name, state, told: BTreeSet::new() }
    }

    fn is_up(&self) -> bool {
        self.state.borrow().link == Link::Up
    }

    fn up(&mut self) {
        let known = self.state.borrow().link != Link::Connecting;
        self.set(Link::Up);
        if !std::mem::take(&mut self.told).is_empty() {
            tracing::info!(member = %self.name, "etcd member answers again");
        } else if known {
            tracing::debug!(member = %self.name, "etcd member has a new session");
        } else {
            tracing::debug!(member = %self.name, "etcd member answers");
        }
    }

    fn down(&mut self, why: &Arc<str>, routine: bool) {
        self.set(Link::Down { why: Arc::clone(why) });
        if routine || self.told.contains(why) {
            tracing::debug!(member = %self.name, "etcd member: {why}");
        } else {
            self.told.insert(Arc::clone(why));
            tracing::warn!(member = %self.name, "etcd member does not serve: {why}");
        }
    }

    fn set(&self, link: Link) {
        self.state.send_if_modified(|state| {
            let changed = state.link != link;
            if changed {
                // Another cause of the same silence does not make it younger.
                if !(state.link.is_down() && link.is_down()) {
                    state.since = clock::now();
                }
                state.link = link;
            }
            changed
        });
    }
}
