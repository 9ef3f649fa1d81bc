//! Patroni's REST API as a store of the engine: polls, and no watch.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::answer::{Answer, Timing};
use super::judge::{Memory, STATUS, Unclear, compared};
use crate::config::model::StoreConfig;
use crate::endpoint::Endpoint;
use crate::keeper::KeyRead;
use crate::pace::Pace;
use crate::source::client::{Answers, Client, Connector, Events, Failure, Heard};
use crate::source::engine::Settings;
use crate::source::http::{Auth, HttpClient, HttpEndpoint, HttpOptions, RequestError};
use crate::source::keys::Keys;
use crate::source::report::KeyIndex;
use crate::time::Moment;
use crate::transport::dial::DialError;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};

/// The settings with a pace of its own: without a watch, the time between two polls is the time that a change may take.
pub(in crate::source) fn settings(settings: Settings) -> Settings {
    let pace = settings.pace.full.min(LONGEST_INTERVAL);
    Settings { pace: Pace::steady(pace), ..settings }
}

/// The endpoints by their names.
pub(in crate::source) fn connectors(
    config: &StoreConfig,
    settings: Settings,
    keys: &Arc<Keys>,
) -> Vec<(Arc<str>, PatroniConnector)> {
    let tls = tls_settings(config);
    let auth = Arc::new(Auth::none(settings.clock));
    let connector = |endpoint: &Endpoint| {
        let http = HttpEndpoint::new(HttpOptions {
            endpoint: endpoint.clone(),
            tls: Arc::clone(&tls),
            auth: Arc::clone(&auth),
            limit: settings.call_limit,
            clock: settings.clock,
        });
        let memory = Arc::new(Mutex::new(Remembered::default()));
        (http.name(), PatroniConnector { http, keys: Arc::clone(keys), memory, limit: settings.call_limit })
    };
    config.endpoints.iter().map(connector).collect()
}

/// The settings of TLS, with the names that the options of old files have, or the modern ones.
pub(super) fn tls_settings(config: &StoreConfig) -> Arc<TlsSettings> {
    let modern = config.names.ca_file == MODERN.ca && config.names.cert_file == MODERN.certificate;
    let names = if modern { &MODERN } else { &HISTORIC };
    Arc::new(TlsSettings::new(TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names }))
}

/// One endpoint, and what is remembered of it from session to session.
#[derive(Debug)]
pub(crate) struct PatroniConnector {
    pub(super) http: Arc<HttpEndpoint>,
    pub(super) keys: Arc<Keys>,
    pub(super) memory: Arc<Mutex<Remembered>>,
    pub(super) limit: Duration,
}

/// What is known of one Patroni.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    judge: Memory,
    /// When to ask for the settings again.
    ask_again_at: Moment,
}

/// Asks one Patroni.
#[derive(Clone, Debug)]
pub(crate) struct PatroniClient {
    http: HttpClient,
    keys: Arc<Keys>,
    memory: Arc<Mutex<Remembered>>,
    /// Whether it is at an address of this host.
    own: bool,
}

/// Nothing is ever heard: a sign of life is given for the asking, and the polls find what changes.
#[derive(Debug)]
pub(crate) struct Silence {
    due: Option<Heard>,
}

impl Connector for PatroniConnector {
    type Client = PatroniClient;

    /// A restart of Patroni must be noticed within its deadline.
    const LONGEST_PAUSE: Duration = Duration::from_millis(250);
    /// PostgreSQL may take a second or two for the query of a poll.
    const SILENT_ROUNDS: u32 = 8;

    async fn connect(&mut self) -> Result<PatroniClient, Failure> {
        let own = self.http.is_this_host(self.limit).await.map_err(|error| failure(error.into()))?;
        if !own && self.keys.all().any(|key| self.keys.value(key) == STATUS) {
            return Err(foreign());
        }
        let memory = Arc::clone(&self.memory);
        Ok(PatroniClient { http: self.http.client(), keys: Arc::clone(&self.keys), memory, own })
    }
}

impl Client for PatroniClient {
    type Events = Silence;

    async fn read(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        if self.memory().judge.timing.is_none() {
            self.refresh_timing().await;
        }
        // It must not delay the answer that counts.
        let (read, ()) = tokio::join!(self.poll(keys, answers), self.refresh_timing());
        read
    }

    async fn watch(&self) -> Result<Silence, Failure> {
        Ok(Silence { due: Some(Heard::Complete) })
    }
}

