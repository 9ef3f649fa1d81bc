//! The kinds of store: one row each, and the configuration of a store as the rest of the program sees it.
//!
//! # A new store
//! 1. a variant of [`SourceConfig`] and its arm in [`SourceConfig::parts`];
//! 2. a [`StoreType`], and its name in [`TYPES`]: only then it can be selected with `dcs-type`. What its trigger-key
//!    looks like is a function in [`trigger_key`];
//! 3. the help text of `dcs-type` in `keys/table.rs`.

mod claim;
pub mod trigger_key;

use std::fmt;
use std::path::PathBuf;

pub use self::claim::ClaimType;
use self::trigger_key::{TriggerKey, any_value, exact, rest_path, rest_value, rooted, unrooted};
pub use crate::endpoint::{Endpoint, Identity};
use crate::keeper::ClaimMode;

/// The store that holds the leader keys, one variant per kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceConfig {
    /// etcd v3.
    Etcd(StoreConfig),
    /// The v2 API of etcd, which is a store of its own.
    Etcd2(StoreConfig),
    /// Consul.
    Consul(StoreConfig),
    /// The REST API of this host's Patroni, whatever its store is.
    Patroni(StoreConfig),
    /// ZooKeeper.
    Zookeeper(StoreConfig),
    /// ZooKeeper, whose servers Exhibitor tells.
    Exhibitor(StoreConfig),
    /// Objects of Kubernetes.
    Kubernetes(StoreConfig),
}

/// The position of a store in [`Config::sources`](super::model::Config::sources).
pub type SourceIndex = usize;

impl SourceConfig {
    /// The row of this kind of store, and where the store is.
    pub const fn parts(&self) -> (&'static StoreType, &StoreConfig) {
        match self {
            Self::Etcd(store) => (&ETCD, store),
            Self::Etcd2(store) => (&ETCD2, store),
            Self::Consul(store) => (&CONSUL, store),
            Self::Patroni(store) => (&PATRONI, store),
            Self::Zookeeper(store) => (&ZOOKEEPER, store),
            Self::Exhibitor(store) => (&EXHIBITOR, store),
            Self::Kubernetes(store) => (&KUBERNETES, store),
        }
    }

    /// The row of this kind of store.
    pub const fn kind(&self) -> &'static StoreType {
        self.parts().0
    }

    /// Where the store is and how to be let in.
    pub const fn store(&self) -> &StoreConfig {
        self.parts().1
    }

    /// The name of this kind of store: a value of dcs-type.
    pub const fn name(&self) -> &'static str {
        self.kind().name
    }
}

/// The values of dcs-type. The first one is the default.
pub(super) const TYPES: &[(&str, &StoreType)] = &[
    (ETCD.name, &ETCD),
    ("etcd3", &ETCD),
    (ETCD2.name, &ETCD2),
    (CONSUL.name, &CONSUL),
    (ZOOKEEPER.name, &ZOOKEEPER),
    (EXHIBITOR.name, &EXHIBITOR),
    (KUBERNETES.name, &KUBERNETES),
    (PATRONI.name, &PATRONI),
];

/// Whether dcs-type may have this value.
pub fn is_supported(kind: &str) -> bool {
    TYPES.iter().any(|(name, _)| *name == kind)
}

/// etcd v3.
pub(super) const ETCD: StoreType = StoreType {
    name: "etcd",
    title: "etcd",
    port: 2379,
    endpoints: EndpointForm::Url,
    host: Some("127.0.0.1"),
    trigger_key: None,
    trigger_value: None,
    key: exact,
    value: any_value,
    foreign_variables: false,
    login: true,
    token: false,
    location: false,
    kubeconfig: false,
    claim: Some(ClaimType::key(ClaimMode::Off)),
    new: SourceConfig::Etcd,
};

