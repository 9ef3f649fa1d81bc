//! What went wrong at an endpoint, in words that lead to a cure.
//!
//! The library's own words hide the cause: a refused certificate shows as a broken pipe, a missing login as an invalid
//! argument. Here a status is sorted by what it means for the session, and the cause is dug out of the bottom of the
//! chain of sources.

use std::time::Duration;

use tokio_rustls::rustls::{self, AlertDescription};
use tonic::{Code, Status};

use crate::error::root;
use crate::source::client;
use crate::transport::stream::{Failure, FirstFailure};
use crate::transport::tls::{TlsSettings, find_tls};

/// Why a call was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no answer within {limit:.1?}")]
    Silent { limit: Duration },
    /// The endpoint lives, but cannot answer now: an election, no quorum, overload.
    #[error("it cannot answer: {0}")]
    NotNow(String),
    #[error("etcd no longer accepts the session's login")]
    LoginLost,
    #[error("etcd refuses the user or the password; check etcd-user and etcd-password")]
    WrongPassword,
    #[error("etcd demands a user; set etcd-user and etcd-password")]
    UserDemanded,
    #[error("etcd does not let this user do that")]
    Forbidden,
    #[error(
        "it belongs to another etcd cluster (id {0:x}) than the one in use, which most endpoints belonged to; \
         check dcs-endpoints"
    )]
    OtherCluster(u64),
    #[error(
        "it belongs to the etcd cluster {0:x}, other endpoints to another one, and neither has the majority, so \
         neither is believed; check dcs-endpoints"
    )]
    DividedClusters(u64),
    #[error("the answer is larger than 4 MiB")]
    TooLarge,
    #[error("etcd has authentication turned off")]
    AuthenticationOff,
    #[error("it shows the keys, but not what their leases have left: {0}")]
    LeaseUnknown(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Broken(String),
    #[error("{cause}, before any answer; {hint}")]
    BrokenAtOnce { cause: String, hint: &'static str },
    #[error("it ended the connection with the TLS alert {0:?}")]
    Alert(AlertDescription),
    #[error(
        "etcd refuses the client certificate ({0:?}); \
         is it signed by the CA that etcd trusts, and made for clients?"
    )]
    CertificateRefused(AlertDescription),
    #[error("etcd demands a client certificate; set etcd-cert-file and etcd-key-file")]
    CertificateDemanded,
}

impl CallError {
    /// One word for the counters.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Silent { .. } => "timeout",
            Self::NotNow(_) => "unavailable",
            Self::LoginLost | Self::WrongPassword | Self::UserDemanded | Self::Forbidden | Self::AuthenticationOff => {
                "login"
            }
            Self::OtherCluster(_) | Self::DividedClusters(_) => "cluster",
            Self::LeaseUnknown(_) => "lease",
            Self::Refused(_) | Self::TooLarge => "refused",
            Self::Broken(_) | Self::BrokenAtOnce { .. } => "connection",
            Self::Alert(_) | Self::CertificateRefused(_) | Self::CertificateDemanded => "tls",
        }
    }

    /// An error of TLS after the handshake: with TLS 1.3 the server judges the client's certificate only then.
    pub(super) fn from_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Alert(*alert),
            other => Self::Broken(other.to_string()),
        }
    }

    /// What the connection saw, in the place of what the library made of it.
    pub(super) fn corrected(self, record: &FirstFailure) -> Self {
        match (self, record.seen()) {
            (Self::Broken(_), Some(Failure::Closed)) => Self::Broken("it closed the connection".into()),
            (Self::Broken(_), Some(Failure::Broken(error))) => match find_tls(error) {
                Some(tls) => Self::from_tls(tls),
                None => Self::Broken(error.to_string()),
            },
            (error, _) => error,
        }
    }

    /// A connection that breaks before it gave any answer is mostly one that speaks another language, or lacks a
    /// certificate: the other side says so by hanging up, and seldom more.
    pub(super) fn before_any_answer(self, tls: Option<&TlsSettings>) -> Self {
        match (self, tls) {
            (Self::Alert(_), Some(tls)) if !tls.has_identity() => Self::CertificateDemanded,
            (Self::Alert(alert), Some(_)) => Self::CertificateRefused(alert),
            (Self::Broken(cause), None) => Self::BrokenAtOnce { cause, hint: "does this port expect https?" },
            (Self::Broken(cause), Some(tls)) if !tls.has_identity() => Self::BrokenAtOnce {
                cause,
                hint: "does etcd demand a client certificate? set etcd-cert-file and etcd-key-file",
            },
            (Self::Broken(cause), Some(_)) => {
                Self::BrokenAtOnce { cause, hint: "does etcd accept the client certificate of etcd-cert-file?" }
            }
            (other, _) => other,
        }
    }
}

