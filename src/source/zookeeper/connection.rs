//! One connection to one server, and the session that it carries.
//!
//! A task of its own writes requests in the order in which they were made, hands each answer to whoever waits for it, and
//! keeps the session with pings. It ends when nobody holds the connection any more, and then closes the session. The
//! session of a claim is neither kept nor closed: it is renewed by requests alone, and outlives its connections.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::{CallError, LineError};
use crate::transport::stream::Stream;
use crate::wire::jute::{self, HEADER, Kind, LONGEST, Reply, Request};

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// The connection of a session. Dropping the last one ends the session.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Never full for long: a read sends a few requests and waits for them, and whoever waits too long ends the session.
    requests: mpsc::UnboundedSender<Message>,
    /// Why the connection ended.
    end: Arc<OnceLock<LineError>>,
    xids: Arc<AtomicI32>,
    /// Somebody waits for a sign of life. The pings that keep the session are nobody's business.
    asked: Arc<AtomicBool>,
}

/// What a connection does for its session without being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Upkeep {
    /// Pings keep the session, and the end of the connection is its end.
    Full,
    /// Nothing.
    None,
}

/// What a server says unasked, and its answers to pings.
#[derive(Debug)]
pub(super) enum Told {
    /// A watched znode has changed, by its whole path.
    Changed(String),
    Alive,
}

/// An answer that is waited for.
#[derive(Debug)]
pub(super) struct Pending(oneshot::Receiver<Answer>, Arc<OnceLock<LineError>>);

/// An answer without its length.
#[derive(Debug)]
pub(super) struct Answer {
    frame: Vec<u8>,
    /// It was too long, and only its header was kept.
    is_cut: bool,
}

#[derive(Debug)]
struct Message {
    frame: Vec<u8>,
    /// Who waits for the answer, by the number of the request.
    waiting: Option<(Kind, oneshot::Sender<Answer>)>,
}

/// Who waits, in the order in which the requests were sent.
type Waiting = Mutex<VecDeque<(Kind, oneshot::Sender<Answer>)>>;

impl Connection {
    /// Begins to serve a session that was just made or continued, and lasts `session_timeout` without a packet.
    pub(super) fn start(
        stream: Box<dyn Stream>,
        session_timeout: Duration,
        upkeep: Upkeep,
    ) -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (requests, inbox) = mpsc::unbounded_channel();
        // A watch speaks once, and there is at most one per key.
        let (teller, told) = mpsc::unbounded_channel();
        let end = Arc::new(OnceLock::new());
        let ended = Arc::clone(&end);
        let asked = Arc::new(AtomicBool::new(false));
        let waited_for = Arc::clone(&asked);
        tokio::spawn(async move {
            let waiting = Waiting::default();
            let (input, output) = tokio::io::split(stream);
            let cause = tokio::select! {
                Err(error) = read(input, &waiting, &teller, &waited_for) => error,
                written = write(output, inbox, &waiting, session_timeout / 3, upkeep) => match written {
                    Ok(()) => return,
                    Err(error) => LineError::Broken(error),
                },
            };
            // Before those who wait are dropped, so that they find it.
            let _first_and_only = ended.set(cause);
            drop(waiting);
        });
        (Self { requests, end, xids: Arc::default(), asked }, told)
    }

    /// Sends a request. Requests are answered in their order.
    pub(super) fn send(&self, request: &Request<'_>) -> Pending {
        // A session never sends so many that the numbers come round to those below zero.
        let xid = self.xids.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        self.send_frame(request.frame(xid), Kind::Answer(xid))
    }

    /// Logs in. What was sent before is judged without it.
    pub(super) fn log_in(&self, scheme: &str, credential: &[u8]) -> Pending {
        self.send_frame(jute::auth(scheme, credential), Kind::Auth)
    }

    /// Asks for a sign of life, which comes as [`Told::Alive`].
    pub(super) fn ping(&self) {
        self.asked.store(true, Ordering::Relaxed);
        // If the connection has ended, its end is told instead.
        let _ended = self.requests.send(Message { frame: jute::ping(), waiting: None });
    }

    fn send_frame(&self, frame: Vec<u8>, kind: Kind) -> Pending {
        let (sender, receiver) = oneshot::channel();
        let _ended = self.requests.send(Message { frame, waiting: Some((kind, sender)) });
        Pending(receiver, Arc::clone(&self.end))
    }

    /// Why it has ended.
    pub(super) fn why_ended(&self) -> CallError {
        why_ended(&self.end)
    }

    /// Whether it is known to have ended.
    pub(super) fn has_ended(&self) -> bool {
        self.end.get().is_some()
    }
}

