//! Connections: hyper speaks HTTP/1.1, within limits on their number, size and time.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::routes::{self, Ask};

/// The connections of one listener.
pub(super) struct Connections {
    permits: Arc<Semaphore>,
    asks: mpsc::Sender<Ask>,
}

impl Connections {
    pub(super) fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self { permits: Arc::new(Semaphore::new(MOST)), asks }
    }

    /// Serves this connection in a task, or closes it if there are too many.
    pub(super) fn accept<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return };
        let asks = self.asks.clone();
        tokio::spawn(async move {
            // Ignores clients that time out or disconnect.
            drop(timeout(TIME_LIMIT, serve(stream, asks)).await);
            drop(permit);
        });
    }
}

/// Answers one request, and closes the connection.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, asks: mpsc::Sender<Ask>) -> io::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let asks = asks.clone();
        async move { Ok::<_, Infallible>(routes::answer(&request, &asks).await) }
    });
    let served = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIME_LIMIT)
        .keep_alive(false)
        // A client may close its half after the request.
        .half_close(true)
        .title_case_headers(true)
        .max_headers(MOST_HEADERS)
        .max_header_size(LONGEST_HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(&mut stream), service)
        .await;
    // Malformed requests were answered, and a disconnected client wants no answer.
    drop(served);
    stream.shutdown().await?;
    // Closing a socket with unread data resets the connection, and the client would lose the answer.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Connections of one listener at the same time.
const MOST: usize = 16;
/// For a connection from its first byte to its last.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Browsers send about twenty.
const MOST_HEADERS: usize = 64;
/// A browser sends less than a kilobyte. It is also the smallest buffer that hyper accepts.
const LONGEST_HEAD: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What a daemon that does not answer is told about a request that arrives in these pieces.
    async fn answer_to(pieces: &[&[u8]]) -> String {
        let (mut client, server) = duplex(64 * 1024);
        let (asks, _) = mpsc::channel(1);
        let task = tokio::spawn(serve(server, asks));
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        task.await.unwrap().unwrap();
        answer
    }

    #[tokio::test]
    async fn a_request_in_single_bytes_gets_the_same_status_as_a_whole_one() {
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(LONGEST_HEAD));
        for (request, status) in [
            (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "200"),
            (b"GET / HTTP/1.0\r\n\r\n", "200"),
            (b"GET /healthz HTTP/1.1\r\n\r\n", "503"),
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
            (b"GET /etc/passwd HTTP/1.1\r\n\r\n", "404"),
            (b"GET / HTTP/1.1\r\nno header\r\n\r\n", "400"),
            (b"\x16\x03\x01\x02\x00\x01", "400"),
            (b"GET /\xff HTTP/2.0\r\n\r\n", "400"),
            (long.as_bytes(), "431"),
        ] {
            let bytes: Vec<&[u8]> = request.chunks(1).collect();
            for answer in [answer_to(&[request]).await, answer_to(&bytes).await] {
                assert_eq!(answer.get(9..12), Some(status), "{request:?}: {answer}");
            }
        }
    }

    #[tokio::test]
    async fn a_head_request_gets_the_headers_alone() {
        let answer = answer_to(&[b"HEAD / HTTP/1.1\r\n\r\n"]).await;
        assert!(answer.ends_with("\r\n\r\n") && answer.contains("\r\nContent-Security-Policy: "), "{answer}");
        assert!(!answer.contains("Content-Length: 0") && answer.contains("Connection: close"), "{answer}");
    }
}
