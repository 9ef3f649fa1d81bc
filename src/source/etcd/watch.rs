//! The one watch stream of a session, with a watch for each key on it.
//!
//! etcd refuses, compacts and cancels single watches inside a stream that goes on, and `watch()` has returned without an
//! error by then; so every message is checked, and a watch that ends, ends the session. A key that this user may not read
//! is the exception: it is left out. Watches are created a few at a time: a thousand requests at once could fill the
//! pipe before the first answer is taken out of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use etcd_client::{Event, WatchOptions, WatchRequestSender, WatchResponse, WatchResponseStream};

use super::context::Context;
use super::error::CallError;
use crate::keeper::{KeyEvent, Names, Version};
use crate::source::client::{Events, Failure, Heard};
use crate::source::report::KeyIndex;

/// Watches that were asked for and are not confirmed yet. The library's queue takes 100, so no request ever waits.
const UNCONFIRMED: usize = 64;

/// Why a watch stream is of no use any more.
#[derive(Debug, thiserror::Error)]
enum WatchError {
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
pub(crate) struct Watcher {
    context: Arc<Context>,
    from: i64,
    to_create: std::vec::IntoIter<KeyIndex>,
    /// Asked for, in this order; etcd confirms or refuses them in the same order.
    unconfirmed: VecDeque<KeyIndex>,
    confirmed: BTreeMap<i64, KeyIndex>,
    /// Nothing if there is no key to watch.
    stream: Option<(WatchRequestSender, WatchResponseStream)>,
    /// What there is to hear without a stream.
    due: Option<Heard>,
}

impl Watcher {
    /// Watches every key that can be read, from the revision after the session's first read.
    pub(super) async fn start(context: &Arc<Context>) -> Result<Self, Failure> {
        Self::create(context).await.map_err(|error| failure(context, error))
    }

    async fn create(context: &Arc<Context>) -> Result<Self, WatchError> {
        let from = context.first_revision() + 1;
        let mut to_create = context.to_watch().into_iter();
        let first = to_create.next();
        let stream = match first {
            Some(key) => {
                let name = context.keys.name(key);
                let stream = context.session.watches().watch(name, Some(options(from))).await;
                Some(stream.map_err(CallError::from)?.split())
            }
            None => None,
        };
        let due = first.is_none().then_some(Heard::Complete);
        let unconfirmed = first.into_iter().collect();
        let context = Arc::clone(context);
        let mut watcher = Self { context, from, to_create, unconfirmed, confirmed: BTreeMap::new(), stream, due };
        watcher.create_more().await?;
        Ok(watcher)
    }

    /// Cancel-safe: what follows the message never waits, since there is always room in the queue.
    async fn hear(&mut self) -> Result<Heard, WatchError> {
        if let Some(heard) = self.due.take() {
            return Ok(heard);
        }
        let Some((_, messages)) = &mut self.stream else { return std::future::pending().await };
        let message = messages.message().await.map_err(CallError::from)?.ok_or(WatchError::Ended)?;
        if message.compact_revision() != 0 {
            return Err(WatchError::Compacted(message.compact_revision()));
        }
        let key = if message.created() {
            self.unconfirmed.pop_front()
        } else {
            self.confirmed.get(&message.watch_id()).copied()
        };
        match key {
            Some(key) if message.canceled() && is_forbidden(&message) => self.context.leave_out(key),
            _ if message.canceled() => return Err(WatchError::Cancelled(message.cancel_reason().to_owned())),
            Some(key) if message.created() => {
                self.confirmed.insert(message.watch_id(), key);
            }
            _ => {}
        }
        if message.created() {
            self.create_more().await?;
            return Ok(if self.unconfirmed.is_empty() { Heard::Complete } else { Heard::Sign });
        }
        let changes: Vec<_> = message.events().iter().flat_map(|event| self.changes(event)).collect();
        Ok(if changes.is_empty() { Heard::Sign } else { Heard::Changed(changes) })
    }

    async fn create_more(&mut self) -> Result<(), WatchError> {
        let Some((requests, _)) = &mut self.stream else { return Ok(()) };
        while self.unconfirmed.len() < UNCONFIRMED {
            let Some(key) = self.to_create.next() else { return Ok(()) };
            let created = requests.watch(self.context.keys.name(key), Some(options(self.from))).await;
            created.map_err(CallError::from)?;
            self.unconfirmed.push_back(key);
        }
        Ok(())
    }

    /// What an event says of the key, at each of its positions.
    fn changes(&self, event: &Event) -> Vec<(KeyIndex, KeyEvent)> {
        let Some(kv) = event.kv() else { return Vec::new() };
        let Context { keys, memory, session, clock, .. } = &*self.context;
        let heard_at = clock();
        // A deleted key comes with its name and the revision of its end alone.
        let deleted = kv.create_revision() == 0;
        let change = |&key: &KeyIndex| {
            let names = if deleted { Names::Nobody } else { keys.judge(key, kv.value()) };
            memory.remember_lease(key, Some(kv.lease()).filter(|_| names.is_us()));
            (key, KeyEvent { names, version: Some(Version(kv.mod_revision())), heard_at, from: session.name() })
        };
        keys.places(kv.key()).iter().map(change).collect()
    }
}

impl Events for Watcher {
    async fn next(&mut self) -> Result<Heard, Failure> {
        let heard = self.hear().await;
        heard.map_err(|error| failure(&self.context, error))
    }

    async fn ask_for_sign(&mut self) -> Result<(), Failure> {
        let Some((requests, _)) = &mut self.stream else {
            self.due = Some(Heard::Sign);
            return Ok(());
        };
        let asked = requests.request_progress().await;
        asked.map_err(|error| failure(&self.context, WatchError::Call(error.into())))
    }
}

fn failure(context: &Context, error: WatchError) -> Failure {
    if let WatchError::Call(error) = error {
        return context.correct(error).into();
    }
    Failure { routine: matches!(error, WatchError::Compacted(_)), ..Failure::new("watch", &error) }
}

fn options(from: i64) -> WatchOptions {
    // A message with many large values would be longer than the library takes.
    WatchOptions::new().with_start_revision(from).with_fragment()
}

fn is_forbidden(message: &WatchResponse) -> bool {
    message.cancel_reason().contains("permission denied")
}
