//! A session: one connection to one member, logged in, with what is under way on it.
//!
//! It is dropped whole and made anew whenever anything about it fails: the library would go on with a dead connection or
//! an expired login in ways that differ from call to call. Whoever finds it broken says so with [`Session::end`]; the
//! member's task hears it, and every call through it ends.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, KvClient, LeaseClient, MaintenanceClient, WatchClient};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::error::CallError;
use super::keys::Keys;
use super::read::read;
use crate::config::model::{Login, Password};
use crate::source::{KeyIndex, Report};
use crate::transport::credential;
use crate::transport::dial::{Connection, DialError, Dialer};
use crate::transport::stream::FirstFailure;
use crate::transport::tls::TlsSettings;

/// Why no session came about.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("cannot read etcd-password-file {}{}", .path.display(), credential::cure("etcd-password-file", path, source))]
    Password { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Login(#[from] CallError),
}

/// The ways to a session with one member.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) name: Arc<str>,
    pub(super) dialer: Dialer,
    /// The TLS files, where this member speaks TLS.
    pub(super) tls: Option<Arc<TlsSettings>>,
    pub(super) login: Option<Login>,
    pub(super) limit: Duration,
    /// Whether it was told, for all members, that the login is not needed.
    pub(super) told_needless: Arc<AtomicBool>,
}

#[derive(Clone)]
pub(in crate::source) struct Session {
    shared: Arc<Shared>,
    alive: watch::Receiver<()>,
}

struct Shared {
    name: Arc<str>,
    client: Client,
    failure: FirstFailure,
    /// Whether a user is configured, whatever etcd made of it.
    has_login: bool,
    turn: Arc<Semaphore>,
    end: mpsc::Sender<CallError>,
}

/// The member task's end of a session: dropping it ends every call.
#[derive(Debug)]
pub(super) struct SessionGuard {
    pub(super) generation: u64,
    failures: mpsc::Receiver<CallError>,
    _alive: watch::Sender<()>,
}

impl Connector {
    pub(super) async fn open(&mut self) -> Result<(Session, SessionGuard), OpenError> {
        let Connection { channel, failure, generation } = self.dialer.dial(self.limit).await?;
        let client = self.log_in(Channel::Tonic(channel), &failure).await?;
        let (end, failures) = mpsc::channel(1);
        let (alive_guard, alive) = watch::channel(());
        let turn = Arc::new(Semaphore::new(1));
        let (name, has_login) = (Arc::clone(&self.name), self.login.is_some());
        let shared = Arc::new(Shared { name, client, failure, has_login, turn, end });
        Ok((Session { shared, alive }, SessionGuard { generation, failures, _alive: alive_guard }))
    }

    async fn log_in(&self, channel: Channel, failure: &FirstFailure) -> Result<Client, OpenError> {
        // A member that lost its quorum must say so, and end its watches, instead of serving the past.
        let options = ConnectOptions::new().with_require_leader(true);
        let Some(login) = &self.login else {
            return Ok(self.client(channel, options, failure).await?);
        };
        let with_user = options.clone().with_user(login.user.clone(), password(&login.password)?);
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

/// A file is read at each login, so that a changed password needs no restart.
fn password(password: &Password) -> Result<String, OpenError> {
    match password {
        Password::Given(secret) => Ok(secret.reveal().to_owned()),
        Password::File(path) => {
            let path = credential::located(path);
            match fs::read_to_string(&path) {
                Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(source) => Err(OpenError::Password { path, source }),
            }
        }
    }
}

impl Session {
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.shared.name)
    }

    pub(super) fn kv(&self) -> KvClient {
        self.shared.client.kv_client()
    }

    pub(super) fn leases(&self) -> LeaseClient {
        self.shared.client.lease_client()
    }

    pub(super) fn maintenance(&self) -> MaintenanceClient {
        self.shared.client.maintenance_client()
    }

    pub(super) fn watches(&self) -> WatchClient {
        self.shared.client.watch_client()
    }

    /// The right to a round's read, where no other is under way.
    pub(in crate::source) fn take_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.turn).try_acquire_owned().ok()
    }

    /// Whether no round's read is under way.
    pub(in crate::source) fn is_idle(&self) -> bool {
        self.shared.turn.available_permits() > 0
    }

    /// Reads the keys; see [`read`].
    pub(super) async fn read(
        &self,
        keys: &Arc<Keys>,
        which: &[KeyIndex],
        limit: Duration,
        reports: &mpsc::Sender<Report>,
    ) -> Result<i64, CallError> {
        let mut alive = self.alive.clone();
        tokio::select! {
            answer = read(self, keys, which, limit, reports) => answer.map_err(|error| self.correct(error)),
            _ended = alive.changed() => Err(CallError::Ended),
        }
    }

    /// The error as the connection and the login have it.
    pub(super) fn correct(&self, error: CallError) -> CallError {
        match error.corrected(&self.shared.failure) {
            // Authentication was turned on after this session began without it.
            CallError::UserDemanded if self.shared.has_login => CallError::LoginLost,
            error => error,
        }
    }

    /// Tells the member's task that this session is of no use any more. The first cause stands.
    pub(super) fn end(&self, cause: CallError) {
        let _first_cause_stands = self.shared.end.try_send(cause);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl SessionGuard {
    /// Waits until somebody finds the session broken.
    pub(super) async fn failure(&mut self) -> CallError {
        self.failures.recv().await.unwrap_or(CallError::Ended)
    }
}
