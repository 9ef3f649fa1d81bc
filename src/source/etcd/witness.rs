//! Remembers how a connection broke.
//!
//! The HTTP/2 library tells the calls on a broken connection that it is broken, and keeps the cause (the alert that
//! refuses our certificate, the reset, the end of the stream) to itself. It passes through here first.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::explain::{CallError, find_tls};

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The first thing that went wrong with a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness(Arc<OnceLock<Seen>>);

#[derive(Debug)]
enum Seen {
    Closed,
    Failed(io::Error),
}

/// A stream under the eyes of a witness.
pub(super) struct Witnessed {
    stream: Box<dyn Stream>,
    witness: Witness,
    /// Whether the last words were waited for.
    waited: bool,
}

impl Witness {
    pub(super) fn watch(&self, stream: Box<dyn Stream>) -> Witnessed {
        Witnessed { stream, witness: self.clone(), waited: false }
    }

    /// Puts what was seen in the place of what the library made of it.
    pub(super) fn correct(&self, error: CallError) -> CallError {
        match (error, self.0.get()) {
            (CallError::Broken(_), Some(Seen::Closed)) => CallError::Broken("it closed the connection".into()),
            (CallError::Broken(_), Some(Seen::Failed(error))) => match find_tls(error) {
                Some(tls) => CallError::from_tls(tls),
                None => CallError::Broken(error.to_string()),
            },
            (error, _) => error,
        }
    }

    fn note<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = poll else { return poll };
        let told_on = io::Error::new(error.kind(), error.to_string());
        let _the_first_stands = self.0.set(Seen::Failed(error));
        Poll::Ready(Err(told_on))
    }
}

impl Witnessed {
    /// A write fails after the other side has hung up. What it said before that is still to be read, and nobody else
    /// would: the library gives up on the failed write. So the last words are waited for, once: the end of the
    /// connection is about to wake the reading side, and then the write is tried, and fails, again.
    fn after_write<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(poll, Poll::Ready(Err(_))) {
            let mut space = [0; 1024];
            let mut last_words = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut last_words) {
                Poll::Ready(Err(error)) => {
                    let _the_first_stands = self.witness.0.set(Seen::Failed(error));
                }
                Poll::Pending if !self.waited => {
                    self.waited = true;
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        self.witness.note(poll)
    }
}

impl AsyncRead for Witnessed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(poll, Poll::Ready(Ok(()))) && buffer.filled().len() == before && buffer.remaining() > 0 {
            let _the_first_stands = self.witness.0.set(Seen::Closed);
        }
        self.witness.note(poll)
    }
}

impl AsyncWrite for Witnessed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_write(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.after_write(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.after_write(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
