//! The two kinds of listeners, and how they are opened: again and again until it works.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::sleep;

/// A way in. Its name is shown to people.
pub(super) trait Door: fmt::Display + Send + Sync + 'static {
    type Open: Send + Sync;
    type Guest: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn open(&self) -> impl Future<Output = io::Result<Self::Open>> + Send;
    fn accept(open: &Self::Open) -> impl Future<Output = io::Result<Self::Guest>> + Send;
}

/// Opens it, however often that takes. The first failure may be a listener that is just going, and is not told.
pub(super) async fn insist<D: Door>(door: &D) -> D::Open {
    let mut failures = 0_u32;
    loop {
        match door.open().await {
            Ok(open) => {
                tracing::info!("the status is served at {door}");
                return open;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 2 {
                    tracing::warn!("the status cannot be served at {door}: {error}; trying again until it can");
                }
                sleep(if failures == 1 { BREATH } else { RETRY }).await;
            }
        }
    }
}

/// The next one who comes in.
pub(super) async fn next<D: Door>(open: &D::Open) -> D::Guest {
    loop {
        match D::accept(open).await {
            Ok(guest) => return guest,
            // Out of descriptors, say: that passes.
            Err(_) => sleep(BREATH).await,
        }
    }
}

pub(super) struct TcpDoor(pub(super) SocketAddr);

impl fmt::Display for TcpDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Door for TcpDoor {
    type Open = TcpListener;
    type Guest = TcpStream;

    async fn open(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.0).await
    }

    async fn accept(open: &TcpListener) -> io::Result<TcpStream> {
        open.accept().await.map(|(stream, _)| stream)
    }
}

pub(super) struct UnixDoor(pub(super) PathBuf);

impl fmt::Display for UnixDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Door for UnixDoor {
    type Open = (UnixListener, SocketFile);
    type Guest = UnixStream;

    async fn open(&self) -> io::Result<Self::Open> {
        bind(&self.0).await
    }

    async fn accept((listener, _): &Self::Open) -> io::Result<UnixStream> {
        listener.accept().await.map(|(stream, _)| stream)
    }
}

/// Takes the place of a socket that nobody listens on any more, and of nothing else.
async fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    match UnixStream::connect(path).await {
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AddrInUse, "another daemon answers there")),
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

/// The socket's file, removed when nobody listens any more, unless another has taken its place.
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

const RETRY: Duration = Duration::from_secs(5);
const BREATH: Duration = Duration::from_millis(100);
