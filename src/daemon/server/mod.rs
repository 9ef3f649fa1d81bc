//! Where others may ask how it stands: a Unix socket and, if wanted, an address of TCP, both speaking HTTP/1.1.
//!
//! It must never be in the driver's way. A connection is a task that execute its question in through a bounded channel;
//! the driver answers between two turns with a snapshot, and rendering and sending are the connection's business. There
//! are only so many connections at a time, each with so much time, and who finds no place is hung up on. A socket that
//! cannot be opened is told once and tried again: the daemon's job is the VIP.

mod connection;
mod listener;
mod routes;

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::config::{StatusConfig, StatusSocket};
use crate::status::Status;
use connection::Guests;
use listener::{Door, TcpDoor, UnixDoor};

/// Where the answer to a question goes.
pub(super) type Ask = oneshot::Sender<Status>;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) asks: mpsc::Receiver<Ask>,
    sender: mpsc::Sender<Ask>,
    config: StatusConfig,
    socket: JoinSet<()>,
    listen: JoinSet<()>,
}

impl Server {
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

/// Opens the door of the Unix socket, if there is to be one.
fn socket(config: &StatusConfig, asks: &mpsc::Sender<Ask>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(path) = socket_path(&config.socket) {
        tasks.spawn(receive(UnixDoor(path), asks.clone()));
    }
    tasks
}

/// Opens the door of TCP, if there is to be one.
fn listen(config: &StatusConfig, asks: &mpsc::Sender<Ask>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(address) = config.listen {
        tasks.spawn(receive(TcpDoor(address), asks.clone()));
    }
    tasks
}

/// Where systemd has made a directory. Several are separated by colons; the units have one.
fn socket_path(socket: &StatusSocket) -> Option<PathBuf> {
    let directories = std::env::var("RUNTIME_DIRECTORY").ok();
    match (directories.as_deref().and_then(|all| all.split(':').next()), socket) {
        (None, StatusSocket::Named(_)) => None,
        (directory, socket) => socket.path(directory.unwrap_or_default().as_ref()),
    }
}

async fn receive<D: Door>(door: D, asks: mpsc::Sender<Ask>) {
    let open = listener::insist(&door).await;
    let guests = Guests::new(asks);
    loop {
        guests.receive(listener::next::<D>(&open).await);
    }
}

/// Questions that may wait for the driver.
const WAITING: usize = 4;
