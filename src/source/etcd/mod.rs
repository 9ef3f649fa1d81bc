//! The leader keys in etcd v3.
//!
//! # Why not one client over all endpoints
//! Every member has a client, a connection and a watch of its own, all of them at once. A client over several endpoints picks
//! one at random for each call, so a single silent member fails a third of them for as long as it is silent, and a watch
//! that must first fail over comes late. With a watch on each member the first to say it is the one that counts.
//!
//! # Tasks
//! | task | owns | gives |
//! |---|---|---|
//! | `member`, one a member | connection, login, first read, watch, sign of life | `Report::Read`, `Report::Changed`, a `Wake` a change, its row on the `endpoints`, its [`EndpointState`] |
//! | `reader` | the interval, reads | `Report::Read`, `Report::Unreachable` |
//! | reads, one a read | the order in which members are asked | – |
//!
//! `reports` is bounded, and whoever fills it waits for the driver. No task waits for another but through `wakes`, which the
//! reader always empties: it waits for nobody but the driver. So nothing can stand still in a circle.
//!
//! # Sessions end, reads decide
//! Whatever goes wrong with a session (a stream that ends, one watch cancelled or compacted, a call past its limit, a
//! login that expired, TLS files that changed) drops it whole, and the next begins with a linearizable read. What a
//! watch says only wakes; it is reported at once and followed by a read through the member that said it.
//!
//! # Cancellation
//! Dropping a [`Source`] aborts the tasks, and with them everything they wait for. No task holds anything that
//! would have to be put back. Calls that outlive their read_any end with their session. A question to the system's resolver
//! cannot be stopped and may outlive the source by a few seconds: end the runtime with `shutdown_background`.
//!
//! # What it costs
//! In each interval one transaction for each 128 keys, and one question for each different lease of keys that name us; for each
//! member one request for a sign of life in each five intervals.

mod error;
mod inspect;
mod keys;
mod member;
mod pace;
mod read;
mod reader;
pub(super) mod session;
mod watch;

pub(crate) use inspect::inspect;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::{mpsc, watch as state};
use tokio::task::JoinSet;

use self::keys::Keys;
use self::member::{Member, StateReporter};
use self::reader::{Reader, Shared};
use self::session::Connector;
use super::{Report, Watched};
use crate::clock;
use crate::config::model::EtcdConfig;
use crate::source::endpoints::Endpoints;
use crate::source::facts::SourceError;
use crate::time::Moment;
use crate::transport::dial::Dialer;
use crate::transport::tls::{OptionNames, TlsFiles, TlsSettings};

/// Reports that may wait for the driver.
const REPORTS: usize = 64;
/// Intervals after which a silent watch is asked for a sign of life. The reads, which go to every member in turn, find a
/// dead connection sooner; this finds the stream that died on a living one.
const KEEPALIVE: u32 = 5;
/// Changes that may wait for the reader.
const WAKES: usize = 64;

/// A running source. Dropping it ends everything it started.
#[derive(Debug)]
pub struct Source {
    pub reports: mpsc::Receiver<Report>,
    members: Vec<state::Receiver<EndpointState>>,
    endpoints: Arc<Endpoints>,
    _tasks: JoinSet<()>,
}

/// One member, as this host sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointState {
    pub endpoint: Arc<str>,
    pub link: Link,
    /// How long it has been so.
    pub since: Moment,
}

/// How it stands with a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Link {
    Connecting,
    /// It answered a read and watches every key.
    Up,
    Down {
        why: Arc<str>,
    },
}

impl Link {
    pub const fn is_down(&self) -> bool {
        matches!(self, Self::Down { .. })
    }
}

/// The settings of TLS, with the names of their options.
fn tls_settings(config: &EtcdConfig) -> Arc<TlsSettings> {
    let files = TlsFiles { ca: config.ca_file.clone(), identity: config.identity.clone(), names: &NAMES };
    Arc::new(TlsSettings::new(files))
}

const NAMES: OptionNames = OptionNames {
    store: "etcd",
    endpoints: "dcs-endpoints",
    ca: "etcd-ca-file",
    certificate: "etcd-cert-file",
    key: "etcd-key-file",
};

/// Starts to read and watch. Must be called within a tokio runtime.
///
/// `interval` lies between two reads of every key. `call_limit` is how long an answer may take before the member is
/// given up and connected anew: about three intervals, and no more than a third of the shortest hold-timeout.
pub fn start(config: &EtcdConfig, interval: Duration, call_limit: Duration, watched: Vec<Watched>) -> Source {
    let names: Vec<Arc<str>> = config.endpoints.iter().map(|endpoint| endpoint.to_string().into()).collect();
    let keys = Arc::new(Keys::new(watched));
    let endpoints = Arc::new(Endpoints::new(names.iter().cloned()));
    let tls = tls_settings(config);
    let told_needless = Arc::new(AtomicBool::new(false));
    let (report_sender, reports) = mpsc::channel(REPORTS);
    let (wake_sender, wakes) = mpsc::channel(WAKES);
    let mut tasks = JoinSet::new();
    let mut members = Vec::new();
    for (index, (endpoint, name)) in config.endpoints.iter().zip(names).enumerate() {
        let initial = EndpointState { endpoint: Arc::clone(&name), link: Link::Connecting, since: clock::now() };
        let (state_sender, state) = state::channel(initial);
        members.push(state);
        let connector = Connector {
            name: Arc::clone(&name),
            dialer: Dialer::new(endpoint.clone(), Arc::clone(&tls)),
            tls: endpoint.tls.then(|| Arc::clone(&tls)),
            login: config.login.clone(),
            limit: call_limit,
            told_needless: Arc::clone(&told_needless),
        };
        let member = Member {
            index,
            connector,
            keys: Arc::clone(&keys),
            endpoints: Arc::clone(&endpoints),
            reports: report_sender.clone(),
            wakes: wake_sender.clone(),
            keepalive: interval * KEEPALIVE,
            reporter: StateReporter::new(name, state_sender),
        };
        tasks.spawn(member.run());
    }
    let shared =
        Shared { keys, endpoints: Arc::clone(&endpoints), reports: report_sender, interval, limit: call_limit };
    tasks.spawn(Reader::new(shared, wakes).run());
    Source { reports, members, endpoints, _tasks: tasks }
}

impl Source {
    /// What went wrong since the start, by member and kind.
    pub fn errors(&self) -> Vec<(SourceError, u64)> {
        self.endpoints.errors()
    }

    /// How it stands with each member.
    pub fn members(&self) -> Vec<EndpointState> {
        self.members.iter().map(|member| member.borrow().clone()).collect()
    }
}