/// The REST API of this host's Patroni.
pub(super) const PATRONI: StoreType = StoreType {
    name: "patroni",
    title: "Patroni",
    port: 8008,
    endpoints: EndpointForm::Url,
    host: Some("127.0.0.1"),
    trigger_key: Some("/leader"),
    trigger_value: Some("200"),
    key: rest_path,
    value: rest_value,
    foreign_variables: false,
    login: false,
    token: false,
    location: false,
    kubeconfig: false,
    claim: None,
    new: SourceConfig::Patroni,
};

/// ZooKeeper.
pub(super) const ZOOKEEPER: StoreType = StoreType {
    name: "zookeeper",
    title: "ZooKeeper",
    port: 2181,
    endpoints: EndpointForm::HostPort,
    host: Some("127.0.0.1"),
    trigger_key: None,
    trigger_value: None,
    key: rooted,
    value: any_value,
    foreign_variables: false,
    login: true,
    token: false,
    location: false,
    kubeconfig: false,
    claim: Some(ClaimType::key(ClaimMode::Auto)),
    new: SourceConfig::Zookeeper,
};

/// ZooKeeper, whose servers Exhibitor tells.
pub(super) const EXHIBITOR: StoreType =
    StoreType { name: "exhibitor", title: "Exhibitor", port: 8080, new: SourceConfig::Exhibitor, ..ZOOKEEPER };

/// etcd v2.
pub(super) const ETCD2: StoreType =
    StoreType { name: "etcd2", title: "etcd v2", key: rooted, new: SourceConfig::Etcd2, ..ETCD };

/// Consul.
pub(super) const CONSUL: StoreType = StoreType {
    name: "consul",
    title: "Consul",
    port: 8500,
    endpoints: EndpointForm::Url,
    host: Some("127.0.0.1"),
    trigger_key: None,
    trigger_value: None,
    key: unrooted,
    value: any_value,
    foreign_variables: true,
    login: false,
    token: true,
    location: true,
    kubeconfig: false,
    claim: Some(ClaimType::key(ClaimMode::Auto)),
    new: SourceConfig::Consul,
};

/// Objects of Kubernetes.
pub(super) const KUBERNETES: StoreType = StoreType {
    name: "kubernetes",
    title: "Kubernetes",
    port: 6443,
    endpoints: EndpointForm::Url,
    host: None,
    trigger_key: None,
    trigger_value: None,
    key: trigger_key::object,
    value: any_value,
    foreign_variables: false,
    login: false,
    token: true,
    location: false,
    kubeconfig: true,
    claim: Some(ClaimType::lease(ClaimMode::Auto)),
    new: SourceConfig::Kubernetes,
};

/// What is particular to a kind of store in the configuration.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says by itself which keys a store has")]
pub struct StoreType {
    /// The value of dcs-type that `show-config` prints.
    pub name: &'static str,
    /// How texts name it.
    pub title: &'static str,
    /// The port of an endpoint that names none.
    pub port: u16,
    /// How an endpoint is written.
    pub endpoints: EndpointForm,
    /// The endpoint where none is given; without it there may be none, and the source finds one.
    pub host: Option<&'static str>,
    /// The trigger-key where none is given; required if there is no default.
    pub trigger_key: Option<&'static str>,
    /// The trigger-value where none is given; the host name if there is no default.
    pub trigger_value: Option<&'static str>,
    /// Normalises a trigger-key, or refuses it.
    pub key: fn(&str) -> Result<TriggerKey, String>,
    /// Refuses a trigger-value that no answer of this store can have.
    pub value: fn(&str) -> Result<(), String>,
    /// Whether the variables of the store's own clients (`CONSUL_CACERT` and others) count.
    pub foreign_variables: bool,
    /// Whether it takes a user and a password.
    pub login: bool,
    /// Whether it takes a token.
    pub token: bool,
    /// Whether it has datacenters, namespaces and partitions.
    pub location: bool,
    /// Whether a kubeconfig can say where it is.
    pub kubeconfig: bool,
    /// How VIPs are claimed; nothing if there are no claims.
    pub claim: Option<ClaimType>,
    /// Makes the configuration of this kind.
    pub new: fn(StoreConfig) -> SourceConfig,
}

