//! Waits for changes of one key.
//!
//! The head of the answer comes at once, and shows that the endpoint lives; the body comes with the event. A member that
//! was cut off keeps a wait open in silence, so it is begun anew now and then.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use tokio::time::{sleep, timeout};

use super::answer::{Event, Refusal};
use super::context::{Context, Seen};
use crate::keeper::{KeyEvent, Version};
use crate::source::client::{Failure, Heard};
use crate::source::http::{KeyError, Poll, RequestError};
use crate::source::report::KeyIndex;
use crate::transport::http::{Chunks, HttpError};

/// A wait is begun anew after this time.
const WAIT: Duration = Duration::from_secs(20);
/// After an answer that says that there is none now. The reads go on meanwhile.
const PAUSE: Duration = Duration::from_millis(250);
/// While this user may not read the key.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(5);
/// An event may have this many bytes.
const MAX_EVENT: usize = 4 * 1024 * 1024;

/// The wait for one key.
#[derive(Debug)]
pub(super) struct KeyPoll {
    context: Arc<Context>,
    key: KeyIndex,
    /// Nothing if the key must be read first.
    seen: Option<Seen>,
    waiting: Option<(StatusCode, Chunks, Vec<u8>)>,
}

impl KeyPoll {
    /// Continues after what the first read of the session saw.
    pub(super) fn new(context: &Arc<Context>, key: KeyIndex) -> Self {
        Self { context: Arc::clone(context), key, seen: context.seen_first(key), waiting: None }
    }

    async fn open(&mut self, seen: Seen) -> Result<(), Failure> {
        let path = format!("{}?wait=true&waitIndex={}", self.context.path(self.key), seen.index + 1);
        let request = Request::get(path).body(Bytes::new()).map_err(HttpError::from).map_err(RequestError::from)?;
        let (head, body) = self.context.http.open(request).await?.into_parts();
        self.waiting = Some((head.status, body, Vec::new()));
        Ok(())
    }

    /// The event, once it is complete; nothing if the wait ended without one.
    async fn event(&mut self) -> Result<Option<Result<Event, Refusal>>, Failure> {
        let Some((status, body, text)) = &mut self.waiting else { return Ok(None) };
        let complete = async {
            while let Some(chunk) = body.chunk().await? {
                if text.len() + chunk.len() > MAX_EVENT {
                    return Err(HttpError::TooLong(MAX_EVENT));
                }
                text.extend_from_slice(&chunk);
            }
            Ok(())
        };
        let ended = timeout(WAIT, complete).await;
        let event = match ended {
            Err(_elapsed) => None,
            Ok(Ok(())) if text.is_empty() => None,
            Ok(Ok(())) => Some(Event::parse(*status, text)),
            Ok(Err(error)) => return Err(RequestError::from(error).into()),
        };
        self.waiting = None;
        Ok(event)
    }

    /// Reads the key, as nothing is known to wait after.
    async fn read(&mut self, before: Option<Seen>) -> Result<Heard, Failure> {
        let page = match self.context.page(self.key).await {
            Ok(page) => page,
            Err(error) => {
                let failure = error.into_failure();
                if failure.ends_session {
                    return Err(failure);
                }
                sleep(if failure.kind == "login" { FORBIDDEN_PAUSE } else { PAUSE }).await;
                return Ok(Heard::Sign);
            }
        };
        let seen = Seen::of(&page);
        self.seen = Some(seen);
        if before.is_some_and(|before| before.modified == seen.modified) {
            return Ok(Heard::Sign);
        }
        Ok(self.changed(page.node.as_ref().map(|node| &*node.value), page.index))
    }

    fn changed(&self, value: Option<&str>, version: i64) -> Heard {
        let heard_at = (self.context.shared.clock)();
        let event = |&key: &KeyIndex| {
            let (names, from) = (self.context.names(key, value), self.context.http.name());
            (key, KeyEvent { names, version: Some(Version(version)), heard_at, from })
        };
        let keys = &self.context.shared.keys;
        Heard::Changed(keys.places(keys.name(self.key).as_bytes()).iter().map(event).collect())
    }
}

impl Poll for KeyPoll {
    async fn begin(&mut self) -> Result<(), Failure> {
        match self.seen {
            Some(seen) => self.open(seen).await,
            None => Ok(()),
        }
    }

    async fn next(&mut self) -> Result<Heard, Failure> {
        let Some(seen) = self.seen else { return self.read(None).await };
        if self.waiting.is_none() {
            self.open(seen).await?;
            return Ok(Heard::Sign);
        }
        match self.event().await? {
            None => Ok(Heard::Sign),
            Some(Ok(event)) => {
                let modified = event.value.is_some().then_some(event.modified);
                self.seen = Some(Seen { index: event.modified, modified });
                // The next wait is there before the read that this event causes.
                self.open(Seen { index: event.modified, modified }).await?;
                Ok(self.changed(event.value.as_deref(), event.modified))
            }
            Some(Err(Refusal::NotNow(_))) => {
                sleep(PAUSE).await;
                Ok(Heard::Sign)
            }
            Some(Err(Refusal::Cleared | Refusal::Forbidden)) => self.read(Some(seen)).await,
            Some(Err(refusal)) => self.context.parse(self.key, Err(refusal)).map_err(KeyError::into_failure),
        }
    }
}
