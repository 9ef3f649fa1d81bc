//! Status, metrics and page over HTTP/1.1, on a Unix socket and optionally on a TCP address.
//!
//! The server never delays the driver. A connection is a task that asks for a snapshot through a bounded channel. The
//! driver answers between two turns; the connection renders and sends. Connections are limited in number, per client and
//! in all, and in time; a further one closes the oldest idle one. If a socket cannot be opened, the server warns once and retries.

mod connection;
mod listener;
mod routes;

pub use connection::serve;
pub use routes::Ask;

use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::{StatusConfig, StatusSocket};
use connection::Connections;
use listener::{Listen, Tcp, Unix};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) asks: mpsc::Receiver<Ask>,
    sender: mpsc::Sender<Ask>,
    config: StatusConfig,
    socket: JoinSet<()>,
    listen: JoinSet<()>,
}

impl Server {
    /// Starts to listen. Must be called within the runtime.
    pub(super) fn open(config: &StatusConfig) -> Self {
        let (sender, asks) = mpsc::channel(WAITING);
        let (socket, listen) = (socket(config, &sender), listen(config, &sender));
        Self { asks, sender, config: config.clone(), socket, listen }
    }

    /// Applies a changed configuration; an unchanged listener is kept.
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

/// Listens on the Unix socket, if it is configured.
fn socket(config: &StatusConfig, asks: &mpsc::Sender<Ask>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(path) = socket_path(&config.socket) {
        tasks.spawn(receive(Unix(path), asks.clone()));
    }
    tasks
}

/// Listens on the TCP address, if it is configured.
fn listen(config: &StatusConfig, asks: &mpsc::Sender<Ask>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(address) = config.listen {
        tasks.spawn(receive(Tcp(address), asks.clone()));
    }
    tasks
}

/// The directory is the one that systemd has made. Several are separated by colons; the units have one.
fn socket_path(socket: &StatusSocket) -> Option<PathBuf> {
    let directories = std::env::var("RUNTIME_DIRECTORY").ok();
    match (directories.as_deref().and_then(|all| all.split(':').next()), socket) {
        (None, StatusSocket::Named(_)) => None,
        (directory, socket) => socket.path(directory.unwrap_or_default().as_ref()),
    }
}

async fn receive<L: Listen>(place: L, asks: mpsc::Sender<Ask>) {
    let open = listener::open(&place).await;
    let connections = Connections::new(asks);
    loop {
        let (stream, client) = listener::next::<L>(&open).await;
        connections.accept(stream, client);
    }
}

/// Requests that may wait for the driver.
const WAITING: usize = 4;
