//! A connection that can be cut without a word, or with one.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use vip_manager::config::model::Endpoint;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    Open,
    /// Bytes are taken and kept.
    Silent,
    /// Connections are closed, new ones as well.
    Cut,
}

/// Listens on a port of its own and hands everything on to a member.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<watch::Sender<Wire>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new(Wire::Open));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&state)));
        Self { port, state, _tasks: tasks }
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.state.send_replace(wire);
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { tls: false, host: "127.0.0.1".into(), port: self.port }
    }
}

async fn accept(listener: TcpListener, target: u16, state: Arc<watch::Sender<Wire>>) {
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        connections.spawn(carry(near, target, state.subscribe()));
    }
}

async fn carry(near: TcpStream, target: u16, mut state: watch::Receiver<Wire>) {
    let cut = state.clone();
    let mut cut = cut;
    let Ok(()) = state.wait_for(|wire| *wire != Wire::Silent).await.map(drop) else { return };
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pump(near_in, far_out, state.clone()) => {}
        () = pump(far_in, near_out, state) => {}
        _ = cut.wait_for(|wire| *wire == Wire::Cut) => {}
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut state: watch::Receiver<Wire>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if state.wait_for(|wire| *wire == Wire::Open).await.is_err() || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