impl Pending {
    pub(super) async fn answer(self) -> Result<Answer, CallError> {
        self.0.await.map_err(|_ended| why_ended(&self.1))
    }
}

impl Answer {
    /// The answer, read.
    pub(super) fn reply(&self) -> Result<Reply<'_>, CallError> {
        let reply = Reply::parse(&self.frame).ok_or(CallError::Malformed)?;
        if self.is_cut { Err(CallError::TooLarge) } else { Ok(reply) }
    }
}

fn why_ended(end: &OnceLock<LineError>) -> CallError {
    CallError::Ended(end.get().map_or_else(|| LineError::Closed.to_string(), ToString::to_string))
}

async fn write(
    mut stream: impl AsyncWrite + Unpin,
    mut inbox: mpsc::UnboundedReceiver<Message>,
    waiting: &Waiting,
    pause: Duration,
    upkeep: Upkeep,
) -> io::Result<()> {
    loop {
        match timeout(pause, inbox.recv()).await {
            Ok(Some(message)) => {
                // What belongs together leaves together, in one packet if it fits.
                let (mut frames, mut next) = (Vec::new(), Some(message));
                while let Some(Message { frame, waiting: whom }) = next {
                    locked(waiting).extend(whom);
                    frames.extend(frame);
                    next = inbox.try_recv().ok();
                }
                stream.write_all(&frames).await?;
            }
            Ok(None) if upkeep == Upkeep::None => return Ok(()),
            Ok(None) => {
                let farewell = async {
                    stream.write_all(&Request::Close.frame(0)).await?;
                    stream.shutdown().await
                };
                return timeout(FAREWELL, farewell).await.unwrap_or(Ok(()));
            }
            Err(_quiet) if upkeep == Upkeep::None => {}
            Err(_quiet) => stream.write_all(&jute::ping()).await?,
        }
    }
}

async fn read(
    mut stream: impl AsyncRead + Unpin,
    waiting: &Waiting,
    teller: &mpsc::UnboundedSender<Told>,
    asked: &AtomicBool,
) -> Result<std::convert::Infallible, LineError> {
    loop {
        let answer = frame(&mut stream, LONGEST).await?;
        let reply = Reply::parse(&answer.frame).ok_or(LineError::Foreign)?;
        match reply.kind {
            Kind::Ping if asked.swap(false, Ordering::Relaxed) => drop(teller.send(Told::Alive)),
            Kind::Ping => {}
            Kind::Event => {
                let event = reply.event().ok_or(LineError::Foreign)?;
                if !event.path.is_empty() {
                    drop(teller.send(Told::Changed(event.path.to_owned())));
                }
            }
            Kind::Answer(_) | Kind::Auth => {
                let kind = reply.kind;
                let next = locked(waiting).pop_front();
                let (expected, sender) = next.ok_or(LineError::Foreign)?;
                if expected != kind {
                    return Err(LineError::Foreign);
                }
                // Whoever asked may have given up.
                drop(sender.send(answer));
            }
        }
    }
}

/// The next frame. Of one that is too long, all but the header is skipped.
async fn frame(stream: &mut (impl AsyncRead + Unpin), longest: usize) -> Result<Answer, LineError> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let length = jute::length(prefix).ok_or(LineError::Foreign)?;
    let is_cut = length > longest;
    let mut frame = vec![0; if is_cut { HEADER } else { length }];
    stream.read_exact(&mut frame).await?;
    if is_cut {
        let rest = u64::try_from(length - HEADER).unwrap_or(u64::MAX);
        tokio::io::copy(&mut stream.take(rest), &mut tokio::io::sink()).await?;
    }
    Ok(Answer { frame, is_cut })
}

/// The first frame of a connection, which is short.
pub(super) async fn first_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, LineError> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    if prefix[..2] == TLS_ALERT {
        return Err(LineError::Tls);
    }
    let length = jute::length(prefix).filter(|&length| length <= jute::LONGEST_CONNECTED).ok_or(LineError::Foreign)?;
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

