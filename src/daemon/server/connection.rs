//! Those who came in: so many at a time, each with so much time for one question.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::Ask;
use super::routes::{Reply, answer};
use crate::status::http::{self, Reading};

/// The connections of one listener.
pub(super) struct Guests {
    places: Arc<Semaphore>,
    asks: mpsc::Sender<Ask>,
}

impl Guests {
    pub(super) fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), asks }
    }

    /// Serves this one beside the others, or hangs up where there is no place.
    pub(super) fn receive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let asks = self.asks.clone();
        tokio::spawn(async move {
            // Who is too slow, or has gone, is nobody's concern.
            drop(timeout(PATIENCE, serve(stream, &asks)).await);
            drop(place);
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, asks: &mpsc::Sender<Ask>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(1024);
    let (reply, head_only) = loop {
        match http::read(&bytes) {
            Reading::Request(request) => break (answer(request, asks).await, request.head),
            Reading::Refused(refusal) => break (Reply::refusal(refusal), false),
            Reading::Unfinished => {}
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    stream.write_all(reply.head().as_bytes()).await?;
    if !head_only {
        stream.write_all(reply.body.as_bytes()).await?;
    }
    stream.shutdown().await?;
    // What is still on its way would make the kernel reset the connection, and the answer with it.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Connections of one listener at the same time.
const PLACES: usize = 16;
/// How long a connection may take from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(5);
