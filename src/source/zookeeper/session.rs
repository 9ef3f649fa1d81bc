//! Makes sessions with one server: connects, begins a session, and logs in.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::connection::{Connection, Told, Upkeep, first_frame};
use super::error::{CallError, LineError, OpenError};
use crate::config::model::{self as config, Endpoint, Login, StoreConfig};
use crate::source::secrets::Secrets;
use crate::transport::dial::{Dialer, FILES_SHARE};
use crate::transport::stream::Stream;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};
use crate::wire::jute::{Code, Connected, SessionId, connect};

/// What a session asks for. ZooKeeper grants it up to a limit of its own, which is the limit of Patroni's session as well:
/// so the answer tells how long that one can last. More than this would change nothing.
pub(super) const SESSION: Duration = Duration::from_secs(60);

/// Makes sessions with one server.
#[derive(Debug)]
pub(super) struct Opener {
    /// As the log spells it.
    pub(super) name: Arc<str>,
    /// The TLS files, where this endpoint speaks TLS.
    pub(super) tls: Option<Arc<TlsSettings>>,
    pub(super) limit: Duration,
    /// What the user calls the options.
    pub(super) names: config::OptionNames,
    dialer: Dialer,
    login: Option<Login>,
    secrets: Mutex<Secrets>,
}

/// A session that has begun.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) told: mpsc::UnboundedReceiver<Told>,
    /// How long the session lasts without a packet.
    pub(super) timeout: Duration,
    pub(super) session: SessionId,
    /// The generation of the TLS files that it was made with.
    pub(super) generation: u64,
}

impl Opener {
    pub(super) fn new(endpoint: &Endpoint, config: &StoreConfig, tls: &Arc<TlsSettings>, limit: Duration) -> Self {
        Self {
            name: name(endpoint, config.root.as_deref()),
            tls: endpoint.tls.then(|| Arc::clone(tls)),
            limit,
            names: config.names,
            dialer: Dialer::new(endpoint.clone(), Arc::clone(tls)),
            login: config.login.clone(),
            secrets: Mutex::new(Secrets::new(config.names.password_file)),
        }
    }

    /// Whether the server can know this host by its certificate.
    pub(super) fn has_certificate(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_identity())
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.login.as_ref().map(|login| &*login.user)
    }

    /// Begins a session that lasts `wanted` without a packet, if ZooKeeper allows that.
    pub(super) async fn open(&self, wanted: Duration) -> Result<Opened, OpenError> {
        self.connect(wanted, SessionId::default(), Upkeep::Full).await
    }

    /// Continues the session of a claim through a new connection, or begins one where there is none.
    pub(super) async fn open_for_claim(&self, wanted: Duration, session: SessionId) -> Result<Opened, OpenError> {
        self.connect(wanted, session, Upkeep::None).await
    }

    async fn connect(&self, wanted: Duration, session: SessionId, upkeep: Upkeep) -> Result<Opened, OpenError> {
        let (mut stream, generation) = self.dialer.stream(&[], self.limit).await?;
        let begun = timeout(self.limit, begin(&mut stream, wanted, session)).await;
        let connected = begun.map_err(|_elapsed| OpenError::NoSession { limit: self.limit })??;
        let (connection, told) = Connection::start(stream, connected.timeout, upkeep);
        let Connected { timeout, session } = connected;
        let opened = Opened { connection, told, timeout, session, generation };
        self.log_in(&opened.connection).await?;
        Ok(opened)
    }

    async fn log_in(&self, connection: &Connection) -> Result<(), OpenError> {
        let Some(Login { user, password }) = &self.login else { return Ok(()) };
        let password = self.secrets.lock().await.read(password, self.limit / FILES_SHARE).await?;
        let answer = connection.log_in("digest", format!("{user}:{password}").as_bytes());
        let answer = timeout(self.limit, answer.answer()).await;
        let answer = answer.map_err(|_elapsed| CallError::Silent { limit: self.limit })??;
        match answer.reply()?.code {
            Code::OK => Ok(()),
            Code::AUTH_FAILED => Err(OpenError::LoginRefused),
            code => Err(CallError::from(code).into()),
        }
    }
}

async fn begin(stream: &mut Box<dyn Stream>, wanted: Duration, session: SessionId) -> Result<Connected, OpenError> {
    stream.write_all(&connect(wanted, session)).await.map_err(LineError::from)?;
    let frame = first_frame(stream).await?;
    match Connected::parse(&frame) {
        Some(connected) => Ok(connected),
        None if Connected::says_ended(&frame) => Err(OpenError::Expired),
        None => Err(LineError::Foreign.into()),
    }
}

/// An endpoint as one writes it for ZooKeeper.
pub(super) fn name(endpoint: &Endpoint, root: Option<&str>) -> Arc<str> {
    let whole = endpoint.to_string();
    let authority = whole.split_once("://").map_or(&*whole, |(_scheme, authority)| authority);
    format!("{authority}{}", root.unwrap_or_default()).into()
}

/// The settings of TLS, with the names of their options.
pub(super) fn tls_settings(config: &StoreConfig) -> Arc<TlsSettings> {
    let files = TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names: &NAMES };
    Arc::new(TlsSettings::new(files))
}

const NAMES: OptionNames = OptionNames {
    store: "ZooKeeper",
    endpoints: "dcs-endpoints",
    ca: "dcs-ca-file",
    certificate: "dcs-cert-file",
    key: "dcs-key-file",
};
