//! A proxy that can make a connection slow, silent or broken.
//!
//! The lab cannot delay packets in the kernel, so a proxy between the daemon and a member does it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use vip_manager::clock::now;
use vip_manager::time::Moment;

/// How many chunks of a connection may be in flight.
const UNDER_WAY: usize = 256;

/// How the proxy forwards bytes, including those in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    Open,
    /// Each byte is delayed by this, in both directions.
    Late(Duration),
    /// Bytes are forwarded one by one, with this pause after each.
    Trickle(Duration),
    /// Bytes are read but not forwarded.
    Silent,
    /// Connections are closed, including new ones.
    Cut,
}

/// Accepts connections and forwards everything to a member. It closes them on drop.
#[derive(Debug)]
pub(crate) struct Proxy {
    at: SocketAddr,
    wire: Arc<watch::Sender<Wire>>,
    _tasks: JoinSet<()>,
}

/// Bytes that were read, and when.
type Piece = (Moment, Vec<u8>);

impl Proxy {
    /// Listens on a free port of this address. Must be called inside a runtime, which runs the proxy.
    pub(crate) async fn between(address: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let at = listener.local_addr()?;
        let wire = Arc::new(watch::Sender::new(Wire::Open));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&wire)));
        Ok(Self { at, wire, _tasks: tasks })
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, wire: Arc<watch::Sender<Wire>>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.spawn(carry(near, target, wire.subscribe()));
    }
}

async fn carry(near: TcpStream, target: SocketAddr, wire: watch::Receiver<Wire>) {
    let (mut heard, mut cut) = (wire.clone(), wire.clone());
    let Ok(()) = heard.wait_for(|wire| *wire != Wire::Silent).await.map(drop) else { return };
    let Ok(far) = TcpStream::connect(target).await else { return };
    // What is sent in chunks must arrive in chunks.
    let (Ok(()), Ok(())) = (near.set_nodelay(true), far.set_nodelay(true)) else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = pump(near_in, far_out, wire.clone()) => {}
        () = pump(far_in, near_out, wire) => {}
        _ = cut.wait_for(|wire| *wire == Wire::Cut) => {}
    }
}

/// Forwards one direction until either end has closed it and everything in flight has arrived.
async fn pump(from: OwnedReadHalf, to: OwnedWriteHalf, wire: watch::Receiver<Wire>) {
    let (pieces, under_way) = mpsc::channel(UNDER_WAY);
    tokio::join!(take(from, pieces), deliver(under_way, to, wire));
}

async fn take(mut from: OwnedReadHalf, pieces: mpsc::Sender<Piece>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if pieces.send((now(), buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn deliver(mut under_way: mpsc::Receiver<Piece>, mut to: OwnedWriteHalf, mut wire: watch::Receiver<Wire>) {
    while let Some((taken, bytes)) = under_way.recv().await {
        let Ok(wire) = wire.wait_for(|wire| *wire != Wire::Silent).await.map(|wire| *wire) else { return };
        let written = match wire {
            Wire::Trickle(pause) => one_by_one(&mut to, &bytes, pause).await,
            Wire::Late(delay) => {
                sleep((taken + delay).since(now())).await;
                to.write_all(&bytes).await
            }
            Wire::Open | Wire::Silent | Wire::Cut => to.write_all(&bytes).await,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn one_by_one(to: &mut OwnedWriteHalf, bytes: &[u8], pause: Duration) -> io::Result<()> {
    for byte in bytes {
        to.write_all(&[*byte]).await?;
        sleep(pause).await;
    }
    Ok(())
}