impl StoreType {
    /// An endpoint as one would write it.
    pub(super) fn example(&self) -> String {
        match self.endpoints {
            EndpointForm::Url => format!("http://10.0.0.1:{}", self.port),
            EndpointForm::HostPort => format!("10.0.0.1:{}", self.port),
        }
    }
}

/// The parts of a URL or of what may be one.
pub(super) struct UrlParts<'t> {
    pub(super) scheme: Option<&'t str>,
    /// The user, and the password if there is one.
    pub(super) user: Option<(&'t str, Option<&'t str>)>,
    /// Host and port.
    pub(super) authority: &'t str,
}

/// Takes a URL apart. What follows the authority is dropped.
pub(super) fn split_url(text: &str) -> UrlParts<'_> {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let whole = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let (user, authority) = whole.rsplit_once('@').map_or((None, whole), |(user, rest)| (Some(user), rest));
    let user = user.map(|user| user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password))));
    UrlParts { scheme, user, authority }
}

/// How an endpoint is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndpointForm {
    /// `http://HOST:PORT` or `https://HOST:PORT`; without a scheme, https where a TLS file is set.
    Url,
    /// `HOST:PORT`, or `HOST:PORT/PATH`, where the path is a root for all keys, the same for every endpoint. TLS where a
    /// TLS file is set.
    HostPort,
}

/// Where a store is and how to be let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreConfig {
    /// No two the same; at least one if the kind has a default host.
    pub endpoints: Vec<Endpoint>,
    /// The root of all keys, from the endpoints; it begins with a slash and does not end with one.
    pub root: Option<String>,
    /// The user to authenticate as, if any.
    pub login: Option<Login>,
    /// The token to authenticate with, if any.
    pub token: Option<Password>,
    /// Roots to trust; the system's where none is given.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key of this client.
    pub identity: Option<Identity>,
    /// Where in the store the keys are.
    pub location: Location,
    /// The file that says all of that, where there is one.
    pub kubeconfig: Kubeconfig,
    /// What messages call the options.
    pub names: OptionNames,
}

/// Where in the store the keys are, if not where the server that is asked itself is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Location {
    /// The datacenter.
    pub datacenter: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The admin partition.
    pub partition: Option<String>,
}

/// Which kubeconfig to use, and which context of it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Kubeconfig {
    /// Where it is, if it is named.
    pub file: Option<PathBuf>,
    /// The context, if it is not the current one.
    pub context: Option<String>,
}

impl StoreConfig {
    /// A store at these endpoints, without a login, with the system's roots.
    pub fn at(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            root: None,
            login: None,
            token: None,
            ca_file: None,
            identity: None,
            location: Location::default(),
            kubeconfig: Kubeconfig::default(),
            names: OptionNames::MODERN,
        }
    }
}

/// The names of the options as the user wrote them. One that is not set is named like those beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "named after the keys")]
pub struct OptionNames {
    pub user: &'static str,
    pub password: &'static str,
    pub password_file: &'static str,
    pub token: &'static str,
    pub token_file: &'static str,
    pub ca_file: &'static str,
    pub cert_file: &'static str,
    pub key_file: &'static str,
}

impl OptionNames {
    /// The modern names.
    pub const MODERN: Self = Self {
        user: "dcs-user",
        password: "dcs-password",
        password_file: "dcs-password-file",
        token: "dcs-token",
        token_file: "dcs-token-file",
        ca_file: "dcs-ca-file",
        cert_file: "dcs-cert-file",
        key_file: "dcs-key-file",
    };
}

/// A user of the store and where the password comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// Where the password comes from.
    pub password: Password,
}

/// Where a password or a token comes from. A file is read anew at each login, so that it can change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Password {
    /// The password itself.
    Given(Secret),
    /// The file that contains it.
    File(PathBuf),
}

/// A text that no output ever shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
