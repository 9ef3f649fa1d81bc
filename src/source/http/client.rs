//! Requests to one endpoint.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::auth::Auth;
use super::error::RequestError;
use crate::endpoint::Endpoint;
use crate::time::Moment;
use crate::transport::dial::{DialError, Dialer, FILES_SHARE};
use crate::transport::http::{Chunks, HttpConnection, HttpError, Limits};
use crate::transport::tls::TlsSettings;

/// Requests of one session that may be under way at once. The next one waits, within its limit.
pub(super) const AT_ONCE: usize = 8;
/// An answer may have this many bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// The files of TLS may take this long to look at while a session works.
const FILES_LIMIT: Duration = Duration::from_millis(100);

/// What an endpoint is reached with.
#[derive(Debug)]
pub(crate) struct HttpOptions {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: Arc<TlsSettings>,
    /// Shared by all endpoints, so that a file of a secret is read once.
    pub(crate) auth: Arc<Auth>,
    /// How long a request may take.
    pub(crate) limit: Duration,
    pub(crate) clock: fn() -> Moment,
}

/// One endpoint: what its sessions share.
#[derive(Debug)]
pub(crate) struct HttpEndpoint {
    name: Arc<str>,
    dialer: Dialer,
    tls: Option<Arc<TlsSettings>>,
    auth: Arc<Auth>,
    limit: Duration,
    clock: fn() -> Moment,
    /// The TLS files that were used or tried last.
    generation: AtomicU64,
}

/// The requests of one session.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    endpoint: Arc<HttpEndpoint>,
    idle: Mutex<Vec<HttpConnection>>,
    slots: Semaphore,
}

/// A connection that is kept for the next request of its kind, such as a long poll.
#[derive(Debug, Default)]
pub(crate) struct Kept(Option<HttpConnection>);

impl HttpEndpoint {
    pub(crate) fn new(options: HttpOptions) -> Arc<Self> {
        let HttpOptions { endpoint, tls, auth, limit, clock } = options;
        Arc::new(Self {
            name: endpoint.to_string().into(),
            tls: endpoint.tls.then(|| Arc::clone(&tls)),
            dialer: Dialer::new(endpoint, tls),
            auth,
            limit,
            clock,
            generation: AtomicU64::new(0),
        })
    }

    /// Its address, fit for a log line.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) fn has_login(&self) -> bool {
        self.auth.is_some()
    }

    /// Begins a session: connects, so that an endpoint that cannot be reached is found now.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<HttpClient, RequestError> {
        let (connection, generation) = self.dialer.http(self.limit).await?;
        self.generation.store(generation, Ordering::Relaxed);
        let (idle, slots) = (Mutex::new(vec![connection]), Semaphore::new(AT_ONCE));
        Ok(HttpClient(Arc::new(Inner { endpoint: Arc::clone(self), idle, slots })))
    }

    /// Begins a session without a connection: the first request makes it.
    pub(in crate::source) fn client(self: &Arc<Self>) -> HttpClient {
        let slots = Semaphore::new(AT_ONCE);
        HttpClient(Arc::new(Inner { endpoint: Arc::clone(self), idle: Mutex::default(), slots }))
    }

    /// Whether every address of the endpoint is this host's.
    pub(in crate::source) async fn is_this_host(&self, limit: Duration) -> Result<bool, DialError> {
        self.dialer.is_this_host(limit).await
    }

    /// Whether the TLS files have changed since the last session began.
    pub(crate) async fn has_changed(&self) -> Option<&'static str> {
        // What takes longer is seen the next time.
        let generation = self.tls.as_ref()?.generation(FILES_LIMIT).await?;
        let before = self.generation.swap(generation, Ordering::Relaxed);
        (generation != before).then_some("changed TLS files")
    }
}

impl HttpClient {
    pub(crate) fn name(&self) -> Arc<str> {
        self.0.endpoint.name()
    }

    /// How long a request may take.
    pub(crate) fn limit(&self) -> Duration {
        self.0.endpoint.limit
    }

    pub(crate) fn now(&self) -> Moment {
        (self.0.endpoint.clock)()
    }

    pub(crate) fn has_login(&self) -> bool {
        self.0.endpoint.has_login()
    }

