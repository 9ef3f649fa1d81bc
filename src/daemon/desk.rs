//! Where others may ask how it stands: a Unix socket and, if wanted, an address of TCP, both speaking HTTP/1.1.
//!
//! It must never be in the driver's way. A connection is a task that hands its question in through a bounded channel;
//! the driver answers between two turns with a snapshot, and rendering and sending are the connection's business. There
//! are only so many connections at a time, each with so much time, and who finds no place is hung up on. A socket that
//! cannot be opened is told once and tried again: the daemon's job is the VIP.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use std::fs::Permissions;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::portrait;
use crate::config::{StatusConfig, StatusSocket};
use crate::status::http::{self, Answer, Reading, Request, Resource};
use crate::status::{Status, document, openmetrics, page, text};

/// Where the answer to a question goes.
pub(super) type Ask = oneshot::Sender<Status>;

#[derive(Debug)]
pub(super) struct Desk {
    pub(super) asks: mpsc::Receiver<Ask>,
    sender: mpsc::Sender<Ask>,
    config: StatusConfig,
    socket: JoinSet<()>,
    listen: JoinSet<()>,
}

impl Desk {
    /// Begins to listen. Must be called within the runtime.
    pub(super) fn open(config: &StatusConfig) -> Self {
        let (sender, asks) = mpsc::channel(WAITING);
        let (socket, listen) = (socket(config, &sender), listen(config, &sender));
        Self { asks, sender, config: config.clone(), socket, listen }
    }

    /// Listens where the configuration says now; what is the same goes on.
    pub(super) fn change_to(&mut self, config: &StatusConfig) {
        if self.config.socket != config.socket {
            self.socket = socket(config, &self.sender);
        }
        if self.config.listen != config.listen {
            self.listen = listen(config, &self.sender);
        }
        self.config = config.clone();
    }
}

/// The path of the daemon's socket, if it has one.
fn socket_path(config: &StatusSocket) -> Option<PathBuf> {
    match config {
        StatusSocket::Nowhere => None,
        StatusSocket::At(path) => Some(path.clone()),
        // systemd separates several by colons; the units have one.
        StatusSocket::Named(name) => {
            std::env::var("RUNTIME_DIRECTORY").ok()?.split(':').next().map(|directory| Path::new(directory).join(name))
        }
    }
}

fn socket(config: &StatusConfig, asks: &mpsc::Sender<Ask>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(path) = socket_path(&config.socket) {
        let asks = asks.clone();
        tasks.spawn(async move {
            let name = path.display().to_string();
            let (listener, _file) = insist(&name, || bind(&path)).await;
            let guests = Guests::new(asks);
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => guests.receive(stream),
                    Err(_) => sleep(BREATH).await,
                }
            }
        });
    }
    tasks
}

fn listen(config: &StatusConfig, asks: &mpsc::Sender<Ask>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(address) = config.listen {
        let asks = asks.clone();
        tasks.spawn(async move {
            let listener = insist(&address.to_string(), || bind_tcp(address)).await;
            let guests = Guests::new(asks);
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => guests.receive(stream),
                    Err(_) => sleep(BREATH).await,
                }
            }
        });
    }
    tasks
}

/// Tries until it works. The first failure may be a listener that is just going, and is not told.
async fn insist<T, F: Future<Output = io::Result<T>>>(name: &str, bind: impl Fn() -> F) -> T {
    let mut failures = 0_u32;
    loop {
        match bind().await {
            Ok(listener) => {
                tracing::info!("the status is served at {name}");
                return listener;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 2 {
                    tracing::warn!("the status cannot be served at {name}: {error}; trying again until it can");
                }
                sleep(if failures == 1 { BREATH } else { RETRY }).await;
            }
        }
    }
}

async fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Takes the place of a socket that nobody listens on any more, and of nothing else.
async fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match UnixStream::connect(path).await {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            if std::fs::symlink_metadata(path)?.file_type().is_socket() {
                std::fs::remove_file(path)?;
            }
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o660))?;
    let inode = std::fs::symlink_metadata(path)?.ino();
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

/// The socket's file, removed when nobody listens any more, unless another has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// The connections of one listener.
struct Guests {
    places: Arc<Semaphore>,
    asks: mpsc::Sender<Ask>,
}

impl Guests {
    fn new(asks: mpsc::Sender<Ask>) -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), asks }
    }

    /// Serves this one beside the others, or hangs up where there is no place.
    fn receive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, stream: S) {
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

struct Reply {
    status: &'static str,
    kind: &'static str,
    policy: Option<String>,
    body: String,
}

impl Reply {
    fn refusal(answer: Answer) -> Self {
        Self { status: answer.status, kind: PLAIN, policy: None, body: answer.text.to_owned() }
    }

    fn ok(kind: &'static str, body: String) -> Self {
        Self { status: "200 OK", kind, policy: None, body }
    }

    fn head(&self) -> String {
        let policy = self.policy.as_deref().unwrap_or("default-src 'none'");
        format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: {policy}\r\n\r\n",
            self.status,
            self.kind,
            self.body.len(),
        )
    }
}

async fn answer(request: Request, asks: &mpsc::Sender<Ask>) -> Reply {
    if request.resource == Resource::Page {
        let nonce = nonce();
        return Reply { policy: Some(page::policy(&nonce)), ..Reply::ok(HTML, page::page(&nonce)) };
    }
    let Some(status) = ask(asks).await else { return Reply::refusal(http::BUSY) };
    match request.resource {
        Resource::Page | Resource::Health => Reply::ok(PLAIN, "ok\n".to_owned()),
        Resource::Status => Reply::ok(JSON, format!("{}\n", document::status(&status))),
        Resource::Events => Reply::ok(JSON, format!("{}\n", document::events(&status))),
        Resource::StatusText(colour) => Reply::ok(PLAIN, text::status(&status, colour)),
        Resource::EventsText(colour) => Reply::ok(PLAIN, text::events(&status, colour)),
        Resource::Metrics(form) => {
            let status = Status { process: portrait::process(), ..status };
            Reply::ok(openmetrics::content_type(form), openmetrics::metrics(&status, form))
        }
        Resource::Readiness => {
            let reasons = status.unready();
            if reasons.is_empty() {
                return Reply::ok(PLAIN, "ready\n".to_owned());
            }
            let body = reasons.join("\n") + "\n";
            Reply { status: http::BUSY.status, kind: PLAIN, policy: None, body }
        }
    }
}

/// A snapshot, if the driver's loop goes round.
async fn ask(asks: &mpsc::Sender<Ask>) -> Option<Status> {
    let (question, answer) = oneshot::channel();
    let asked = async {
        asks.send(question).await.ok()?;
        answer.await.ok()
    };
    timeout(ROUND, asked).await.ok().flatten()
}

/// The hasher's seed is random, and asking for one costs no dependency.
fn nonce() -> String {
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// Questions that may wait for the driver.
const WAITING: usize = 4;
/// Connections of one listener at the same time.
const PLACES: usize = 16;
/// How long a connection may take from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the driver may take; its turns take microseconds.
const ROUND: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_secs(5);
const BREATH: Duration = Duration::from_millis(100);