impl Events for Silence {
    async fn next(&mut self) -> Result<Heard, Failure> {
        match self.due.take() {
            Some(heard) => Ok(heard),
            None => pending().await,
        }
    }

    async fn ask_for_sign(&mut self) -> Result<(), Failure> {
        self.due = Some(Heard::Sign);
        Ok(())
    }
}

impl PatroniClient {
    /// One request for each different path.
    async fn poll(&self, keys: &[KeyIndex], answers: &Answers) -> Result<(), Failure> {
        let mut paths = BTreeMap::<&str, Vec<KeyIndex>>::new();
        for &key in keys {
            paths.entry(self.keys.name(key)).or_default().push(key);
        }
        for (path, keys) in paths {
            let sent_at = self.http.now();
            let answer = self.http.get(path).await.map_err(failure)?;
            let answered_at = self.http.now();
            let answer = Answer::parse(answer.status().as_u16(), answer.body());
            let memory = {
                let mut memory = self.memory();
                memory.judge.note(&answer, sent_at);
                memory.judge
            };
            let judge = |key: KeyIndex| {
                let value = compared(&answer, self.keys.value(key), self.own);
                let (names, tenure) = memory.judge(&answer, value, sent_at).map_err(|why| unclear(&why))?;
                let from = self.http.name();
                Ok(KeyRead { names, version: None, modified: None, tenure, sent_at, answered_at, from })
            };
            answers.give(keys.into_iter().map(|key| (key, judge(key))).collect()).await;
        }
        Ok(())
    }

    /// Asks for the settings, if that is due. Those from before stay in use while Patroni does not tell them: it cannot
    /// while its store is gone, and then nobody can change them.
    async fn refresh_timing(&self) {
        let now = self.http.now();
        if now < self.memory().ask_again_at {
            return;
        }
        let told = match timeout(TIMING_LIMIT, self.http.get("/config")).await {
            Ok(Ok(answer)) if answer.status() == 200 => Timing::parse(answer.body()),
            Ok(Ok(_) | Err(_)) | Err(_) => None,
        };
        let mut memory = self.memory();
        memory.ask_again_at = now + if told.is_some() { TIMING_AGE } else { TIMING_PAUSE };
        memory.judge.timing = told.or(memory.judge.timing);
    }

    fn memory(&self) -> MutexGuard<'_, Remembered> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody listens at this host's own address: Patroni has ended. One that was stopped has released its lock, and the next
/// leader is there within a second; one that is being restarted needs a few.
pub(super) fn failure(error: RequestError) -> Failure {
    let gone = matches!(
        &error,
        RequestError::Dial(DialError::Tcp { source, .. }) if source.kind() == io::ErrorKind::ConnectionRefused
    );
    Failure { hold_at_most: gone.then_some(HOLD_WITHOUT_PATRONI), ..Failure::from(error) }
}

fn unclear(why: &Unclear) -> Failure {
    let kind = match why {
        Unclear::Status(_) | Unclear::NotPatroni | Unclear::Nameless | Unclear::Another(_) => "refused",
        Unclear::Paused | Unclear::Unlocked | Unclear::Silent(_) => "lease",
    };
    Failure { ends_session: false, ..Failure::new(kind, why) }
}

fn foreign() -> Failure {
    Failure {
        kind: "refused",
        ends_session: true,
        routine: false,
        why: "it is not an address of this host, and every host that asks it would read the same answer".to_owned(),
        cure: Some(
            "set dcs-endpoints to this host's Patroni, such as http://127.0.0.1:8008, or trigger-value to this host's \
             member name in Patroni"
                .to_owned(),
        ),
        hold_at_most: Some(HOLD_WITHOUT_PATRONI),
    }
}

pub(super) const HOLD_WITHOUT_PATRONI: Duration = Duration::from_secs(2);
/// Patroni has the settings at hand, unless its store is gone.
const TIMING_LIMIT: Duration = Duration::from_millis(200);
/// Settings can be changed at any time.
const TIMING_AGE: Duration = Duration::from_secs(60);
const TIMING_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_INTERVAL: Duration = Duration::from_millis(250);
const MODERN: OptionNames = OptionNames {
    store: "Patroni",
    endpoints: "dcs-endpoints",
    ca: "dcs-ca-file",
    certificate: "dcs-cert-file",
    key: "dcs-key-file",
};
const HISTORIC: OptionNames =
    OptionNames { ca: "etcd-ca-file", certificate: "etcd-cert-file", key: "etcd-key-file", ..MODERN };
