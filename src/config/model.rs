//! The configuration as the rest of the program sees it: complete, checked, with nothing left to parse.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use super::stores::{
    ClaimType, Endpoint, Identity, Location, Login, OptionNames, Password, Secret, SourceConfig, SourceIndex,
    StoreConfig, StoreType, is_supported,
};
use crate::keeper::{ClaimMode, Schedule};
use crate::pace::Pace;
use crate::vip::{InterfaceName, Vip};

/// Everything that one run of the daemon needs to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// At least one, no two with the same address on the same interface.
    pub vips: Vec<VipConfig>,
    /// The stores of the leader keys: at least one, no two the same, each followed by a VIP.
    pub sources: Vec<SourceConfig>,
    /// Patroni's configurations that were read.
    pub patroni_files: Vec<PathBuf>,
    /// The times between two reads of the leader key.
    pub pace: Pace,
    /// What happens to held VIPs at a stop.
    pub on_stop: OnStop,
    /// The least severe level that is logged.
    pub log_level: LogLevel,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// Where the status is served.
    pub status: StatusConfig,
    /// It has a key that only releases before 6 needed, so it was written for one of them.
    pub older_release: bool,
}

/// Where the daemon answers for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusConfig {
    /// The Unix socket.
    pub socket: StatusSocket,
    /// The address of the HTTP listener, if any.
    pub listen: Option<SocketAddr>,
}

/// The Unix socket of the status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StatusSocket {
    /// The file of this name in the runtime directory that systemd has made for the unit, if it has.
    Named(String),
    /// This path.
    At(PathBuf),
    /// No socket.
    Nowhere,
}

impl StatusSocket {
    /// The directory that the units ask systemd for.
    pub const DIRECTORY: &str = "/run/vip-manager";

    /// The socket's file, where the runtime directory is this one.
    pub fn path(&self, directory: &Path) -> Option<PathBuf> {
        match self {
            Self::Named(name) => Some(directory.join(name)),
            Self::At(path) => Some(path.clone()),
            Self::Nowhere => None,
        }
    }
}

/// One VIP: its interface, its key, how long it may stay unconfirmed, how it is announced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VipConfig {
    /// The address and its prefix length.
    pub vip: Vip,
    /// The interface that it is added to.
    pub interface: InterfaceName,
    /// The store of the leader key.
    pub source: SourceIndex,
    /// The leader key to watch.
    pub key: String,
    /// The value of the key that means this host.
    pub value: String,
    /// At least three intervals, which are the full pace.
    pub hold_timeout: Duration,
    /// How long before the end of the key's lease the VIP is removed.
    pub lease_margin: Duration,
    /// Whether and how the VIP is claimed in the store.
    pub claim: ClaimConfig,
    /// How often the VIP is announced.
    pub announce: Schedule,
    /// Whether the TCP connections of the VIP are reset before it goes.
    pub reset_connections: bool,
    /// How long new connections are refused after a release; zero for not at all.
    pub refuse_after_release: Duration,
    /// Programs to run at its transitions.
    pub hooks: Hooks,
}

impl VipConfig {
    /// Whether this is the same entry, whichever store it follows.
    pub fn is_entry(&self, other: &Self) -> bool {
        let Self {
            vip,
            interface,
            source: _,
            key,
            value,
            hold_timeout,
            lease_margin,
            announce,
            reset_connections,
            refuse_after_release,
            hooks,
            claim,
        } = self;
        // A claim is a key in the store.
        let same_store = claim.mode == ClaimMode::Off || self.source == other.source;
        *vip == other.vip
            && *interface == other.interface
            && *key == other.key
            && *value == other.value
            && *hold_timeout == other.hold_timeout
            && *lease_margin == other.lease_margin
            && *announce == other.announce
            && *reset_connections == other.reset_connections
            && *refuse_after_release == other.refuse_after_release
            && *hooks == other.hooks
            && *claim == other.claim
            && same_store
    }
}

/// A key of our own in the store, beside the leader key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClaimConfig {
    /// Whether the VIP is claimed.
    pub mode: ClaimMode,
    /// The key of the claim.
    pub key: String,
    /// How long the store keeps the claim after its last renewal.
    pub ttl: Duration,
}

/// Programs of the user's, run when something happened to a VIP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hooks {
    /// After the VIP is acquired.
    pub acquire: Option<Hook>,
    /// After it is released.
    pub release: Option<Hook>,
    /// When another host claims it.
    pub conflict: Option<Hook>,
    /// How long each may take.
    pub limit: Duration,
}

/// A program by its full path, and its arguments. No shell is involved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hook {
    /// An absolute path.
    pub program: PathBuf,
    /// Passed as they are.
    pub arguments: Vec<String>,
}

/// What becomes of a held VIP when the daemon is told to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnStop {
    /// It is removed.
    Release,
    /// It stays for its kernel lifetime, for the next start to adopt.
    Keep,
}

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the names are the usual ones")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// Journald, a terminal or plain text, whichever stderr is.
    Auto,
    /// One JSON object per line.
    Json,
}
