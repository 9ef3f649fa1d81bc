//! Calls that may block for ever: a resolver without answers, a file on a file system that hangs.
//!
//! Each runs on a thread of its own. The runtime's pool of threads is small, and whatever a stop or a restart needs
//! would wait there behind calls that hang. A call cannot be cancelled, so it may outlive those who wait for it; then
//! the next attempt waits for the same call instead of starting another, and threads do not pile up.

use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// One kind of call, of which at most one runs at a time.
#[derive(Debug)]
pub(crate) struct Blocking<T>(Option<oneshot::Receiver<T>>);

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockingError {
    #[error("no answer within {0:.1?}; does its file system hang?")]
    Hangs(Duration),
    #[error("cannot run it on a thread of its own")]
    NoThread(#[source] io::Error),
}

impl<T> Default for Blocking<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Send + 'static> Blocking<T> {
    /// Runs `call`, or waits for the one that still runs. Cancel-safe: the call is kept for the next attempt.
    pub(crate) async fn run(&mut self, call: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let result = match &mut self.0 {
            Some(running) => running,
            idle => idle.insert(start(call)?),
        };
        let result = result.await;
        self.0 = None;
        result.map_err(|_panicked| io::Error::other("the thread ended without a result"))
    }

    /// The same, for at most this time.
    pub(crate) async fn run_on_thread(
        &mut self,
        limit: Duration,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let result = timeout(limit, self.run(call)).await;
        result.map_err(|_elapsed| BlockingError::Hangs(limit))?.map_err(BlockingError::NoThread)
    }
}

fn start<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> io::Result<oneshot::Receiver<T>> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("blocking".to_owned());
    thread.spawn(move || {
        // Nobody waits any more where the receiver was dropped.
        drop(sender.send(call()));
    })?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_call_that_hangs_is_waited_for_by_the_next_and_blocks_nothing_else() {
        let (end, hang) = mpsc::channel::<()>();
        let mut calls = Blocking::default();
        let first = calls.run_on_thread(SHORT, move || hang.recv().map_or(0, |()| 1)).await;
        assert!(matches!(first, Err(BlockingError::Hangs(SHORT))), "{first:?}");
        assert!(matches!(calls.run_on_thread(SHORT, || 2).await, Err(BlockingError::Hangs(_))), "one at a time");
        assert_eq!(Blocking::default().run_on_thread(LONG, || 3).await.unwrap(), 3);
        end.send(()).unwrap();
        assert_eq!(calls.run_on_thread(LONG, || 2).await.unwrap(), 1, "the result of the first");
        assert_eq!(calls.run_on_thread(LONG, || 2).await.unwrap(), 2);
    }
}
