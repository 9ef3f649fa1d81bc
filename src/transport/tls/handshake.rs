//! Why a TLS handshake failed, in words that lead to a cure.

use std::error::Error;
use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

use super::OptionNames;
use super::verifier::is_authority;
use crate::error;

/// Why a TLS handshake failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the certificate of {host} is not signed by an authority that is trusted here; set {} to its CA", .names.ca)]
    UnknownIssuer { host: String, names: &'static OptionNames },
    #[error("the certificate of {host} has expired")]
    Expired { host: String },
    #[error("the certificate of {host} is not valid yet; is this machine's clock right?")]
    NotYetValid { host: String },
    #[error("the certificate of {host} is not for that name, but for {}", .names.join(", "))]
    WrongName { host: String, names: Vec<String> },
    #[error("the certificate of {host} has no subject alternative name; reissue it with one for {host}")]
    NoName { host: String },
    #[error("the certificate of {host} is not for server use (extended key usage)")]
    WrongPurpose { host: String },
    #[error(
        "the certificate of {host} is itself an authority (CA:TRUE), not a server's; add it to {}, or reissue it with \
         CA:FALSE", .names.ca
    )]
    IsAuthority { host: String, names: &'static OptionNames },
    #[error("the certificate of {host} is rejected")]
    BadCertificate { host: String, source: rustls::Error },
    #[error("{host} does not speak TLS; set http:// in {} if that is intended", .names.endpoints)]
    NotTls { host: String, names: &'static OptionNames },
    #[error("{} demands a client certificate; set {} and {}", .0.store, .0.certificate, .0.key)]
    CertificateDemanded(&'static OptionNames),
    #[error(
        "{0} refuses the handshake ({1:?}); it may not accept the client certificate: is it signed by the CA that {0} \
         trusts, and for client use?", .names.store, .alert
    )]
    Refused { names: &'static OptionNames, alert: AlertDescription },
    #[error("the connection broke during the TLS handshake; does {host} speak TLS?")]
    Broken { host: String, source: io::Error },
    #[error("the TLS handshake with {host} failed")]
    Other { host: String, source: rustls::Error },
}

impl HandshakeError {
    pub(crate) fn new(host: &str, names: &'static OptionNames, error: io::Error) -> Self {
        let host = host.to_owned();
        match find_tls(&error).cloned() {
            None => Self::Broken { host, source: error },
            Some(rustls::Error::InvalidCertificate(problem)) => certificate(host, names, problem),
            Some(rustls::Error::InvalidMessage(_)) => Self::NotTls { host, names },
            Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
                Self::CertificateDemanded(names)
            }
            Some(rustls::Error::AlertReceived(alert)) => Self::Refused { names, alert },
            Some(source) => Self::Other { host, source },
        }
    }
}

fn certificate(host: String, names: &'static OptionNames, problem: CertificateError) -> HandshakeError {
    match problem {
        // A bad signature is that of a CA that was recreated under the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            HandshakeError::UnknownIssuer { host, names }
        }
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
        other if is_authority(&other) => HandshakeError::IsAuthority { host, names },
        other => HandshakeError::BadCertificate { host, source: rustls::Error::InvalidCertificate(other) },
    }
}

/// rustls prints a name as `DnsName("etcd1")`, an address as `IpAddress(10.0.0.1)`.
fn plain(name: &str) -> String {
    let inside = name.split_once('(').map_or(name, |(_kind, inside)| inside);
    inside.trim_end_matches(')').trim_matches('"').to_owned()
}

/// The error of rustls anywhere in the chain.
pub(crate) fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error::causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_found_anywhere_in_the_chain() {
        let tls = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let hidden = io::Error::new(io::ErrorKind::InvalidData, io::Error::other(tls));
        assert!(matches!(find_tls(&hidden), Some(rustls::Error::AlertReceived(_))));
        assert!(find_tls(&io::Error::from(io::ErrorKind::BrokenPipe)).is_none());
    }
}
