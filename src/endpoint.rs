//! Where a store is reached, with which certificate, and whether it serves: plain values that several rooms share.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::time::Moment;

/// One address of the store. User-info of the URL is never part of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Endpoint {
    /// Whether to use TLS.
    pub tls: bool,
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Host and port, IPv6 in brackets.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// The files of a client certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The certificate chain, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// One endpoint, as this host sees it: since a moment, or for so long where it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointState<T = Moment> {
    /// Its address, as the log spells it.
    pub endpoint: Arc<str>,
    /// Whether it serves.
    pub link: EndpointLink,
    /// Since when.
    pub since: T,
}

/// Whether an endpoint serves.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum EndpointLink {
    /// The first session is being made.
    Connecting,
    /// It answered a read and watches every key.
    Up,
    /// It does not serve, and why.
    Down { why: Arc<str> },
}

impl EndpointLink {
    /// Whether it does not serve.
    pub const fn is_down(&self) -> bool {
        matches!(self, Self::Down { .. })
    }
}
