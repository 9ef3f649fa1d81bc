//! The one watch stream of a session, with a watch for each key on it.
//!
//! etcd refuses, compacts and cancels single watches inside a stream that goes on, and `watch()` has returned in peace
//! by then; so every message is checked, and a watch that ends, ends the session. Watches are created a few at a time:
//! a thousand requests at once could fill the pipe before the first answer is taken out of it.

use std::sync::Arc;

use etcd_client::{Event, WatchOptions, WatchRequestSender, WatchResponse, WatchResponseStream};

use super::error::CallError;
use super::keys::Keys;
use super::session::Session;
use crate::clock;
use crate::keeper::{KeyEvent, Names, Version};
use crate::source::KeyIndex;

/// Watches that were asked for and are not confirmed yet. The library's queue takes 100, so no request ever waits.
const UNCONFIRMED: usize = 64;

/// Why a watch stream is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("the watch stream ended")]
    Ended,
    #[error("the watch was cancelled: {0}")]
    Cancelled(String),
    #[error("the watch fell behind a compaction (revision {0})")]
    Compacted(i64),
    #[error(transparent)]
    Call(#[from] CallError),
}

#[derive(Debug)]
pub(super) struct Watcher {
    keys: Arc<Keys>,
    name: Arc<str>,
    from: i64,
    to_create: std::vec::IntoIter<KeyIndex>,
    unconfirmed: usize,
    requests: WatchRequestSender,
    messages: WatchResponseStream,
}

/// What a message said. Any message at all shows that the stream lives.
#[derive(Debug)]
pub(super) enum Heard {
    News(Vec<(KeyIndex, KeyEvent)>),
    /// The last watch was confirmed: from here on nothing can be missed.
    Complete,
    Sign,
}

impl Watcher {
    /// Watches every key from revision `from` on.
    pub(super) async fn start(session: &Session, keys: &Arc<Keys>, from: i64) -> Result<Self, WatchError> {
        let mut to_create = keys.distinct().into_iter();
        let first = to_create.next().map_or("", |key| keys.name(key));
        let stream = session.watches().watch(first, Some(options(from))).await.map_err(CallError::from)?;
        let (requests, messages) = stream.split();
        let (keys, name) = (Arc::clone(keys), session.name());
        let mut watcher = Self { keys, name, from, to_create, unconfirmed: 1, requests, messages };
        watcher.create_more().await?;
        Ok(watcher)
    }

    /// Waits for the next message.
    ///
    /// Cancel-safe: what follows the message never waits, since there is always room in the queue.
    pub(super) async fn hear(&mut self) -> Result<Heard, WatchError> {
        let message = self.messages.message().await.map_err(CallError::from)?.ok_or(WatchError::Ended)?;
        check(&message)?;
        if message.created() {
            self.unconfirmed = self.unconfirmed.saturating_sub(1);
            self.create_more().await?;
            return Ok(if self.unconfirmed == 0 { Heard::Complete } else { Heard::Sign });
        }
        let news: Vec<_> = message.events().iter().flat_map(|event| self.news(event)).collect();
        Ok(if news.is_empty() { Heard::Sign } else { Heard::News(news) })
    }

    /// Asks for a sign of life, which comes as a message.
    pub(super) async fn ask_for_sign(&mut self) -> Result<(), WatchError> {
        Ok(self.requests.request_progress().await.map_err(CallError::from)?)
    }

    async fn create_more(&mut self) -> Result<(), WatchError> {
        while self.unconfirmed < UNCONFIRMED {
            let Some(key) = self.to_create.next() else { return Ok(()) };
            let created = self.requests.watch(self.keys.name(key), Some(options(self.from))).await;
            created.map_err(CallError::from)?;
            self.unconfirmed += 1;
        }
        Ok(())
    }

    /// What an event says, unless another member said it before.
    fn news(&self, event: &Event) -> Vec<(KeyIndex, KeyEvent)> {
        let Some(kv) = event.kv() else { return Vec::new() };
        let heard_at = clock::now();
        // A deleted key comes with its name and the revision of its end alone.
        let deleted = kv.create_revision() == 0;
        let places = self.keys.places(kv.key()).iter();
        let fresh = places.filter(|&&key| self.keys.is_news(key, kv.mod_revision()));
        let change = |&key: &KeyIndex| {
            let names = if deleted { Names::Nobody } else { self.keys.judge(key, kv.value()) };
            self.keys.remember_lease(key, Some(kv.lease()).filter(|_| names.is_us()));
            let version = Some(Version(kv.mod_revision()));
            (key, KeyEvent { names, version, heard_at, from: Arc::clone(&self.name) })
        };
        fresh.map(change).collect()
    }
}

fn options(from: i64) -> WatchOptions {
    WatchOptions::new().with_start_revision(from)
}

fn check(message: &WatchResponse) -> Result<(), WatchError> {
    if message.compact_revision() != 0 {
        return Err(WatchError::Compacted(message.compact_revision()));
    }
    if message.canceled() {
        return Err(WatchError::Cancelled(message.cancel_reason().to_owned()));
    }
    Ok(())
}
