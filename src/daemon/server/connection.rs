//! Connections: hyper speaks HTTP/1.1, within limits on their number, size and time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::routes::{self, Ask};

/// The connections of one listener.
pub(super) struct Connections {
    open: Arc<Mutex<Open>>,
    asks: mpsc::Sender<Ask>,
}

/// The open connections in the order of their age.
#[derive(Debug, Default)]
struct Open {
    accepted: u64,
    connections: BTreeMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    /// All clients of a Unix socket count as one.
    client: Option<IpAddr>,
    /// A request is being answered.
    busy: Arc<AtomicBool>,
    task: AbortHandle,
}

/// Removes a connection when its task ends, however it ends.
struct Entry {
    open: Arc<Mutex<Open>>,
    number: u64,
}

impl Connections {
    pub(super) fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self { open: Arc::default(), asks }
    }

    /// Serves this connection in a task. If there are too many, an idle one makes room.
    pub(super) fn accept<S>(&self, stream: S, client: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (asks, busy) = (self.asks.clone(), Arc::<AtomicBool>::default());
        let mut open = lock(&self.open);
        open.make_room(client);
        open.accepted += 1;
        let entry = Entry { open: Arc::clone(&self.open), number: open.accepted };
        let number = entry.number;
        let is_busy = Arc::clone(&busy);
        let task = tokio::spawn(async move {
            // Ignores clients that time out or disconnect.
            drop(timeout(TIME_LIMIT, serve_noting(stream, asks, &is_busy)).await);
            drop(entry);
        });
        open.connections.insert(number, Connection { client, busy, task: task.abort_handle() });
    }
}

impl Open {
    /// Closes a connection if this client has too many, or all together. The oldest idle one is closed first.
    fn make_room(&mut self, client: Option<IpAddr>) {
        let of = |client| self.connections.values().filter(|connection| connection.client == client).count();
        let limit = if client.is_some() { MOST_PER_CLIENT } else { MOST };
        let greedy = if of(client) >= limit {
            client
        } else if self.connections.len() >= MOST {
            let clients = self.connections.values().map(|connection| connection.client);
            clients.max_by_key(|&client| of(client)).flatten()
        } else {
            return;
        };
        let theirs = self.connections.iter().filter(|(_, connection)| connection.client == greedy);
        let closed = theirs.min_by_key(|(number, connection)| (connection.busy.load(Ordering::Relaxed), **number));
        if let Some(number) = closed.map(|(number, _)| *number)
            && let Some(connection) = self.connections.remove(&number)
        {
            connection.task.abort();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.open).connections.remove(&self.number);
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request, and closes the connection.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, asks: mpsc::Sender<Ask>) -> io::Result<()> {
    serve_noting(stream, asks, &AtomicBool::default()).await
}

async fn serve_noting<S>(mut stream: S, asks: mpsc::Sender<Ask>, busy: &AtomicBool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request: Request<Incoming>| {
        let asks = asks.clone();
        busy.store(true, Ordering::Relaxed);
        async move {
            let answer = routes::answer(&request, &asks).await;
            busy.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(answer)
        }
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
/// Of one address. A browser opens up to six.
const MOST_PER_CLIENT: usize = 8;
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

    /// The ages of the connections that are left after so many clients have connected.
    fn left(clients: &[u8], busy: &[u64]) -> Vec<u64> {
        let mut open = Open::default();
        for client in clients {
            // Zero is a client of a Unix socket.
            let client = (*client != 0).then(|| IpAddr::from([10, 0, 0, *client]));
            open.make_room(client);
            open.accepted += 1;
            let busy = Arc::new(AtomicBool::new(busy.contains(&open.accepted)));
            let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
            open.connections.insert(open.accepted, Connection { client, busy, task });
        }
        open.connections.into_keys().collect()
    }

    #[tokio::test]
    async fn the_oldest_idle_connection_of_the_greediest_client_makes_room() {
        assert_eq!(left(&[1; 8], &[]), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(left(&[1; 10], &[]), [3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(left(&[1; 10], &[1, 3]), [1, 3, 5, 6, 7, 8, 9, 10]);
        assert_eq!(left(&[0; 17], &[])[0], 2, "a Unix socket has but one client");
        let several = [&[1; 7][..], &[2; 8], &[3], &[4]].concat();
        let left = left(&several, &[]);
        assert_eq!((left.len(), left.contains(&8), left.contains(&9)), (16, false, true));
    }

    #[tokio::test]
    async fn a_head_request_gets_the_headers_alone() {
        let answer = answer_to(&[b"HEAD / HTTP/1.1\r\n\r\n"]).await;
        assert!(answer.ends_with("\r\n\r\n") && answer.contains("\r\nContent-Security-Policy: "), "{answer}");
        assert!(!answer.contains("Content-Length: 0") && answer.contains("Connection: close"), "{answer}");
    }
}
