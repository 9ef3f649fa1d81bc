//! Why a request was not answered, or refused.

use super::auth::AuthError;
use crate::source::client::Failure;
use crate::transport::dial::DialError;
use crate::transport::http::HttpError;

/// Why there is no answer to a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("it expects TLS; set https:// in dcs-endpoints")]
    WantsTls,
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let kind = match &error {
            RequestError::Dial(_) => "connect",
            RequestError::Auth(_) => "login",
            RequestError::Http(HttpError::Silent(_)) => "timeout",
            RequestError::Http(HttpError::TooLong(_) | HttpError::Request(_)) => "refused",
            RequestError::Http(HttpError::Tls(_)) | RequestError::WantsTls => "tls",
            RequestError::Http(HttpError::Broken(_) | HttpError::Closed | HttpError::Connection(_)) => "connection",
        };
        Self::new(kind, &error)
    }
}

/// The store refuses a request for reasons of its login or its rights. The session goes on: the secret may be changed,
/// and rights may be granted.
pub(crate) fn login_refused(why: String, cure: String) -> Failure {
    Failure { kind: "login", ends_session: false, routine: false, why, cure: Some(cure), hold_at_most: None }
}