fn locked(waiting: &Waiting) -> MutexGuard<'_, VecDeque<(Kind, oneshot::Sender<Answer>)>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a port that expects TLS answers to what is none.
const TLS_ALERT: [u8; 2] = [21, 3];

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// A connection, what it is told, and the server's end.
    fn start() -> (Connection, mpsc::UnboundedReceiver<Told>, DuplexStream) {
        let (client, server) = duplex(4096);
        let (connection, told) = Connection::start(Box::new(client), TIMEOUT, Upkeep::Full);
        (connection, told, server)
    }

    /// The next frame that the server receives, without its length.
    async fn received(server: &mut DuplexStream) -> Vec<u8> {
        frame(server, LONGEST).await.unwrap().frame
    }

    /// Sends a frame with this number and body, and says that it is as long as it is and longer.
    async fn reply(server: &mut DuplexStream, xid: i32, body: &[u8]) {
        let header = [&xid.to_be_bytes()[..], &7_i64.to_be_bytes(), &0_i32.to_be_bytes()].concat();
        let length = i32::try_from(HEADER + body.len()).unwrap();
        server.write_all(&[&length.to_be_bytes()[..], &header, body].concat()).await.unwrap();
    }

    fn sync(connection: &Connection) -> Pending {
        connection.send(&Request::Sync { path: "/a" })
    }

    #[tokio::test]
    async fn answers_are_handed_out_in_the_order_of_the_requests() {
        let (connection, mut told, mut server) = start();
        let (first, second) = (sync(&connection), sync(&connection));
        for xid in [0, 1] {
            assert_eq!(received(&mut server).await[..4], i32::to_be_bytes(xid));
        }
        reply(&mut server, 0, &[0, 0, 0, 2, b'/', b'a']).await;
        reply(&mut server, -1, &[0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 2, b'/', b'b']).await;
        reply(&mut server, 1, &[0, 0, 0, 2, b'/', b'c']).await;
        assert_eq!(first.answer().await.unwrap().reply().unwrap().path(), Some("/a"));
        assert_eq!(second.answer().await.unwrap().reply().unwrap().path(), Some("/c"));
        assert!(matches!(told.recv().await, Some(Told::Changed(path)) if path == "/b"));
    }

    #[tokio::test(start_paused = true)]
    async fn pings_keep_the_session_and_only_those_that_were_asked_for_are_told() {
        let (connection, mut told, mut server) = start();
        assert_eq!(received(&mut server).await, jute::ping()[4..], "nothing was asked for a third of its timeout");
        reply(&mut server, -2, &[]).await;
        connection.ping();
        received(&mut server).await;
        reply(&mut server, -2, &[]).await;
        assert!(matches!(told.recv().await, Some(Told::Alive)));
        reply(&mut server, -2, &[]).await;
        tokio::task::yield_now().await;
        assert!(told.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_fails_alone() {
        let (connection, _told, mut server) = start();
        let (first, second) = (sync(&connection), sync(&connection));
        let sending = async {
            reply(&mut server, 0, &vec![0; LONGEST]).await;
            reply(&mut server, 1, &[0, 0, 0, 2, b'/', b'a']).await;
        };
        let (answer, ()) = tokio::join!(first.answer(), sending);
        assert!(matches!(answer.unwrap().reply(), Err(CallError::TooLarge)));
        assert_eq!(second.answer().await.unwrap().reply().unwrap().path(), Some("/a"));
    }

    #[tokio::test]
    async fn the_end_of_a_connection_is_the_answer_to_whatever_waits() {
        let (connection, mut told, server) = start();
        let pending = sync(&connection);
        drop(server);
        assert!(pending.answer().await.is_err());
        assert!(told.recv().await.is_none());
        assert!(sync(&connection).answer().await.is_err());

        let (connection, mut told, mut server) = start();
        server.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        drop(server);
        assert!(told.recv().await.is_none());
        assert!(connection.why_ended().to_string().contains("does not speak"), "{}", connection.why_ended());

        let (connection, mut told, mut server) = start();
        reply(&mut server, 3, &[]).await;
        assert!(told.recv().await.is_none());
        assert!(connection.why_ended().to_string().contains("does not speak"), "nobody asked for that");
    }

    #[tokio::test]
    async fn a_connection_that_nobody_holds_closes_its_session() {
        let (connection, _told, mut server) = start();
        let other = connection.clone();
        drop(connection);
        drop(sync(&other));
        received(&mut server).await;
        drop(other);
        assert_eq!(received(&mut server).await, Request::Close.frame(0)[4..]);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_session_of_a_claim_is_neither_kept_nor_closed() {
        let (client, mut server) = duplex(4096);
        let (connection, _told) = Connection::start(Box::new(client), TIMEOUT, Upkeep::None);
        tokio::time::sleep(TIMEOUT).await;
        drop(sync(&connection));
        assert_eq!(received(&mut server).await[..4], [0; 4], "the first frame is the request");
        drop(connection);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_cannot_begin_a_session_is_named() {
        let told = async |bytes: &[u8]| first_frame(&mut &bytes[..]).await.unwrap_err().to_string();
        assert!(told(b"HTTP/1.1 400").await.contains("does not speak"));
        assert!(told(&[21, 3, 3, 0, 2, 2, 40]).await.contains("speaks TLS"));
        assert!(told(&[0, 0, 0, 37, 0]).await.contains("closed"));
        assert!(told(&[]).await.contains("closed"));
    }
}
