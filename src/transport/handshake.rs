//! Why a TLS handshake failed, in words that lead to a cure.

use std::error::Error;
use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use crate::error;

/// Why a TLS handshake failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the certificate of {host} is not signed by an authority that is trusted here; set etcd-ca-file to its CA")]
    UnknownIssuer { host: String },
    #[error("the certificate of {host} has expired")]
    Expired { host: String },
    #[error("the certificate of {host} is not valid yet; is this machine's clock right?")]
    NotYetValid { host: String },
    #[error("the certificate of {host} is not for that name, but for {}", .names.join(", "))]
    WrongName { host: String, names: Vec<String> },
    #[error("the certificate of {host} has no subject alternative name; it must be made anew with one for {host}")]
    NoName { host: String },
    #[error("the certificate of {host} is not made for a server (extended key usage)")]
    WrongPurpose { host: String },
    #[error("the certificate of {host} is refused")]
    BadCertificate { host: String, source: rustls::Error },
    #[error("{host} does not speak TLS; set http:// in dcs-endpoints if that is meant")]
    NotTls { host: String },
    #[error("etcd demands a client certificate; set etcd-cert-file and etcd-key-file")]
    CertificateDemanded,
    #[error(
        "etcd refuses the handshake ({0:?}); it may not accept the client certificate: is it signed by the CA that \
             etcd trusts, and made for client use?"
    )]
    Refused(AlertDescription),
    #[error("the connection broke during the TLS handshake; does {host} speak TLS?")]
    Broken { host: String, source: io::Error },
    #[error("the TLS handshake with {host} failed")]
    Other { host: String, source: rustls::Error },
}

pub(crate) fn explain(host: &str, error: io::Error) -> HandshakeError {
    let host = host.to_owned();
    match find_tls(&error).cloned() {
        None => HandshakeError::Broken { host, source: error },
        Some(rustls::Error::InvalidCertificate(problem)) => certificate(host, problem),
        Some(rustls::Error::InvalidMessage(_)) => HandshakeError::NotTls { host },
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            HandshakeError::CertificateDemanded
        }
        Some(rustls::Error::AlertReceived(alert)) => HandshakeError::Refused(alert),
        Some(source) => HandshakeError::Other { host, source },
    }
}

fn certificate(host: String, problem: CertificateError) -> HandshakeError {
    match problem {
        // A bad signature is that of a CA which was made anew under the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => HandshakeError::UnknownIssuer { host },
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => HandshakeError::Expired { host },
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            HandshakeError::NotYetValid { host }
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            HandshakeError::NoName { host }
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            HandshakeError::WrongName { host, names: presented.iter().map(|name| plain(name)).collect() }
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            HandshakeError::WrongPurpose { host }
        }
        other => HandshakeError::BadCertificate { host, source: rustls::Error::InvalidCertificate(other) },
    }
}

/// The library prints a name as `DnsName("etcd1")`, an address as `IpAddress(10.0.0.1)`.
fn plain(name: &str) -> String {
    let inside = name.split_once('(').map_or(name, |(_kind, inside)| inside);
    inside.trim_end_matches(')').trim_matches('"').to_owned()
}

/// The TLS library's error, wherever it hides.
pub(crate) fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error::causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_tls_is_found_below_what_hides_it() {
        let tls = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let hidden = io::Error::new(io::ErrorKind::InvalidData, io::Error::other(tls));
        assert!(matches!(find_tls(&hidden), Some(rustls::Error::AlertReceived(_))));
        assert!(find_tls(&io::Error::from(io::ErrorKind::BrokenPipe)).is_none());
    }
}
