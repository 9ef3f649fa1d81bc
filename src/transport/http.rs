//! An HTTP/1.1 client: one connection, one request after the other, with limits on the head, the body and the time.
//!
//! It follows no redirect, asks for no compression and keeps no pool: who needs several connections has several. HTTP/1.0
//! with its answers that end with the connection works as well.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::stream::{Failure, FirstFailure, Stream};
use super::tls::{HandshakeError, OptionNames, find_tls};

/// The longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("vip-manager/", env!("CARGO_PKG_VERSION")));

/// How much an answer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    /// In bytes.
    pub(crate) body: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("malformed request")]
    Request(#[from] hyper::http::Error),
    #[error("the HTTP exchange broke")]
    Broken(#[from] hyper::Error),
    #[error("it closed the connection")]
    Closed,
    #[error("the connection broke")]
    Connection(#[source] io::Error),
    /// With TLS 1.3 the server judges the client's certificate only after the handshake.
    #[error(transparent)]
    Tls(HandshakeError),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("no HTTP answer within {0:.1?}")]
    Silent(Duration),
}

impl HttpError {
    /// Whether the connection ended. A server closes one that was idle for long, and a request that was sent meanwhile
    /// fails: then another connection may serve it.
    pub(crate) const fn ended_connection(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Closed | Self::Connection(_))
    }
}

/// Who is on the other side: for the head of a request, and for errors.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Without the port.
    pub(crate) host: String,
    /// With the port: what the header Host says.
    pub(crate) authority: String,
    pub(crate) names: &'static OptionNames,
}

/// A connection that serves one request after the other.
#[derive(Debug)]
pub(crate) struct HttpConnection {
    sender: http1::SendRequest<Full<Bytes>>,
    peer: Peer,
    failure: FirstFailure,
    /// Ends with the connection.
    _driver: JoinSet<()>,
}

