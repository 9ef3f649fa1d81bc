//! The session of one claim.
//!
//! A claim ends with its session, and must not end with a connection. So it has a session of its own, which no other
//! request uses: nothing but the claim's own requests keep it, no ping and no read. The engine says which server to ask;
//! the session moves there with its id and secret. A request that fails or is given up takes its connection with it, and
//! the next one continues the session through another.
//!
//! Nobody closes the session but who has deleted the claim. The next process on this host finds the claim of the one
//! before, and replaces it under a session of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::connection::{Connection, Told};
use super::error::OpenError;
use super::heard::{Heard, lag, wanted};
use super::session::{Opened, Opener};
use crate::source::rounds::EndpointIndex;
use crate::time::Moment;
use crate::wire::jute::{Request, SessionId};

/// A session that outlives its connections.
#[derive(Debug, Default)]
pub(super) struct ClaimSession {
    id: SessionId,
    /// The shortest timeout that was granted to it: what an earlier server tells the leader may arrive last.
    timeout: Option<Duration>,
    line: Option<Line>,
}

/// A server, and what a session there needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server<'a> {
    pub(super) endpoint: EndpointIndex,
    pub(super) opener: &'a Opener,
    /// The longest session that is granted.
    pub(super) longest: Duration,
    pub(super) clock: fn() -> Moment,
}

/// The connection that a session has now.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) told: mpsc::UnboundedReceiver<Told>,
    pub(super) session: i64,
    server: EndpointIndex,
    timeout: Duration,
    heard: Heard,
    used_at: Moment,
    /// Nothing was asked through it yet but what was prepared.
    is_new: bool,
    /// What a creation compares, and when it was looked at.
    prepared: Option<(Prepared, Moment)>,
}

/// The versions that a creation compares, looked at ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepared {
    pub(super) leader: i32,
    pub(super) fence: i32,
}

impl ClaimSession {
    /// Takes the connection to this server out. Whoever has got an answer through it puts it back.
    pub(super) async fn take(&mut self, server: Server<'_>, ttl: Duration) -> Result<Line, OpenError> {
        let now = (server.clock)();
        if let Some(line) = self.line.take_if(|line| line.serves(server.endpoint, now)) {
            return Ok(line);
        }
        // The old one is closed once the session has moved.
        let _before = self.line.take();
        match self.open(server, ttl).await {
            Err(OpenError::Expired) => {
                self.forget();
                self.open(server, ttl).await
            }
            opened => opened,
        }
    }

    async fn open(&mut self, server: Server<'_>, ttl: Duration) -> Result<Line, OpenError> {
        let lag = lag(server.longest);
        let sent_at = (server.clock)();
        let Opened { connection, told, timeout, session, .. } =
            server.opener.open_for_claim(wanted(ttl, lag), self.id).await?;
        self.id = session;
        let timeout = self.timeout.map_or(timeout, |before| before.min(timeout));
        self.timeout = Some(timeout);
        let (server, heard) = (server.endpoint, Heard::new(lag, sent_at));
        Ok(Line {
            connection,
            told,
            session: session.id,
            server,
            timeout,
            heard,
            used_at: sent_at,
            is_new: true,
            prepared: None,
        })
    }

    /// A request was answered through this connection.
    pub(super) fn put_back(&mut self, line: Line) {
        self.line = Some(line);
    }

    /// The session has ended.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Ends the session, which has no claim any more.
    pub(super) fn close(&mut self, line: &Line) {
        let _not_waited_for = line.connection.send(&Request::Close);
        self.forget();
    }

    /// The connection, for whoever only watches.
    pub(super) const fn line(&mut self) -> Option<&mut Line> {
        self.line.as_mut()
    }
}

impl Line {
    /// Whether it can be used: a session that nobody has used may have ended. One that was prepared serves at once,
    /// wherever it is, and moves later.
    fn serves(&self, server: EndpointIndex, now: Moment) -> bool {
        (self.is_new || self.server == server) && now.since(self.used_at) < self.timeout / 2 && !self.has_ended()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.connection.has_ended()
    }

    /// Whether nothing was asked through it yet.
    pub(super) const fn waits_to_be_used(&self) -> bool {
        self.is_new && self.prepared.is_none()
    }

    /// Something was looked at ahead.
    pub(super) fn note_prepared(&mut self, prepared: Option<Prepared>, now: Moment) {
        (self.is_new, self.prepared) = (true, prepared.map(|prepared| (prepared, now)));
    }

    /// What was looked at ahead, if that was a moment ago.
    pub(super) fn take_prepared(&mut self, now: Moment) -> Option<Prepared> {
        self.prepared.take().filter(|(_, at)| now.since(*at) < PREPARED).map(|(prepared, _)| prepared)
    }

    /// A transaction was answered. Returns how long the session lasts at least, from when it was sent.
    pub(super) fn bound(&mut self, sent_at: Moment, answered_at: Moment) -> Duration {
        let bound = self.timeout.saturating_sub(self.heard.answered(sent_at, answered_at));
        self.note_used(sent_at, answered_at);
        bound
    }

    /// Something was answered.
    pub(super) fn note_used(&mut self, sent_at: Moment, answered_at: Moment) {
        self.heard.touched(sent_at, answered_at);
        self.used_at = sent_at;
        self.is_new = false;
    }

    /// The session as a token names it.
    pub(super) fn name(&self) -> Arc<str> {
        name(self.session)
    }
}

/// A session as a token names it.
pub(super) fn name(session: i64) -> Arc<str> {
    format!("{session:#x}").into()
}

/// What was looked at earlier is looked at again.
const PREPARED: Duration = Duration::from_secs(1);