impl From<CallError> for client::Failure {
    fn from(error: CallError) -> Self {
        Self {
            ends_session: !matches!(error, CallError::NotNow(_) | CallError::LeaseUnknown(_)),
            // Nothing is wrong but the age of the login.
            routine: matches!(error, CallError::LoginLost),
            ..Self::new(error.kind(), &error)
        }
    }
}

impl From<etcd_client::Error> for CallError {
    fn from(error: etcd_client::Error) -> Self {
        match error {
            etcd_client::Error::GRpcStatus(status) => Self::from(status),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        // The library's own limit.
        if status.code() == Code::OutOfRange && status.message().contains("decoded message length too large") {
            return Self::TooLarge;
        }
        let Some(message) = status.message().strip_prefix("etcdserver: ") else {
            return broken(&status);
        };
        match (status.code(), message) {
            (Code::Unauthenticated, _) => Self::LoginLost,
            (Code::PermissionDenied, _) => Self::Forbidden,
            (_, "authentication failed, invalid user ID or password") => Self::WrongPassword,
            (_, "user name is empty") => Self::UserDemanded,
            (_, "authentication is not enabled") => Self::AuthenticationOff,
            // The session logged in before the user's rights were changed.
            (_, "revision of auth store is old") => Self::LoginLost,
            (Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted, message) => {
                Self::NotNow(message.to_owned())
            }
            (_, message) => Self::Refused(message.to_owned()),
        }
    }
}

fn broken(status: &Status) -> CallError {
    match find_tls(status) {
        Some(tls) => CallError::from_tls(tls),
        None => CallError::Broken(root(status).unwrap_or_else(|| status.message().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(code: Code, message: &str) -> CallError {
        CallError::from(Status::new(code, message))
    }

    #[test]
    fn what_etcd_says_is_sorted_by_what_it_means() {
        let said = |code, message: &str| meaning(code, &format!("etcdserver: {message}"));
        assert!(matches!(said(Code::Unauthenticated, "invalid auth token"), CallError::LoginLost));
        assert!(matches!(said(Code::PermissionDenied, "permission denied"), CallError::Forbidden));
        assert!(matches!(said(Code::InvalidArgument, "user name is empty"), CallError::UserDemanded));
        assert!(matches!(said(Code::InvalidArgument, "revision of auth store is old"), CallError::LoginLost));
        let wrong = "authentication failed, invalid user ID or password";
        assert!(matches!(said(Code::InvalidArgument, wrong), CallError::WrongPassword));
        let off = "authentication is not enabled";
        assert!(matches!(said(Code::FailedPrecondition, off), CallError::AuthenticationOff));
        assert!(matches!(said(Code::FailedPrecondition, "something new"), CallError::Refused(_)));
    }

    #[test]
    fn an_endpoint_that_cannot_answer_now_keeps_its_session_and_a_broken_connection_does_not() {
        let ends_session = |code, message: &str| client::Failure::from(meaning(code, message)).ends_session;
        for message in ["no leader", "request timed out", "leader changed", "too many requests"] {
            assert!(!ends_session(Code::Unavailable, &format!("etcdserver: {message}")), "{message}");
        }
        assert!(ends_session(Code::Unavailable, "tcp connect error"));
        assert!(ends_session(Code::Cancelled, "Timeout expired"));
        assert!(ends_session(Code::Unauthenticated, "etcdserver: invalid auth token"));
    }
}
