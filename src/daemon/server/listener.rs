//! Listeners on a Unix socket or a TCP address; opening one is retried until it succeeds.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::sleep;

/// A place to listen at. It is displayed in log lines.
pub(super) trait Listen: fmt::Display + Send + Sync + 'static {
    type Open: Send + Sync;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn open(&self) -> impl Future<Output = io::Result<Self::Open>> + Send;
    /// The next connection, with the address of the client if it has one.
    fn accept(open: &Self::Open) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

/// Opens it, retrying until it succeeds. A first failure is not logged: the previous listener may be just closing.
pub(super) async fn open<L: Listen>(place: &L) -> L::Open {
    let mut failures = 0_u32;
    loop {
        match place.open().await {
            Ok(open) => {
                tracing::info!("serving status at {place}");
                return open;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 2 {
                    tracing::warn!("cannot serve status at {place}: {error}; retrying");
                }
                sleep(if failures == 1 { SHORT_DELAY } else { DELAY }).await;
            }
        }
    }
}

/// The next connection.
pub(super) async fn next<L: Listen>(open: &L::Open) -> (L::Stream, Option<IpAddr>) {
    loop {
        match L::accept(open).await {
            Ok(connection) => return connection,
            // For example, no descriptors are left; that passes.
            Err(_) => sleep(SHORT_DELAY).await,
        }
    }
}

pub(super) struct Tcp(pub(super) SocketAddr);

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Listen for Tcp {
    type Open = TcpListener;
    type Stream = TcpStream;

    async fn open(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.0).await
    }

    async fn accept(open: &TcpListener) -> io::Result<(TcpStream, Option<IpAddr>)> {
        open.accept().await.map(|(stream, client)| (stream, Some(client.ip().to_canonical())))
    }
}

pub(super) struct Unix(pub(super) PathBuf);

impl fmt::Display for Unix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Listen for Unix {
    type Open = (UnixListener, SocketFile);
    type Stream = UnixStream;

    async fn open(&self) -> io::Result<Self::Open> {
        bind(&self.0).await
    }

    async fn accept((listener, _): &Self::Open) -> io::Result<(UnixStream, Option<IpAddr>)> {
        listener.accept().await.map(|(stream, _)| (stream, None))
    }
}

/// Replaces a socket that nobody listens on any more, and nothing else.
async fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match UnixStream::connect(path).await {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon is listening there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            if fs::symlink_metadata(path)?.file_type().is_socket() {
                fs::remove_file(path)?;
            }
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o660))?;
    let inode = fs::symlink_metadata(path)?.ino();
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

/// The socket's file, removed when the listener closes, unless another daemon has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

const DELAY: Duration = Duration::from_secs(5);
const SHORT_DELAY: Duration = Duration::from_millis(100);
