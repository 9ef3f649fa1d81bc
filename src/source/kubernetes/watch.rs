//! The watch of one object, on a connection of its own.
//!
//! The server ends a watch after a while, and a load balancer may forget one in silence. So one that ended, or that said
//! nothing for [`SILENCE`], is opened again after the newest version that this session knows; nothing is missed. Patroni's
//! renewals and the server's bookmarks are seldom further apart.
//!
//! A user who may list but not watch gets the next best: the object is listed each second.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::{sleep, timeout};

use super::object::{Line, line};
use super::path::ObjectPath;
use super::record::Record;
use super::refusal::{AnswerError, expired, understood};
use super::session::Session;
use crate::keeper::{KeyEvent, Version};
use crate::source::client::{Failure, Heard};
use crate::source::http::Poll;
use crate::source::report::KeyIndex;
use crate::time::Moment;
use crate::transport::http::Chunks;

/// A watch without a word is opened again after this time.
const SILENCE: Duration = Duration::from_secs(12);
/// The time between two lists of an object that may not be watched.
const LISTS: Duration = Duration::from_secs(1);
/// A watch that ends sooner without a word ends the session.
const SHORTEST: Duration = Duration::from_secs(1);
/// etcd takes objects of 1.5 MiB.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Watches the object of a key.
pub(super) struct ObjectWatch {
    session: Arc<Session>,
    key: KeyIndex,
    /// Everything up to this version is known.
    after: i64,
    lines: Lines,
    opened_at: Moment,
    /// That it may not be watched was logged.
    told: bool,
    /// What was heard last: other changes of the object than those of the record matter to nobody.
    last: Option<Record>,
    /// Anything was heard.
    heard: bool,
}

enum Lines {
    Open(Chunks),
    /// This user may not watch the object.
    Refused,
}

impl ObjectWatch {
    pub(super) fn new(session: Arc<Session>, key: KeyIndex) -> Self {
        Self {
            session,
            key,
            after: 0,
            lines: Lines::Refused,
            opened_at: Moment::default(),
            told: false,
            last: None,
            heard: false,
        }
    }

    /// Opens the watch after all that this session knows.
    async fn open(&mut self) -> Result<(), Failure> {
        self.after = self.after.max(self.session.version(self.key));
        if self.after == 0 {
            // It could not be read, which says why.
            self.lines = Lines::Refused;
            return Ok(());
        }
        let path = self.session.path(self.key)?;
        let answer = self.session.requests.open_watch(&path, self.after).await?;
        self.opened_at = self.session.now();
        self.lines = match answer.status() {
            StatusCode::OK => Lines::Open(answer.into_body()),
            StatusCode::FORBIDDEN => {
                self.note_refused(&path, answer.into_body()).await;
                Lines::Refused
            }
            status => return Err(failed(status, &path, answer.into_body()).await),
        };
        Ok(())
    }

    async fn note_refused(&mut self, path: &ObjectPath, body: Chunks) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        if let AnswerError::Forbidden(failure) = understood(StatusCode::FORBIDDEN, path, body).await {
            let (endpoint, key) = (self.session.name(), self.session.keys.name(self.key));
            tracing::warn!(%endpoint, "cannot watch {key}, reading it each second instead: {failure}");
        }
    }

    async fn list(&mut self) -> Result<Heard, Failure> {
        sleep(LISTS).await;
        let path = self.session.path(self.key)?;
        match self.session.list(&path).await {
            Ok((_, _, listing)) => {
                let record = listing.object.map(|object| object.record);
                Ok(self.hear(listing.version, record))
            }
            Err(AnswerError::Forbidden(_)) => Ok(Heard::Sign),
            Err(AnswerError::Failed(failure)) => Err(failure),
        }
    }

    /// What a record says of each key of the object, if it is another one than before.
    fn hear(&mut self, version: i64, record: Option<Record>) -> Heard {
        self.after = self.after.max(version);
        if std::mem::replace(&mut self.heard, true) && self.last == record {
            return Heard::Sign;
        }
        let session = &self.session;
        let leader = record.as_ref().and_then(Record::leader);
        let (heard_at, from) = (session.now(), session.name());
        let event = |&key: &KeyIndex| {
            let (names, version, from) = (session.names(key, leader), Some(Version(version)), Arc::clone(&from));
            (key, KeyEvent { names, version, heard_at, from })
        };
        let changes = session.keys.places(session.keys.name(self.key).as_bytes()).iter().map(event).collect();
        self.last = record;
        Heard::Changed(changes)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Heard, Failure> {
        let path = self.session.path(self.key)?;
        match line(bytes, path.name()).map_err(|error| Failure::new("watch", &error))? {
            Line::Changed(object) => Ok(self.hear(object.version, Some(object.record))),
            Line::Deleted { version } => Ok(self.hear(version, None)),
            Line::Bookmark { version } => {
                self.after = self.after.max(version);
                Ok(Heard::Sign)
            }
            Line::Other => Ok(Heard::Sign),
            Line::Error(refusal) if refusal.is_expired() => Err(expired(&refusal.message)),
            Line::Error(refusal) => Err(ended(&format!("the watch was ended: {}", refusal.message))),
        }
    }
}

impl Poll for ObjectWatch {
    async fn begin(&mut self) -> Result<(), Failure> {
        self.open().await
    }

    async fn next(&mut self) -> Result<Heard, Failure> {
        let Lines::Open(lines) = &mut self.lines else {
            let heard = self.list().await?;
            // The right may have been granted.
            if self.session.now().since(self.opened_at) > SILENCE {
                self.open().await?;
            }
            return Ok(heard);
        };
        match timeout(SILENCE, lines.line(LONGEST_LINE)).await {
            Ok(Ok(Some(line))) => self.take(&line),
            Ok(Ok(None)) if self.session.now().since(self.opened_at) < SHORTEST => {
                Err(ended("the watch ends as soon as it has begun"))
            }
            Ok(Ok(None)) | Err(_) => {
                self.open().await?;
                Ok(Heard::Sign)
            }
            Ok(Err(error)) => Err(crate::source::http::RequestError::from(error).into()),
        }
    }
}

fn ended(why: &str) -> Failure {
    Failure::new("watch", &std::io::Error::other(crate::text::one_line(&crate::text::brief(why, 200))))
}

async fn failed(status: StatusCode, path: &ObjectPath, body: Chunks) -> Failure {
    match understood(status, path, body).await {
        AnswerError::Forbidden(failure) | AnswerError::Failed(failure) => failure,
    }
}
