//! One connection to one endpoint: name, TCP, TLS, HTTP, within one deadline.
//!
//! tonic could connect by itself, but its time limits cover neither a black hole nor a handshake that hangs, and it
//! reports all of them as "transport error". Here each phase has its own error, and all of them share one limit.
//!
//! The channel gets a connector that works once. When the connection ends, the channel is dead and says so; a new
//! connection means a new session with a new read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::CONNECTION;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::Channel;
use tower::service_fn;

use super::http::{HttpConnection, HttpError, Limits, Peer};
use super::stream::{FirstFailure, RecordingStream, Stream};
use super::tls::{Credentials, HandshakeError, TlsError, TlsSettings};
use crate::blocking::Blocking;
use crate::endpoint::Endpoint;

/// A kernel answers within a round trip. It resends a lost packet after a second, and so does our next attempt.
const ADDRESS_LIMIT: Duration = Duration::from_secs(1);
/// Reading files may take this part of the time for a connection.
pub(crate) const FILES_SHARE: u32 = 4;
/// Unacknowledged data older than this ends a connection in the kernel, even one already closed here.
const USER_TIMEOUT_MS: u32 = 10_000;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot resolve the name {host}")]
    Resolve { host: String, source: io::Error },
    #[error("the name {host} has no address")]
    NoAddress { host: String },
    #[error("cannot connect to {address}")]
    Tcp { address: SocketAddr, source: io::Error },
    #[error("{address} does not answer: no TCP connection within {limit:.1?}")]
    TcpSilent { address: SocketAddr, limit: Duration },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{host} is not a valid name in a certificate")]
    ServerName { host: String },
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("cannot start HTTP/2")]
    Http2(#[from] tonic::transport::Error),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("not connected within {limit:.1?}: {phase} hangs")]
    Silent { phase: &'static str, limit: Duration },
}

/// Makes connections to one endpoint.
#[derive(Debug)]
pub(crate) struct Dialer {
    endpoint: Endpoint,
    tls: Arc<TlsSettings>,
    /// A lookup that outlives its attempt is waited for by the next one.
    lookup: Mutex<Blocking<io::Result<Vec<SocketAddr>>>>,
}

/// A connection, the record of how it broke, and the generation of the TLS files it was made with.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) channel: Channel,
    pub(crate) failure: FirstFailure,
    pub(crate) generation: u64,
}

impl Dialer {
    pub(crate) fn new(endpoint: Endpoint, tls: Arc<TlsSettings>) -> Self {
        Self { endpoint, tls, lookup: Mutex::default() }
    }

    pub(crate) async fn dial(&self, limit: Duration) -> Result<Connection, DialError> {
        let mut phase = "the name lookup";
        match timeout(limit, self.connect(&mut phase, limit)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(DialError::Silent { phase, limit }),
        }
    }

    async fn connect(&self, phase: &mut &'static str, limit: Duration) -> Result<Connection, DialError> {
        let credentials = self.credentials(limit).await?;
        let generation = credentials.as_ref().map_or(0, |credentials| credentials.generation);
        let addresses = self.resolve().await?;
        *phase = "TCP";
        let stream = self.first_that_answers(&addresses, limit).await?;
        *phase = "the TLS handshake";
        let stream = self.wrap_tls(stream, credentials).await?;
        *phase = "HTTP/2";
        let failure = FirstFailure::default();
        let channel = self.channel(failure.watch(stream)).await?;
        Ok(Connection { channel, failure, generation })
    }

    /// Connects for HTTP/1.1. Several may connect at once.
    pub(crate) async fn http(&self, limit: Duration) -> Result<(HttpConnection, u64), DialError> {
        let (stream, generation) = self.stream(&[b"http/1.1"], limit).await?;
        Ok((HttpConnection::start(stream, self.peer()).await?, generation))
    }

    /// Connects for one of these protocols, which are named to the server if there is TLS. Several may connect at once.
    pub(crate) async fn stream(
        &self,
        protocols: &[&[u8]],
        limit: Duration,
    ) -> Result<(Box<dyn Stream>, u64), DialError> {
        let mut phase = "the name lookup";
        let connect = async {
            let mut credentials = self.credentials(limit).await?;
            if let Some(credentials) = &mut credentials {
                let protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
                Arc::make_mut(&mut credentials.tls).alpn_protocols = protocols;
            }
            let generation = credentials.as_ref().map_or(0, |credentials| credentials.generation);
            let addresses = self.resolve().await?;
            phase = "TCP";
            let stream = self.first_that_answers(&addresses, limit).await?;
            phase = "the TLS handshake";
            Ok((self.wrap_tls(stream, credentials).await?, generation))
        };
        match timeout(limit, connect).await {
            Ok(result) => result,
            Err(_elapsed) => Err(DialError::Silent { phase, limit }),
        }
    }

