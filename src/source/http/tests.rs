//! The client against a server that says what a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::auth::Auth;
use super::client::AT_ONCE;
use super::{HttpClient, HttpEndpoint, HttpOptions, Kept, Poll, Polls, RequestError};
use crate::endpoint::Endpoint;
use crate::source::client::{Events, Failure, Heard};
use crate::time::Moment;
use crate::transport::http::HttpError;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};

const NAMES: OptionNames =
    OptionNames { store: "store", endpoints: "dcs-endpoints", ca: "ca", certificate: "cert", key: "key" };
const LONG: Duration = Duration::from_secs(30);
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that counts connections and requests, and answers `/slow` only when it is told to.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
}

impl Server {
    async fn start(answer: &'static str, closes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            requests: Arc::default(),
            go_on: Arc::default(),
        };
        let counts = (Arc::clone(&server.connections), Arc::clone(&server.requests), Arc::clone(&server.go_on));
        tokio::spawn(async move {
            let (connections, requests, go_on) = counts;
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, answer, closes, Arc::clone(&requests), Arc::clone(&go_on)));
            }
        });
        server
    }

    async fn client(&self, limit: Duration) -> HttpClient {
        let endpoint = Endpoint { tls: false, host: "127.0.0.1".into(), port: self.port };
        let tls = Arc::new(TlsSettings::new(TlsFiles { ca: None, identity: None, names: &NAMES }));
        let clock = Moment::default;
        let auth = Arc::new(Auth::none(clock));
        HttpEndpoint::new(HttpOptions { endpoint, tls, auth, limit, clock }).connect().await.unwrap()
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::Relaxed), self.requests.load(Ordering::Relaxed))
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &str,
    closes: bool,
    requests: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
) -> Option<()> {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.ok()?);
        }
        requests.fetch_add(1, Ordering::Relaxed);
        if request.starts_with(b"GET /slow") {
            go_on.notified().await;
        }
        stream.write_all(answer.as_bytes()).await.ok()?;
        if closes {
            return None;
        }
    }
}

#[tokio::test]
async fn requests_share_a_connection_and_one_that_hangs_delays_no_other() {
    let server = Server::start(OK, false).await;
    let client = server.client(LONG).await;
    for _ in 0..3 {
        assert_eq!(&client.get("/").await.unwrap().body()[..], b"ok");
    }
    assert_eq!(server.counts(), (1, 3));
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.get("/slow").await }
    });
    while server.counts().1 < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(&client.get("/").await.unwrap().body()[..], b"ok");
    assert_eq!(server.counts(), (2, 5));
    server.go_on.notify_one();
    assert_eq!(&slow.await.unwrap().unwrap().body()[..], b"ok");
}

#[tokio::test]
async fn more_requests_than_may_be_under_way_wait_within_their_limit() {
    let server = Server::start(OK, false).await;
    let client = server.client(Duration::from_secs(2)).await;
    let slow: Vec<_> = (0..=AT_ONCE)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("/slow").await })
        })
        .collect();
    while server.counts().1 < AT_ONCE {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.counts().1, AT_ONCE, "the last one has no connection");
    for slow in slow {
        let error = slow.await.unwrap().unwrap_err();
        assert!(matches!(error, RequestError::Http(HttpError::Silent(_))), "{error:?}");
    }
    assert_eq!(&client.get("/").await.unwrap().body()[..], b"ok", "and all of them gave their place back");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_was_idle_is_replaced() {
    let server = Server::start(OK, true).await;
    let client = server.client(LONG).await;
    for count in 1..=3 {
        assert_eq!(&client.get("/").await.unwrap().body()[..], b"ok");
        assert_eq!(server.counts(), (count, count));
    }
    let mut kept = Kept::default();
    client.prepare(&mut kept).await.unwrap();
    let get = || Request::get("/").body(Bytes::new()).unwrap();
    for _ in 0..2 {
        assert_eq!(&client.request_on(&mut kept, get(), LONG).await.unwrap().body()[..], b"ok");
    }
}

#[tokio::test]
async fn a_port_that_expects_tls_is_named_as_such() {
    let said = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let server = Server::start(said, true).await;
    let failure = Failure::from(server.client(LONG).await.get("/").await.unwrap_err());
    assert_eq!(failure.to_string(), "it expects TLS; set https:// in dcs-endpoints");
    assert_eq!((failure.kind, failure.ends_session), ("tls", true));
}

/// Says what it is given, then waits for ever or fails.
struct Script {
    says: Vec<Heard>,
    fails: bool,
}

impl Poll for Script {
    async fn begin(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn next(&mut self) -> Result<Heard, Failure> {
        match self.says.pop() {
            Some(heard) => Ok(heard),
            None if self.fails => Err(Failure::new("watch", &std::io::Error::other("it broke"))),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn polls_are_complete_when_all_have_begun_and_the_first_failure_ends_them() {
    let quiet = Script { says: vec![Heard::Sign], fails: false };
    let failing = Script { says: Vec::new(), fails: true };
    let mut polls = Polls::start(vec![quiet, failing], || async { Ok(()) });
    let (mut complete, mut signs) = (0, 0);
    let failure = loop {
        match timeout(LONG, polls.next()).await.unwrap() {
            Ok(Heard::Complete) => complete += 1,
            Ok(Heard::Sign) => signs += 1,
            Ok(Heard::Changed(_)) => unreachable!(),
            Err(failure) => break failure,
        }
    };
    assert_eq!((complete, &*failure.why), (1, "it broke"));
    assert!(signs <= 1);
}

#[tokio::test]
async fn a_session_without_polls_is_complete_at_once_and_gives_signs() {
    let mut polls = Polls::start(Vec::<Script>::new(), || async { Ok(()) });
    assert!(matches!(timeout(LONG, polls.next()).await.unwrap(), Ok(Heard::Complete)));
    polls.ask_for_sign().await.unwrap();
    assert!(matches!(timeout(LONG, polls.next()).await.unwrap(), Ok(Heard::Sign)));
}