    /// Reads a page, whatever its status.
    pub(crate) async fn get(&self, path: &str) -> Result<Response<Bytes>, RequestError> {
        let request = Request::get(path).body(Bytes::new()).map_err(HttpError::from)?;
        self.request(request).await
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub(crate) async fn request(&self, request: Request<Bytes>) -> Result<Response<Bytes>, RequestError> {
        let limit = self.limit();
        let exchange = async {
            let _slot = self.0.slots.acquire().await;
            let mut kept = Kept(self.take_idle());
            let answer = self.exchange(&mut kept, request, limit).await?;
            self.idle().extend(kept.0.filter(HttpConnection::is_open));
            Ok(answer)
        };
        timeout(limit, exchange).await.unwrap_or(Err(HttpError::Silent(limit).into()))
    }

    /// The same on a connection of its own, which it leaves there. The answer may take `longer` than the usual limit.
    pub(crate) async fn request_on(
        &self,
        kept: &mut Kept,
        request: Request<Bytes>,
        longer: Duration,
    ) -> Result<Response<Bytes>, RequestError> {
        let limit = self.limit() + longer;
        // Whatever cancels or fails this leaves no connection of which half an answer was read.
        let mut own = Kept(kept.0.take());
        let answer = timeout(limit, self.exchange(&mut own, request, limit)).await;
        let answer = answer.unwrap_or(Err(HttpError::Silent(limit).into()))?;
        kept.0 = own.0.filter(HttpConnection::is_open);
        Ok(answer)
    }

    /// Sends a request whose answer comes in parts, on a connection of its own.
    pub(crate) async fn open(&self, request: Request<Bytes>) -> Result<Response<Chunks>, RequestError> {
        let limit = self.limit();
        let opening = async {
            let request = self.log_in(request).await?;
            let answer = self.dial().await?.open(request, limit).await?;
            self.note_refusal(answer.status()).await;
            Ok(answer)
        };
        timeout(limit, opening).await.unwrap_or(Err(HttpError::Silent(limit).into()))
    }

    /// Makes the connection that the next request of this kind will use.
    pub(crate) async fn prepare(&self, kept: &mut Kept) -> Result<(), RequestError> {
        kept.0 = Some(self.dial().await?);
        Ok(())
    }

    async fn exchange(
        &self,
        kept: &mut Kept,
        request: Request<Bytes>,
        time: Duration,
    ) -> Result<Response<Bytes>, RequestError> {
        let request = self.log_in(request).await?;
        let limits = Limits { time, body: MAX_BODY };
        if let Some(mut connection) = kept.0.take().filter(HttpConnection::is_open) {
            match connection.request(request.clone(), limits).await {
                // It was idle, and the server closed it before this came.
                Err(error) if error.ended_connection() && request.method() == Method::GET => {}
                answer => return self.finish(kept, connection, answer?).await,
            }
        }
        let mut connection = self.dial().await?;
        let answer = connection.request(request, limits).await?;
        self.finish(kept, connection, answer).await
    }

    async fn finish(
        &self,
        kept: &mut Kept,
        connection: HttpConnection,
        answer: Response<Bytes>,
    ) -> Result<Response<Bytes>, RequestError> {
        kept.0 = Some(connection);
        self.note_refusal(answer.status()).await;
        if answer.status() == StatusCode::BAD_REQUEST && contains(answer.body(), WANTS_TLS) {
            return Err(RequestError::WantsTls);
        }
        Ok(answer)
    }

    async fn note_refusal(&self, status: StatusCode) {
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.0.endpoint.auth.forget().await;
        }
    }

    async fn log_in(&self, mut request: Request<Bytes>) -> Result<Request<Bytes>, RequestError> {
        let header = self.0.endpoint.auth.current(self.limit() / FILES_SHARE).await?;
        request.headers_mut().extend(header);
        Ok(request)
    }

    async fn dial(&self) -> Result<HttpConnection, RequestError> {
        let (connection, _generation) = self.0.endpoint.dialer.http(self.limit()).await?;
        Ok(connection)
    }

    fn take_idle(&self) -> Option<HttpConnection> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<HttpConnection>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the servers of Go say to a request without TLS.
const WANTS_TLS: &[u8] = b"HTTP request to an HTTPS server";

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
