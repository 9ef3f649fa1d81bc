//! Why an endpoint cannot be asked, for `check`: the error in the words of a person who set it up.

use std::error::Error;
use std::time::UNIX_EPOCH;

use super::error::RequestError;
use crate::error::chain;
use crate::source::facts::Refusal;
use crate::time::WallTime;
use crate::transport::dial::DialError;
use crate::transport::http::HttpError;
use crate::transport::tls::HandshakeError;

/// What is where the endpoint should be, for the cures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// How it is called: Consul, etcd.
    pub(crate) name: &'static str,
    /// How to have it listen at this address.
    pub(crate) start: &'static str,
    /// What to look at if it does not answer.
    pub(crate) look: &'static str,
}

/// An error as a finding has it.
pub(crate) fn refusal(error: &RequestError, server: Server) -> Refusal {
    let cure = match error {
        RequestError::Dial(DialError::Resolve { host, .. } | DialError::NoAddress { host }) => {
            format!("correct the name in dcs-endpoints, or make it resolvable (getent hosts {host})")
        }
        RequestError::Dial(DialError::Tcp { .. }) => server.start.to_owned(),
        RequestError::Dial(DialError::TcpSilent { .. } | DialError::Silent { phase: "TCP", .. }) => {
            "is the host up, and does a firewall drop packets to this port?".to_owned()
        }
        RequestError::Dial(DialError::Handshake(HandshakeError::Broken { .. })) => {
            let cure = "does it speak TLS at all? if not, set http:// in dcs-endpoints".to_owned();
            return Refusal { cure, ..split(error, server) };
        }
        RequestError::Http(HttpError::Silent(limit)) => {
            return Refusal {
                why: format!(
                    "accepts connections but does not answer within {limit:.1?}: hung, overloaded, or without a quorum"
                ),
                cure: server.look.to_owned(),
            };
        }
        RequestError::Http(HttpError::Broken(_)) => {
            format!("is this the port for HTTP of {}?", server.name)
        }
        RequestError::Dial(_) | RequestError::Auth(_) | RequestError::Http(_) | RequestError::WantsTls => {
            return split(error, server);
        }
    };
    Refusal { why: chain(error), cure }
}

/// The daemon's errors end with the cure; their sources tell more of the cause.
fn split(error: &(dyn Error + 'static), server: Server) -> Refusal {
    let (top, whole) = (error.to_string(), chain(error));
    let sources = whole.strip_prefix(&top).unwrap_or_default();
    let (why, cure) = top.split_once("; ").unwrap_or((&top, server.look));
    Refusal { why: format!("{why}{sources}"), cure: cure.to_owned() }
}

/// The seconds by which an HTTP date is ahead of `now`.
pub(crate) fn seconds_ahead(date: &str, now: WallTime) -> Option<i64> {
    let theirs = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(i64::try_from(theirs.as_secs()).ok()? - i64::try_from(now.0.as_secs()).ok()?)
}
