//! One connection to one endpoint of etcd, logged in.
//!
//! It is dropped whole and made anew whenever anything about it fails: the library would go on with a dead connection or
//! an expired login in ways that differ from call to call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, KvClient, LeaseClient, MaintenanceClient, WatchClient};
use tokio::time::timeout;

use super::error::CallError;
use crate::config::model::{Login, StoreConfig};
use crate::source::secrets::{SecretError, Secrets};
use crate::transport::dial::{Connection, DialError, Dialer, FILES_SHARE};
use crate::transport::stream::FirstFailure;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};

/// Why no session came about.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Login(#[from] CallError),
}

/// Connects to one endpoint, and logs in.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) name: Arc<str>,
    pub(super) dialer: Dialer,
    /// The TLS files, where this endpoint speaks TLS.
    pub(super) tls: Option<Arc<TlsSettings>>,
    pub(super) login: Option<Login>,
    pub(super) passwords: Secrets,
    pub(super) limit: Duration,
    /// Whether it was told, for all endpoints, that the login is not needed.
    pub(super) told_needless: Arc<AtomicBool>,
}

#[derive(Clone)]
pub(super) struct Session {
    name: Arc<str>,
    client: Client,
    failure: FirstFailure,
    /// Whether a user is configured, whatever etcd made of it.
    has_login: bool,
}

impl Connector {
    /// The session, and the generation of the TLS files that it was made with.
    pub(super) async fn open(&mut self) -> Result<(Session, u64), OpenError> {
        let Connection { channel, failure, generation } = self.dialer.dial(self.limit).await?;
        let client = self.log_in(Channel::Tonic(channel), &failure).await?;
        let (name, has_login) = (Arc::clone(&self.name), self.login.is_some());
        Ok((Session { name, client, failure, has_login }, generation))
    }

    async fn log_in(&mut self, channel: Channel, failure: &FirstFailure) -> Result<Client, OpenError> {
        // An endpoint that lost its quorum must say so, and end its watches, instead of serving the past.
        let options = ConnectOptions::new().with_require_leader(true);
        let Some(login) = &self.login else {
            return Ok(self.client(channel, options, failure).await?);
        };
        let with_user = options
            .clone()
            .with_user(login.user.clone(), self.passwords.read(&login.password, self.limit / FILES_SHARE).await?);
        match self.client(channel.clone(), with_user, failure).await {
            Err(CallError::AuthenticationOff) => {
                if !self.told_needless.swap(true, Ordering::Relaxed) {
                    tracing::warn!("etcd has authentication turned off: etcd-user {} is not needed", login.user);
                }
                Ok(self.client(channel, options, failure).await?)
            }
            other => Ok(other?),
        }
    }

    async fn client(
        &self,
        channel: Channel,
        options: ConnectOptions,
        failure: &FirstFailure,
    ) -> Result<Client, CallError> {
        match timeout(self.limit, Client::from_channel(channel, Some(options))).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(CallError::from(error).corrected(failure).before_any_answer(self.tls.as_deref())),
            Err(_elapsed) => Err(CallError::Silent { limit: self.limit }),
        }
    }
}

impl Session {
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(super) fn kv(&self) -> KvClient {
        self.client.kv_client()
    }

    pub(super) fn leases(&self) -> LeaseClient {
        self.client.lease_client()
    }

    pub(super) fn maintenance(&self) -> MaintenanceClient {
        self.client.maintenance_client()
    }

    pub(super) fn watches(&self) -> WatchClient {
        self.client.watch_client()
    }

    /// The error as the connection and the login have it.
    pub(super) fn correct(&self, error: CallError) -> CallError {
        match error.corrected(&self.failure) {
            // Authentication was turned on after this session began without it.
            CallError::UserDemanded if self.has_login => CallError::LoginLost,
            error => error,
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The settings of TLS, with the names of their options.
pub(super) fn tls_settings(config: &StoreConfig) -> Arc<TlsSettings> {
    let names = if config.names.ca_file == NAMES.ca || config.names.cert_file == NAMES.certificate {
        &NAMES
    } else {
        &MODERN_NAMES
    };
    let files = TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names };
    Arc::new(TlsSettings::new(files))
}

const NAMES: OptionNames = OptionNames {
    store: "etcd",
    endpoints: "dcs-endpoints",
    ca: "etcd-ca-file",
    certificate: "etcd-cert-file",
    key: "etcd-key-file",
};
const MODERN_NAMES: OptionNames =
    OptionNames { ca: "dcs-ca-file", certificate: "dcs-cert-file", key: "dcs-key-file", ..NAMES };
