//! Records how a connection broke.
//!
//! The HTTP/2 library tells the calls on a broken connection only that it is broken, and hides the cause: the alert
//! that refuses our certificate, the reset, the end of the stream. The cause passes through here first.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The first thing that went wrong with a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstFailure(Arc<OnceLock<Failure>>);

#[derive(Debug)]
pub(crate) enum Failure {
    /// The other side closed it.
    Closed,
    Broken(io::Error),
}

/// A stream whose first failure is recorded.
pub(crate) struct RecordingStream {
    stream: Box<dyn Stream>,
    record: FirstFailure,
    /// Whether a failed write already waited for what the other side sent before.
    waited: bool,
}

impl FirstFailure {
    pub(crate) fn watch(&self, stream: Box<dyn Stream>) -> RecordingStream {
        RecordingStream { stream, record: self.clone(), waited: false }
    }

    /// What went wrong first, if anything did.
    pub(crate) fn seen(&self) -> Option<&Failure> {
        self.0.get()
    }

    fn note<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = poll else { return poll };
        let copy = io::Error::new(error.kind(), error.to_string());
        let _keep_first = self.0.set(Failure::Broken(error));
        Poll::Ready(Err(copy))
    }
}

impl RecordingStream {
    /// A write fails after the other side closed the connection. What it sent before that is still unread, and the
    /// library would not read it: it gives up on the failed write. So this waits once for the pending data: the end of
    /// the connection wakes the reading side, and then the write is tried, and fails, again.
    fn after_write<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(poll, Poll::Ready(Err(_))) {
            let mut space = [0; 1024];
            let mut unread = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(context, &mut unread) {
                Poll::Ready(Err(error)) => {
                    let _keep_first = self.record.0.set(Failure::Broken(error));
                }
                Poll::Pending if !self.waited => {
                    self.waited = true;
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        self.record.note(poll)
    }
}

impl AsyncRead for RecordingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(poll, Poll::Ready(Ok(()))) && buffer.filled().len() == before && buffer.remaining() > 0 {
            let _keep_first = self.record.0.set(Failure::Closed);
        }
        self.record.note(poll)
    }
}

impl AsyncWrite for RecordingStream {
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
