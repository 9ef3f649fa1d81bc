//! What a key is: its meaning, what it takes, what a row of the table says of it.

/// A key by its meaning, whatever name it was given under. The order is that of the table of keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "the row of the table describes each key")]
pub enum Key {
    Config,
    Ip,
    Netmask,
    Interface,
    TriggerKey,
    TriggerValue,
    PatroniConfig,
    DcsType,
    DcsEndpoints,
    DcsUser,
    DcsPassword,
    DcsPasswordFile,
    DcsToken,
    DcsTokenFile,
    DcsDatacenter,
    DcsNamespace,
    DcsPartition,
    DcsCaFile,
    DcsCertFile,
    DcsKeyFile,
    Kubeconfig,
    KubeContext,
    Interval,
    HoldTimeout,
    LeaseMargin,
    Claim,
    ClaimTtl,
    ClaimKey,
    ManagerType,
    OnStop,
    AnnounceCount,
    AnnounceInterval,
    AnnounceRefresh,
    RetryNum,
    RetryAfter,
    ResetConnections,
    RefuseAfterRelease,
    OnAcquire,
    OnRelease,
    OnConflict,
    HookTimeout,
    LogLevel,
    LogFormat,
    LogFile,
    Verbose,
    StatusSocket,
    StatusListen,
    Vips,
}

/// What a key takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// One address or several.
    Addresses,
    /// A prefix length, or -1.
    Netmask,
    /// The name of a network interface.
    Interface,
    /// Any text, taken literally.
    Text,
    /// One of a few words.
    Choice,
    /// One endpoint or several.
    Endpoints,
    /// A path.
    File,
    /// A program, alone or in a list with its arguments.
    Program,
    /// Milliseconds, or a number with a unit.
    Duration,
    /// An address and a port to listen on.
    Listen,
    /// A whole number.
    Count,
    /// A boolean.
    Switch,
    /// A list of mappings; only a file can hold it.
    Entries,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The key that the row describes.
    pub key: Key,
    /// The modern name, in kebab-case: the flag without its dashes, the key of the file.
    pub name: &'static str,
    /// Names that are as good as the modern one: what files in use call it. Nothing is said of them.
    pub also: &'static [&'static str],
    /// Historic names, as they were written.
    pub aliases: &'static [&'static str],
    /// The kind of its value.
    pub takes: Takes,
    /// What serves where nothing is given, in words where it is no fixed value.
    pub default: &'static str,
    /// One sentence for `--help`, the man page and the reference.
    pub help: &'static str,
    /// Whether no output may show the value.
    pub secret: bool,
    /// Whether an entry of `vips` may hold it.
    pub per_vip: bool,
}

impl Key {
    /// Whether it can be given as a flag or a variable.
    pub fn is_flat(self) -> bool {
        self != Self::Vips
    }

    /// The key of the file that may hold the value of this one instead.
    pub fn file_instead(self) -> Option<Self> {
        TWINS.iter().find(|(given, _)| *given == self).map(|(_, file)| *file)
    }

    /// The key that counts with this one or instead of it: where one is set, nothing weaker gives the other.
    pub fn twin(self) -> Option<Self> {
        let pairs = TWINS.iter().chain(&[(Self::DcsCertFile, Self::DcsKeyFile)]);
        pairs.flat_map(|pair| [*pair, (pair.1, pair.0)]).find(|(one, _)| *one == self).map(|(_, other)| other)
    }

    /// Whether it says where the store is or how to be let in.
    pub fn is_of_store(self) -> bool {
        STORE.contains(&self)
    }
}

const TWINS: [(Key, Key); 2] = [(Key::DcsPassword, Key::DcsPasswordFile), (Key::DcsToken, Key::DcsTokenFile)];
const STORE: [Key; 15] = [
    Key::DcsType,
    Key::DcsEndpoints,
    Key::DcsUser,
    Key::DcsPassword,
    Key::DcsPasswordFile,
    Key::DcsToken,
    Key::DcsTokenFile,
    Key::DcsDatacenter,
    Key::DcsNamespace,
    Key::DcsPartition,
    Key::Kubeconfig,
    Key::KubeContext,
    Key::DcsCaFile,
    Key::DcsCertFile,
    Key::DcsKeyFile,
];

impl Takes {
    /// Whether several values may be given under one key.
    pub fn several(self) -> bool {
        matches!(self, Self::Addresses | Self::Endpoints)
    }

    /// Whether the file may hold a list, whose elements are taken as they are.
    pub fn listed(self) -> bool {
        self.several() || self == Self::Program
    }

    /// The placeholder of the value in the help text.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Addresses => "ADDRESS[/PREFIX]",
            Self::Netmask => "BITS",
            Self::Interface => "NAME",
            Self::Text => "TEXT",
            Self::Choice => "CHOICE",
            Self::Endpoints => "URL",
            Self::File => "FILE",
            Self::Program => "PROGRAM",
            Self::Duration => "DURATION",
            Self::Listen => "ADDRESS:PORT",
            Self::Count => "NUMBER",
            Self::Switch => "BOOL",
            Self::Entries => "LIST",
        }
    }
}

/// What a row need not say.
pub(super) const PLAIN: Spec = Spec {
    key: Key::Config,
    name: "",
    also: &[],
    aliases: &[],
    takes: Takes::Text,
    default: "",
    help: "",
    secret: false,
    per_vip: false,
};

/// A row whose key an entry of `vips` may hold.
pub(super) const PER_VIP: Spec = Spec { per_vip: true, ..PLAIN };
