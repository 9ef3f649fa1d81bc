//! A fake of kube-apiserver: objects, lists with a field selector, watches, tokens, roles.
//!
//! It says what the real one says, as far as the tests look: `tests/kubernetes/answers.rs` compares them.

mod rules;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::rules::{Ask, Selector};
use super::PORT;
use crate::support::clock::pause;
use crate::support::fail::{OrFail, locked};
use crate::support::host::Host;

/// How often a frozen server looks whether it may continue.
const MOMENT: Duration = Duration::from_millis(5);

type Body = BoxBody<Bytes, Infallible>;
/// Group and kind, namespace, name.
type Place = (String, String, String);

#[derive(Debug)]
pub(super) struct Fake {
    host: Host,
    shared: Arc<Shared>,
    /// Dropping it ends the server with all its connections.
    running: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
    frozen: watch::Sender<bool>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<i64>,
}

#[derive(Debug, Default)]
struct State {
    version: i64,
    objects: BTreeMap<Place, Value>,
    events: Vec<(i64, &'static str, Place, Value)>,
    /// Events up to this version are forgotten.
    forgotten: i64,
    /// The user of each token, and the secret that it is bound to.
    tokens: BTreeMap<String, (String, Option<Place>)>,
}

impl Fake {
    pub(super) fn start(host: &Host, admin: &str) -> Self {
        let mut state = State { version: 100, ..State::default() };
        state.tokens.insert(admin.to_owned(), ("admin".to_owned(), None));
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: watch::Sender::new(0) });
        let mut fake = Self { host: host.clone(), shared, running: None, frozen: watch::Sender::new(false) };
        fake.resume();
        fake
    }

    pub(super) fn resume(&mut self) {
        let (end, ended) = oneshot::channel();
        let (shared, host) = (Arc::clone(&self.shared), self.host.clone());
        let frozen = self.frozen.subscribe();
        let thread = self.host.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.or_fail("building a runtime").block_on(async move {
                tokio::select! {
                    () = accept(&host, shared) => {}
                    () = stay_frozen(frozen) => {}
                    _ = ended => {}
                }
            });
        });
        self.running = Some((end, thread));
    }

    pub(super) fn stop(&mut self) {
        if let Some((end, thread)) = self.running.take() {
            drop(end);
            let _panicked = thread.join();
        }
    }

    /// Whether its only thread stands still.
    pub(super) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    pub(super) fn forget_history(&self) {
        let mut state = locked(&self.shared.state);
        state.forgotten = state.version;
        let forgotten = state.forgotten;
        state.events.retain(|(version, ..)| *version > forgotten);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.freeze(false);
        self.stop();
    }
}

/// Blocks the thread while it is to be frozen. Never ends.
async fn stay_frozen(mut frozen: watch::Receiver<bool>) {
    loop {
        while *frozen.borrow_and_update() {
            pause(MOMENT);
        }
        if frozen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn accept(host: &Host, shared: Arc<Shared>) {
    let file = |end: &str| host.directory().join(format!("{}-server.{end}", host.name()));
    let chain = CertificateDer::pem_file_iter(file("pem")).or_fail("reading the server's certificate");
    let chain = chain.collect::<Result<Vec<_>, _>>().or_fail("reading the server's certificate");
    let key = PrivateKeyDer::from_pem_file(file("key")).or_fail("reading the server's key");
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .or_fail("choosing TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .or_fail("using the server's certificate");
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = loop {
        match TcpListener::bind(("0.0.0.0", PORT)).await {
            Ok(listener) => break listener,
            // Connections of the one before linger.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(serve(&shared, request).await) }
            });
            let _closed = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn serve(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    if path == "/version" {
        return said(StatusCode::OK, &json!({"major": "1", "minor": "20", "gitVersion": "v1.20.2"}));
    }
    let token = text("authorization").trim_start_matches("Bearer ").to_owned();
    let Some(user) = locked(&shared.state).user(&token) else {
        return said(StatusCode::UNAUTHORIZED, &status(401, "Unauthorized", "Unauthorized", None));
    };
    let Some(ask) = Ask::of(&head.method, &path, &query) else {
        let message = "the server could not find the requested resource";
        let mut unknown = status(404, "NotFound", message, None);
        unknown["details"] = json!({});
        return said(StatusCode::NOT_FOUND, &unknown);
    };
    if let Err(message) = locked(&shared.state).allows(&user, &ask) {
        return said(StatusCode::FORBIDDEN, &status(403, "Forbidden", &message, Some(&ask)));
    }
    let partial = text("accept").contains("as=PartialObjectMetadata");
    if ask.verb == "watch" {
        return follow(shared, ask, partial);
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (code, answer) = locked(&shared.state).act(&head.method, &ask, &body, partial);
    let version = locked(&shared.state).version;
    shared.changed.send_replace(version);
    said(StatusCode::from_u16(code).or_fail("a status"), &answer)
}

/// The lines of a watch, one after the other as they come.
fn follow(shared: &Arc<Shared>, ask: Ask, partial: bool) -> Response<Body> {
    let (sender, lines) = mpsc::channel::<String>(16);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut changed = shared.changed.subscribe();
        let mut after = ask.after;
        let follow = async {
            loop {
                changed.mark_unchanged();
                let (due, latest) = locked(&shared.state).since(&ask, after, partial);
                for (line, last) in due {
                    if sender.send(line.to_string() + "\n").await.is_err() || last {
                        return;
                    }
                }
                after = latest.max(after);
                tokio::select! {
                    gone = changed.changed() => if gone.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        };
        let limit = Duration::from_secs(ask.seconds);
        let _over = tokio::time::timeout(limit, follow).await;
    });
    let mut response = Response::new(Lines(lines).boxed());
    response.headers_mut().insert("content-type", JSON);
    response
}

/// The lines of a watch as a body.
struct Lines(mpsc::Receiver<String>);

impl hyper::body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line.into()))))
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn said(code: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())).boxed());
    *response.status_mut() = code;
    response.headers_mut().insert("content-type", JSON);
    response
}

fn status(code: u16, reason: &str, message: &str, about: Option<&Ask>) -> Value {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code});
    if let Some(ask) = about {
        status["details"] = json!({"kind": ask.kind});
        if !ask.group.is_empty() {
            status["details"]["group"] = json!(ask.group);
        }
        if let Selector::Name(name) = &ask.selector {
            status["details"]["name"] = json!(name);
        }
    }
    status
}
