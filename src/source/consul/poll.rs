//! A blocking query: waits until a key changes, and says so.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use tokio::time::sleep;

use super::answer::{Page, Refusal};
use super::claim;
use super::context::{Context, Seen};
use crate::keeper::{KeyEvent, Version};
use crate::source::client::{Failure, Heard};
use crate::source::http::{Kept, KeyError, Poll, RequestError};
use crate::source::report::KeyIndex;
use crate::transport::http::HttpError;

/// How long Consul waits for a change. It adds up to a sixteenth, so that not all come back at once.
const WAIT: Duration = Duration::from_secs(10);
/// After an answer without anything new: an absent key is woken by every write to any other.
const PAUSE: Duration = Duration::from_millis(20);
/// After an answer that says that there is none now. The reads go on meanwhile.
const LONG_PAUSE: Duration = Duration::from_millis(250);
/// While this token may not read the key.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(5);

/// The blocking query of one key.
#[derive(Debug)]
pub(super) struct KeyPoll {
    context: Arc<Context>,
    key: KeyIndex,
    seen: Option<Seen>,
    connection: Kept,
}

impl KeyPoll {
    /// Continues after what the first read of the session saw.
    pub(super) fn new(context: &Arc<Context>, key: KeyIndex) -> Self {
        let seen = context.seen_first(key);
        Self { context: Arc::clone(context), key, seen, connection: Kept::default() }
    }

    fn path(&self) -> String {
        let path = self.context.path(self.key);
        match self.seen {
            Some(seen) => format!("{path}&index={}&wait={}s", seen.index, WAIT.as_secs()),
            None => path,
        }
    }

    /// The next answer; nothing where there is none now.
    async fn ask(&mut self) -> Result<Option<Page>, Failure> {
        let request = Request::get(self.path()).body(Bytes::new()).map_err(HttpError::from);
        let request = request.map_err(RequestError::from)?;
        let longer = WAIT + WAIT / 16;
        let answer = self.context.http.request_on(&mut self.connection, request, longer).await?;
        let page = Page::parse(&answer);
        let pause = match page {
            Err(Refusal::NotNow(_)) => LONG_PAUSE,
            Err(Refusal::Forbidden) => FORBIDDEN_PAUSE,
            page => {
                let page = self.context.parse(self.key, page);
                return page.map(Some).map_err(KeyError::into_failure);
            }
        };
        sleep(pause).await;
        Ok(None)
    }
}

impl Poll for KeyPoll {
    async fn begin(&mut self) -> Result<(), Failure> {
        Ok(self.context.http.prepare(&mut self.connection).await?)
    }

    async fn next(&mut self) -> Result<Heard, Failure> {
        let Some(page) = self.ask().await? else { return Ok(Heard::Sign) };
        let before = self.seen;
        let (seen, changed) = Seen::after(before, &page);
        self.seen = seen;
        if !changed {
            if before.is_some_and(|before| before.index != page.index) {
                sleep(PAUSE).await;
            }
            return Ok(Heard::Sign);
        }
        let heard_at = (self.context.shared.clock)();
        let event = |&key: &KeyIndex| {
            let (names, from) = (self.context.names(key, &page), self.context.http.name());
            (key, KeyEvent { names, version: Some(Version(page.index)), heard_at, from })
        };
        let keys = &self.context.shared.keys;
        let events: Vec<_> = keys.places(keys.name(self.key).as_bytes()).iter().map(event).collect();
        for (key, _) in events.iter().filter(|(_, event)| event.names.is_us()) {
            claim::prepare(&self.context, *key);
        }
        Ok(Heard::Changed(events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::consul::answer::Entry;

    fn page(index: i64, modified: Option<i64>) -> Page {
        let entry = modified.map(|modified| Entry { value: b"pg1".to_vec(), session: None, modified });
        Page { index, entry }
    }

    #[test]
    fn a_change_is_one_of_this_key_and_a_lower_index_begins_anew() {
        let seen = |index, modified| Some(Seen { index, modified });
        assert_eq!(Seen::after(seen(20, Some(20)), &page(24, Some(24))), (seen(24, Some(24)), true));
        assert_eq!(Seen::after(seen(20, Some(20)), &page(20, Some(20))), (seen(20, Some(20)), false), "it timed out");
        assert_eq!(Seen::after(seen(20, Some(20)), &page(31, None)), (seen(31, None), true), "deleted");
        assert_eq!(Seen::after(seen(31, None), &page(32, None)), (seen(32, None), false), "another key");
        assert_eq!(Seen::after(None, &page(5, Some(5))), (seen(5, Some(5)), true));
        assert_eq!(Seen::after(seen(1_000, Some(900)), &page(7, Some(6))), (None, true));
        assert_eq!(Seen::after(seen(1_000, Some(6)), &page(7, Some(6))), (None, true));
    }
}