impl HttpConnection {
    pub(crate) async fn start(stream: Box<dyn Stream>, peer: Peer) -> Result<Self, HttpError> {
        let failure = FirstFailure::default();
        let stream = TokioIo::new(failure.watch(stream));
        let (sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(stream).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The request that it breaks has the error.
            let _seen_by_the_request = connection.await;
        });
        Ok(Self { sender, peer, failure, _driver: driver })
    }

    /// Whether another request can be sent, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends a request and reads the whole answer. If this is cancelled or fails, the connection is of no more use.
    pub(crate) async fn request(
        &mut self,
        request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let (head, body) = self.send(request).await?.into_parts();
            let body = Limited::new(body, limits.body).collect().await.map_err(|error| match error.downcast() {
                Ok(broken) => self.explain(*broken),
                Err(_too_long) => HttpError::TooLong(limits.body),
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(limits.time, exchange).await.unwrap_or(Err(HttpError::Silent(limits.time)))
    }

    /// Sends a request whose answer comes in parts; the head within `limit`. The connection serves nothing else.
    pub(crate) async fn open(
        mut self,
        request: Request<Bytes>,
        limit: Duration,
    ) -> Result<Response<Chunks>, HttpError> {
        let head = timeout(limit, self.send(request)).await;
        let answer = head.unwrap_or(Err(HttpError::Silent(limit)))?;
        Ok(answer.map(|body| Chunks { body, connection: self, unread: Vec::new() }))
    }

    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Incoming>, HttpError> {
        let (mut head, body) = request.into_parts();
        let host = HeaderValue::from_str(&self.peer.authority).map_err(hyper::http::Error::from)?;
        head.headers.insert(HOST, host);
        head.headers.entry(USER_AGENT).or_insert(AGENT);
        self.sender.ready().await.map_err(|error| self.explain(error))?;
        let answer = self.sender.send_request(Request::from_parts(head, Full::new(body))).await;
        answer.map_err(|error| self.explain(error))
    }

    /// What the connection saw, in the place of what the library made of it.
    fn explain(&self, error: hyper::Error) -> HttpError {
        match self.failure.seen() {
            _ if error.is_parse() => HttpError::Broken(error),
            None => HttpError::Broken(error),
            Some(Failure::Closed) => HttpError::Closed,
            Some(Failure::Broken(cause)) => match find_tls(cause) {
                Some(tls) => {
                    let cause = io::Error::new(cause.kind(), tls.clone());
                    HttpError::Tls(HandshakeError::new(&self.peer.host, self.peer.names, cause))
                }
                None => HttpError::Connection(io::Error::new(cause.kind(), cause.to_string())),
            },
        }
    }
}

/// The body of an answer that comes in parts. Dropping it closes the connection.
#[allow(dead_code, reason = "the stores that watch by a stream follow")]
#[derive(Debug)]
pub(crate) struct Chunks {
    body: Incoming,
    connection: HttpConnection,
    /// The beginning of a line whose end has not come.
    unread: Vec<u8>,
}

#[allow(dead_code, reason = "the stores that watch by a stream follow")]
impl Chunks {
    /// The next part; nothing at the end. Cancel-safe.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.connection.explain(error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The next line without its end, which may be missing at the last one; nothing at the end. A line may have `longest`
    /// bytes. Cancel-safe.
    pub(crate) async fn line(&mut self, longest: usize) -> Result<Option<Vec<u8>>, HttpError> {
        let mut searched = 0;
        loop {
            let end = self.unread.iter().skip(searched).position(|&byte| byte == b'\n').map(|at| at + searched);
            if end.unwrap_or(self.unread.len()) > longest {
                return Err(HttpError::TooLong(longest));
            }
            if let Some(end) = end {
                let rest = self.unread.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.unread, rest);
                line.truncate(end);
                return Ok(Some(line));
            }
            searched = self.unread.len();
            match self.chunk().await? {
                Some(chunk) => self.unread.extend_from_slice(&chunk),
                None if self.unread.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.unread))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const LIMITS: Limits = Limits { time: Duration::from_secs(5), body: 8 };
    const NAMES: OptionNames =
        OptionNames { store: "store", endpoints: "endpoints", ca: "ca", certificate: "cert", key: "key" };

    async fn connection() -> (HttpConnection, DuplexStream) {
        let (near, far) = duplex(256 * 1024);
        let peer = Peer { host: "etcd".into(), authority: "etcd:2379".into(), names: &NAMES };
        (HttpConnection::start(Box::new(near), peer).await.unwrap(), far)
    }

    fn get(path: &str) -> Request<Bytes> {
        Request::get(path).body(Bytes::new()).unwrap()
    }

    /// Reads one request without a body, and says this.
    async fn serve(far: &mut DuplexStream, said: &[u8]) -> String {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(far.read_u8().await.unwrap());
        }
        far.write_all(said).await.unwrap();
        String::from_utf8(request).unwrap()
    }

    /// The answer to a request whose other side says this and keeps the connection open, or closes it.
    async fn answered(said: &'static str, closes: bool, limits: Limits) -> Result<Response<Bytes>, HttpError> {
        let (mut near, mut far) = connection().await;
        let server = tokio::spawn(async move {
            let request = serve(&mut far, said.as_bytes()).await;
            (request, (!closes).then_some(far))
        });
        let answer = near.request(get("/version"), limits).await;
        let (request, _open) = server.await.unwrap();
        assert!(request.starts_with("GET /version HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("host: etcd:2379\r\n") && request.contains("user-agent: vip-manager/"), "{request}");
        answer
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_length_or_with_the_connection() {
        let sized = "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 3\r\n\r\nabc";
        let answer = answered(sized, false, LIMITS).await.unwrap();
        assert_eq!((answer.headers()["date"].as_bytes(), &answer.body()[..]), (&b"today"[..], &b"abc"[..]));
        let answer = answered("HTTP/1.1 404 Not Found\r\n\r\nabc", true, LIMITS).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (404, &b"abc"[..]));
        let old = "HTTP/1.0 503 Service Unavailable\r\nServer: BaseHTTP/0.6\r\n\r\n{}";
        let answer = answered(old, true, LIMITS).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (503, &b"{}"[..]));
    }

    #[tokio::test]
    async fn head_body_and_time_are_limited() {
        let long_body = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi";
        assert!(matches!(answered(long_body, false, LIMITS).await, Err(HttpError::TooLong(8))));
        let long_head = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(2 * MAX_HEAD)).leak();
        assert!(matches!(answered(long_head, false, LIMITS).await, Err(HttpError::Broken(_))));
        let hasty = Limits { time: Duration::from_millis(10), ..LIMITS };
        assert!(matches!(answered("HTTP/1.1 200 OK\r\n", false, hasty).await, Err(HttpError::Silent(_))));
    }

    #[tokio::test]
    async fn a_connection_serves_several_requests_until_the_other_side_closes_it() {
        let (mut near, mut far) = connection().await;
        let server = tokio::spawn(async move {
            let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            (serve(&mut far, ok).await, serve(&mut far, ok).await)
        });
        let put = Request::put("/a").header("X-Token", "secret").body(Bytes::new()).unwrap();
        assert!(near.request(put, LIMITS).await.unwrap().status().is_success());
        assert!(near.is_open());
        assert!(near.request(get("/b"), LIMITS).await.unwrap().status().is_success());
        let (first, second) = server.await.unwrap();
        assert!(first.starts_with("PUT /a ") && first.contains("x-token: secret\r\n"), "{first}");
        assert!(second.starts_with("GET /b "), "{second}");
        let error = near.request(get("/c"), LIMITS).await.unwrap_err();
        assert!(error.ended_connection() && !near.is_open(), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_comes_in_lines_of_limited_length() {
        let (near, mut far) = connection().await;
        let server = tokio::spawn(async move {
            let said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n3\r\n\ntw\r\n";
            serve(&mut far, said).await;
            far
        });
        let mut lines = near.open(get("/watch"), LIMITS.time).await.unwrap().into_body();
        let mut far = server.await.unwrap();
        assert_eq!(lines.line(8).await.unwrap().unwrap(), b"one");
        assert_eq!(lines.line(8).await.unwrap().unwrap(), b"");
        assert!(timeout(Duration::from_millis(10), lines.line(8)).await.is_err(), "the line has not ended");
        far.write_all(b"6\r\no\nlast\r\n0\r\n\r\n").await.unwrap();
        assert_eq!(lines.line(8).await.unwrap().unwrap(), b"two");
        assert!(matches!(lines.line(3).await, Err(HttpError::TooLong(3))));
        assert_eq!(lines.line(4).await.unwrap().unwrap(), b"last");
        assert_eq!(lines.line(4).await.unwrap(), None);
    }
}