    /// Requests a page by HTTP/1.1, on a connection of its own.
    pub(crate) async fn get(&self, path: &str, limits: Limits) -> Result<Response<Bytes>, DialError> {
        let request = Request::get(path).header(CONNECTION, "close").body(Bytes::new()).map_err(HttpError::from)?;
        let exchange = async {
            let (mut connection, _generation) = self.http(limits.time).await?;
            Ok(connection.request(request, limits).await?)
        };
        let silent = DialError::Silent { phase: "HTTP", limit: limits.time };
        timeout(limits.time, exchange).await.unwrap_or(Err(silent))
    }

    /// Whether every address of the name is this host's.
    pub(crate) async fn is_this_host(&self, limit: Duration) -> Result<bool, DialError> {
        let silent = DialError::Silent { phase: "the name lookup", limit };
        let addresses = timeout(limit, self.resolve()).await.unwrap_or(Err(silent))?;
        Ok(addresses.into_iter().all(is_this_host))
    }

    fn peer(&self) -> Peer {
        let whole = self.endpoint.to_string();
        let authority = whole.split_once("://").map_or(&*whole, |(_scheme, authority)| authority).to_owned();
        Peer { host: self.endpoint.host.clone(), authority, names: self.tls.names() }
    }

    /// The certificates to connect with, for a part of the time that the whole may take.
    async fn credentials(&self, limit: Duration) -> Result<Option<Credentials>, TlsError> {
        Ok(if self.endpoint.tls { Some(self.tls.current(limit / FILES_SHARE).await?) } else { None })
    }

    async fn wrap_tls(
        &self,
        stream: TcpStream,
        credentials: Option<Credentials>,
    ) -> Result<Box<dyn Stream>, DialError> {
        Ok(match credentials {
            Some(credentials) => Box::new(self.secure(stream, credentials).await?),
            None => Box::new(stream),
        })
    }

    /// Resolves for each connection: names move.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, DialError> {
        let Endpoint { host, port, .. } = &self.endpoint;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, *port)]);
        }
        let target = (host.clone(), *port);
        let answer = self.lookup.lock().await.run(move || Ok(target.to_socket_addrs()?.collect())).await;
        let failed = |source| DialError::Resolve { host: host.clone(), source };
        let addresses: Vec<SocketAddr> = answer.and_then(|answer| answer).map_err(failed)?;
        if addresses.is_empty() { Err(DialError::NoAddress { host: host.clone() }) } else { Ok(addresses) }
    }

    /// Tries each address of the name, each for its share of the time.
    async fn first_that_answers(&self, addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, DialError> {
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
        let share = (limit / shares).min(ADDRESS_LIMIT);
        let mut failure = DialError::NoAddress { host: self.endpoint.host.clone() };
        for &address in addresses {
            failure = match timeout(share, tcp(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(source)) => DialError::Tcp { address, source },
                Err(_elapsed) => DialError::TcpSilent { address, limit: share },
            };
        }
        Err(failure)
    }

    async fn secure(&self, stream: TcpStream, credentials: Credentials) -> Result<impl Stream + use<>, DialError> {
        let host = &self.endpoint.host;
        let name = ServerName::try_from(host.clone()).map_err(|_| DialError::ServerName { host: host.clone() })?;
        let secured = TlsConnector::from(credentials.tls).connect(name, stream).await;
        Ok(secured.map_err(|error| HandshakeError::new(host, self.tls.names(), error))?)
    }

    async fn channel(&self, stream: RecordingStream) -> Result<Channel, DialError> {
        let mut once = Some(TokioIo::new(stream));
        let connector = service_fn(move |_uri| {
            let stream = once.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
            std::future::ready(stream)
        });
        let endpoint = tonic::transport::Endpoint::from_shared(self.endpoint.to_string())?
            .user_agent(concat!("vip-manager/", env!("CARGO_PKG_VERSION")))?;
        Ok(endpoint.connect_with_connector(connector).await?)
    }
}

/// The kernel sends to an own address from that very address. Nothing is sent here.
fn is_this_host(address: SocketAddr) -> bool {
    let ip = address.ip();
    let source = || -> io::Result<IpAddr> {
        let any = if ip.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        Ok(socket.local_addr()?.ip())
    };
    ip.is_loopback() || ip.is_unspecified() || source().is_ok_and(|source| source == ip)
}

async fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    setsockopt(&socket, sockopt::TcpUserTimeout, &USER_TIMEOUT_MS)?;
    socket.connect(address).await
}
