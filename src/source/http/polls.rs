//! Long polls and watches of a session, one task each, merged into one stream of messages.
//!
//! The channel is bounded, and a poll that finds it full waits. A poll that fails ends the session; one that fails for
//! its key alone says so by itself and goes on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinSet;

use crate::source::client::{Events, Failure, Heard};

/// Messages that may wait for the endpoint's task.
const MESSAGES: usize = 32;

/// A long poll or a watch.
pub(crate) trait Poll: Send + 'static {
    /// Connects. From here on nothing may be missed that comes after the first read of the session.
    fn begin(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Waits for the next message.
    fn next(&mut self) -> impl Future<Output = Result<Heard, Failure>> + Send;
}

/// Asks the endpoint for a sign of life.
type Sign = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> + Send>;

/// The messages of all polls of a session. Dropping it ends them.
pub(crate) struct Polls {
    messages: mpsc::Receiver<Result<Heard, Failure>>,
    /// Where the answer to a question for a sign of life goes.
    sender: mpsc::Sender<Result<Heard, Failure>>,
    tasks: JoinSet<()>,
    sign: Sign,
}

impl Polls {
    /// Starts the polls. `sign` asks the endpoint for a sign of life: any request that is answered.
    pub(crate) fn start<F>(polls: Vec<impl Poll>, sign: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let mut tasks = JoinSet::new();
        let begun = Arc::new(Barrier::new(polls.len().max(1)));
        if polls.is_empty() {
            let complete = sender.clone();
            tasks.spawn(async move { drop(complete.send(Ok(Heard::Complete)).await) });
        }
        for poll in polls {
            tasks.spawn(follow(poll, Arc::clone(&begun), sender.clone()));
        }
        Self { messages, sender, tasks, sign: Box::new(move || Box::pin(sign())) }
    }
}

impl fmt::Debug for Polls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polls").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

impl Events for Polls {
    async fn next(&mut self) -> Result<Heard, Failure> {
        match self.messages.recv().await {
            Some(message) => message,
            // Not before this is dropped: it has a sender itself.
            None => std::future::pending().await,
        }
    }

    async fn ask_for_sign(&mut self) -> Result<(), Failure> {
        let (sender, asked) = (self.sender.clone(), (self.sign)());
        self.tasks.spawn(async move {
            // Nobody receives only while the session ends, and this task with it.
            let _dropped = sender.send(asked.await.map(|()| Heard::Sign)).await;
        });
        while self.tasks.try_join_next().is_some() {}
        Ok(())
    }
}

async fn follow(mut poll: impl Poll, begun: Arc<Barrier>, sender: mpsc::Sender<Result<Heard, Failure>>) {
    let run = async {
        poll.begin().await?;
        if begun.wait().await.is_leader() && sender.send(Ok(Heard::Complete)).await.is_err() {
            return Ok(());
        }
        // Nobody receives only while the session ends, and this task with it.
        while sender.send(Ok(poll.next().await?)).await.is_ok() {}
        Ok(())
    };
    let ended: Result<(), Failure> = run.await;
    if let Err(failure) = ended {
        let _dropped = sender.send(Err(failure)).await;
    }
}
