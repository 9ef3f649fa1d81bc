//! What went wrong at a server, in words that lead to a cure.

use std::io;
use std::time::Duration;

use crate::config::model::OptionNames;
use crate::source::client::Failure;
use crate::source::secrets::SecretError;
use crate::transport::dial::DialError;
use crate::wire::jute::Code;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("it does not speak ZooKeeper's protocol; check dcs-endpoints: is it the client port?")]
    Foreign,
    #[error("it speaks TLS; set dcs-ca-file to its CA")]
    Tls,
}

impl From<io::Error> for LineError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Broken(error),
        }
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(
        "it closed the connection before a session began: it sees no quorum, or has too many connections of this host; \
         restore the other servers, or raise maxClientCnxns (its log says which)"
    )]
    NotServing,
    #[error(transparent)]
    Line(LineError),
    #[error("it does not begin a session within {limit:.1?}: it hangs, or sees no quorum")]
    NoSession { limit: Duration },
    #[error("ZooKeeper has ended the session")]
    Expired,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("ZooKeeper refuses to log in with the scheme digest; is that scheme turned off?")]
    LoginRefused,
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<LineError> for OpenError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Closed | LineError::Broken(_) => Self::NotServing,
            LineError::Foreign | LineError::Tls => Self::Line(error),
        }
    }
}

/// Why a request was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no answer within {limit:.1?}: it hangs, or the ensemble has no quorum")]
    Silent { limit: Duration },
    #[error("{0}")]
    Ended(String),
    #[error("ZooKeeper has ended the session")]
    Expired,
    #[error("it answers with {0}")]
    Refused(Code),
    #[error("the answer is larger than 2 MiB")]
    TooLarge,
    #[error("it answers with bytes that make no sense here")]
    Malformed,
}

impl From<Code> for CallError {
    fn from(code: Code) -> Self {
        if code == Code::SESSION_EXPIRED { Self::Expired } else { Self::Refused(code) }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match &error {
            OpenError::Dial(_) | OpenError::NotServing | OpenError::Line(_) => Self::new("connect", &error),
            OpenError::NoSession { .. } => Self::new("timeout", &error),
            OpenError::Expired => Self::new("session", &error),
            OpenError::Secret(_) | OpenError::LoginRefused => Self::new("login", &error),
            OpenError::Call(call) => call.clone().into(),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let kind = match &error {
            CallError::Silent { .. } => "timeout",
            CallError::Ended(_) | CallError::Expired => "session",
            CallError::Refused(_) | CallError::TooLarge | CallError::Malformed => "refused",
        };
        // A session that expired was that of a process that was stopped for a while.
        Self { routine: matches!(error, CallError::Expired), ..Self::new(kind, &error) }
    }
}

/// This session may not read a key. Everything else goes on.
pub(super) fn forbidden(key: &str, user: Option<&str>, has_certificate: bool, names: OptionNames) -> Failure {
    let cure = match (user, has_certificate) {
        (Some(user), _) => format!(
            "check {}, which ZooKeeper itself does not check, or have the znode created with an ACL that lets \
             digest:{user} read it",
            names.password
        ),
        (None, true) => {
            "add the subject of the client certificate to set_acls of Patroni's section zookeeper, with READ".to_owned()
        }
        (None, false) => format!(
            "log in with {} and {}, or with a client certificate ({}) that set_acls of Patroni's section zookeeper gives \
             READ",
            names.user, names.password, names.cert_file
        ),
    };
    let why = format!("the ACL of the znode {key} does not let this session read it (NOAUTH)");
    Failure { kind: "login", ends_session: false, routine: false, why, cure: Some(cure), hold_at_most: None }
}

/// The value of a key is absurdly large. Everything else goes on.
pub(super) fn too_large(key: &str) -> Failure {
    let why = format!("the value of {key} is larger than 2 MiB");
    Failure { kind: "refused", ends_session: false, routine: false, why, cure: None, hold_at_most: None }
}
