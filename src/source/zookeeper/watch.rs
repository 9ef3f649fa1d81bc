//! What a session hears of changes.
//!
//! The reads set the watches. A watch that speaks is followed by a read of the key, which sets it again, and what that
//! read says is the event. It is not linearizable, and needs not be: an event may release, and is followed by a read that
//! is.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::claim_preparation::{Outlook, prepare};
use super::connection::Told;
use super::context::{BEHIND, Context};
use super::error::CallError;
use super::read::{holder, watch_absent, within};
use crate::keeper::{KeyEvent, Names, Version};
use crate::source::claims::pause;
use crate::source::client::{Events, Failure, Heard};
use crate::source::report::KeyIndex;
use crate::time::Moment;
use crate::wire::jute::Request;

#[derive(Debug)]
pub(crate) struct Watcher {
    context: Arc<Context>,
    told: mpsc::UnboundedReceiver<Told>,
    due: Option<Heard>,
    /// When to look at what has changed, if not at once.
    look_at: Option<Moment>,
}

impl Watcher {
    /// The first read of the session has set every watch.
    pub(super) fn new(context: &Arc<Context>, told: mpsc::UnboundedReceiver<Told>) -> Self {
        Self { context: Arc::clone(context), told, due: Some(Heard::Complete), look_at: None }
    }

    /// This server tells that a key has changed. Another one may have done so already, and is being asked what it says.
    fn note_told(&mut self, key: KeyIndex) {
        let now = (self.context.clock)();
        if self.context.memory.tells_first(key, self.context.endpoint, now) {
            prepare(&self.context, key, Outlook::Changed);
            self.look_at = None;
        } else if self.context.to_look_at().is_empty() {
            self.look_at = Some(now + BEHIND);
        }
        self.context.to_look_at().insert(key);
    }

    /// Cancel-safe: a key stays noted as changed until it was looked at.
    async fn hear(&mut self) -> Result<Heard, CallError> {
        loop {
            if let Some(heard) = self.due.take() {
                return Ok(heard);
            }
            let changed: Vec<KeyIndex> = self.context.to_look_at().iter().copied().collect();
            if !changed.is_empty() && self.look_at.is_none() {
                return within(self.context.limit, look(&self.context, &changed)).await;
            }
            tokio::select! {
                told = self.told.recv() => match told {
                    Some(Told::Alive) => return Ok(Heard::Sign),
                    Some(Told::Changed(path)) => {
                        let context = Arc::clone(&self.context);
                        let name = context.key_name(&path).unwrap_or_default();
                        context.keys.places(name.as_bytes()).iter().for_each(|&key| self.note_told(key));
                    }
                    None => return Err(self.context.connection.why_ended()),
                },
                () = self.context.changes.notified() => self.look_at = None,
                () = pause(self.look_at.map(|at| at.since((self.context.clock)()))) => self.look_at = None,
            }
        }
    }
}

/// Looks at keys that have changed, and watches them again.
async fn look(context: &Arc<Context>, keys: &[KeyIndex]) -> Result<Heard, CallError> {
    let ask = |&key| (key, context.connection.send(&Request::GetData { path: &context.path(key), watch: true }));
    let asked: Vec<_> = keys.iter().map(ask).collect();
    let (mut changes, mut absent) = (Vec::new(), Vec::new());
    for (key, answer) in asked {
        let answer = answer.answer().await?;
        let reply = match answer.reply() {
            // The next read says so.
            Err(CallError::TooLarge) => continue,
            reply => reply?,
        };
        let Some((names, modified)) = holder(context, key, &reply)? else { continue };
        if names == Names::Nobody {
            absent.push(key);
        }
        context.memory.set_ours(key, names.is_us());
        match names {
            Names::Us => prepare(context, key, Outlook::Ours),
            Names::Nobody => prepare(context, key, Outlook::Nobody),
            Names::Other(_) => {}
        }
        // Nobody knows which version removed it: it was absent at this one, and whatever creates it is newer.
        let version = if names == Names::Nobody { reply.zxid } else { modified };
        let (version, heard_at, from) = (Some(Version(version)), (context.clock)(), context.name.clone());
        changes.push((key, KeyEvent { names, version, heard_at, from }));
    }
    for key in keys {
        context.to_look_at().remove(key);
    }
    watch_absent(context, &absent).await?;
    Ok(if changes.is_empty() { Heard::Sign } else { Heard::Changed(changes) })
}

impl Events for Watcher {
    async fn next(&mut self) -> Result<Heard, Failure> {
        Ok(self.hear().await?)
    }

    async fn ask_for_sign(&mut self) -> Result<(), Failure> {
        self.context.connection.ping();
        Ok(())
    }
}
