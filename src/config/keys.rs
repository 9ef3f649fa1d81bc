//! The one table of keys.
//!
//! Flags, variables, the keys of the file, suggestions, `show-config`, the shipped sample and the reference in
//! `docs/configuration.md` all come from it or are compared with it, so that a key exists in one place and everywhere.

use std::sync::LazyLock;

/// A key by its meaning, whatever name it was given under. The order is that of [`TABLE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    Config,
    Ip,
    Netmask,
    Interface,
    TriggerKey,
    TriggerValue,
    DcsType,
    DcsEndpoints,
    EtcdUser,
    EtcdPassword,
    EtcdPasswordFile,
    EtcdCaFile,
    EtcdCertFile,
    EtcdKeyFile,
    ConsulToken,
    Interval,
    HoldTimeout,
    LeaseMargin,
    ManagerType,
    OnStop,
    AnnounceCount,
    AnnounceInterval,
    AnnounceRefresh,
    RetryNum,
    RetryAfter,
    ResetConnections,
    LogLevel,
    LogFormat,
    LogFile,
    Verbose,
    Vips,
}

/// What a key takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// One address or several.
    Addresses,
    Netmask,
    Interface,
    /// Any text, taken literally.
    Text,
    Choice(&'static [&'static str]),
    /// One endpoint or several.
    Endpoints,
    File,
    Duration,
    Count,
    Switch,
    /// A list of mappings; only a file can hold it.
    Entries,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub key: Key,
    /// The modern name, in kebab-case: the flag without its dashes, the key of the file.
    pub name: &'static str,
    /// Historic names, as they were written.
    pub aliases: &'static [&'static str],
    pub takes: Takes,
    /// What serves where nothing is given, in words where it is no fixed value.
    pub default: &'static str,
    pub help: &'static str,
    pub secret: bool,
    /// Whether an entry of `vips` may hold it.
    pub per_vip: bool,
}

impl Key {
    pub fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.spec().name
    }

    /// Whether it can be given as a flag or a variable.
    pub fn is_flat(self) -> bool {
        self != Self::Vips
    }
}

impl Takes {
    /// Whether several values may be given under one key.
    pub fn several(self) -> bool {
        matches!(self, Self::Addresses | Self::Endpoints)
    }

    /// The word that stands for the value in the help text.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Addresses => "ADDRESS[/PREFIX]",
            Self::Netmask => "BITS",
            Self::Interface => "NAME",
            Self::Text => "TEXT",
            Self::Choice(_) => "CHOICE",
            Self::Endpoints => "URL",
            Self::File => "FILE",
            Self::Duration => "DURATION",
            Self::Count => "NUMBER",
            Self::Switch => "BOOL",
            Self::Entries => "LIST",
        }
    }
}

/// A key found by one of its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    pub key: Key,
    /// Whether the name is not the modern one.
    pub historic: bool,
}

/// The key of this name in a file. Case and `_` for `-` are forgiven, as they ever were.
pub fn find(name: &str) -> Option<Found> {
    let plain = plain(name);
    TABLE
        .iter()
        .find(|spec| spec.name == plain || spec.aliases.iter().any(|alias| self::plain(alias) == plain))
        .map(|spec| Found { key: spec.key, historic: spec.name != name })
}

/// The key of this variable. `-` cannot stand in a variable's name, so `_` for it is no historic name here.
pub fn find_variable(name: &str) -> Option<Found> {
    let rest = name.strip_prefix("VIP_").filter(|rest| !rest.contains(|c: char| c.is_ascii_lowercase()))?;
    let plain = plain(rest);
    find(&plain).filter(|found| found.key.is_flat())
}

/// The variable that gives the key of this name: `VIP_TRIGGER_KEY`.
pub fn variable(name: &str) -> String {
    format!("VIP_{}", name.to_uppercase().replace('-', "_"))
}

/// The modern name that somebody who wrote `name` most likely meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    let names = TABLE.iter().flat_map(|spec| {
        let aliases = spec.aliases.iter().map(|alias| self::plain(alias));
        aliases.chain([spec.name.to_owned()]).map(move |known| (known, spec.name))
    });
    nearest_of(&plain, names)
}

/// The meaning whose text is close enough to `text` to be offered.
pub fn nearest_of<K: AsRef<str>, T>(text: &str, known: impl IntoIterator<Item = (K, T)>) -> Option<T> {
    let reach = (text.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|(name, meaning)| (strsim::damerau_levenshtein(text, name.as_ref()), meaning))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, meaning)| meaning)
}

/// All names under which a flag can be given: the modern one first, then each historic one in both spellings.
pub fn flag_names(spec: &'static Spec) -> &'static [String] {
    static NAMES: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| TABLE.iter().map(spellings).collect());
    &NAMES[spec.key as usize]
}

fn spellings(spec: &Spec) -> Vec<String> {
    let mut names = vec![spec.name.to_owned()];
    for name in std::iter::once(&spec.name).chain(spec.aliases) {
        for spelling in [(*name).to_owned(), plain(name), plain(name).replace('-', "_")] {
            if !names.contains(&spelling) {
                names.push(spelling);
            }
        }
    }
    names
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

pub(super) const SWITCH: &[&str] = &["true", "false", "yes", "no", "on", "off", "1", "0"];
pub(super) const DCS_TYPES: &[&str] = &["etcd", "etcd3"];
pub(super) const MANAGER_TYPES: &[&str] = &["basic"];
pub(super) const ON_STOP: &[&str] = &["release", "keep"];
pub(super) const LOG_LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
pub(super) const LOG_FORMATS: &[&str] = &["auto", "json"];

const PLAIN: Spec = Spec {
    key: Key::Config,
    name: "",
    aliases: &[],
    takes: Takes::Text,
    default: "",
    help: "",
    secret: false,
    per_vip: false,
};

/// Every key, in the order in which people read about them.
pub static TABLE: [Spec; 31] = [
    Spec {
        key: Key::Config,
        name: "config",
        aliases: &["configfile"],
        takes: Takes::File,
        default: "/etc/default/vip-manager.yml where it exists",
        help: "The file to read; it cannot stand in the file itself",
        ..PLAIN
    },
    Spec {
        key: Key::Ip,
        name: "ip",
        takes: Takes::Addresses,
        default: "required",
        help: "The virtual IP address, or several, IPv4 and IPv6; each may carry its prefix: 10.0.0.5/24",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::Netmask,
        name: "netmask",
        aliases: &["mask"],
        takes: Takes::Netmask,
        default: "32, or 128 for IPv6",
        help: "The prefix length, 1 to 32 or 1 to 128; -1 for the default. With both families up to 32 means IPv4, \
               above it IPv6",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::Interface,
        name: "interface",
        aliases: &["iface"],
        takes: Takes::Interface,
        default: "required",
        help: "The network interface that the address is put on",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::TriggerKey,
        name: "trigger-key",
        aliases: &["key"],
        default: "required",
        help: "The leader key, as Patroni writes it: /service/pg_cluster/leader",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::TriggerValue,
        name: "trigger-value",
        aliases: &["host", "nodename", "node_name"],
        default: "the host name",
        help: "The value of the key that means this host: the name of its member in Patroni",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::DcsType,
        name: "dcs-type",
        aliases: &["type", "endpoint_type"],
        takes: Takes::Choice(DCS_TYPES),
        default: "etcd",
        help: "Where the leader key lives: etcd or etcd3, which mean the same",
        ..PLAIN
    },
    Spec {
        key: Key::DcsEndpoints,
        name: "dcs-endpoints",
        aliases: &["endpoint", "endpoints"],
        takes: Takes::Endpoints,
        default: "127.0.0.1:2379",
        help: "The members of etcd, as a list or with commas. Without a scheme: http, or https where an etcd-*-file for \
               TLS is set",
        ..PLAIN
    },
    Spec {
        key: Key::EtcdUser,
        name: "etcd-user",
        aliases: &["etcd_user", "dcs-user"],
        help: "The user of etcd to authenticate as",
        ..PLAIN
    },
    Spec {
        key: Key::EtcdPassword,
        name: "etcd-password",
        aliases: &["etcd_password", "dcs-secret"],
        help: "The password of that user. As a flag every user of the host can read it: prefer the file or a variable",
        secret: true,
        ..PLAIN
    },
    Spec {
        key: Key::EtcdPasswordFile,
        name: "etcd-password-file",
        takes: Takes::File,
        help: "A file that holds the password, read anew at each login; instead of etcd-password",
        ..PLAIN
    },
    Spec {
        key: Key::EtcdCaFile,
        name: "etcd-ca-file",
        aliases: &["etcd_ca_file"],
        takes: Takes::File,
        default: "the roots of the system",
        help: "The certificate authorities to trust, in PEM",
        ..PLAIN
    },
    Spec {
        key: Key::EtcdCertFile,
        name: "etcd-cert-file",
        aliases: &["etcd_cert_file"],
        takes: Takes::File,
        help: "The client certificate, in PEM; needs etcd-key-file",
        ..PLAIN
    },
    Spec {
        key: Key::EtcdKeyFile,
        name: "etcd-key-file",
        aliases: &["etcd_key_file"],
        takes: Takes::File,
        help: "The private key of the client certificate, in PEM; needs etcd-cert-file",
        ..PLAIN
    },
    Spec {
        key: Key::ConsulToken,
        name: "consul-token",
        aliases: &["consul_token"],
        help: "Accepted for old files; etcd has no use for it",
        secret: true,
        ..PLAIN
    },
    Spec {
        key: Key::Interval,
        name: "interval",
        takes: Takes::Duration,
        default: "1s",
        help: "The time between two reads of the truth, 50ms to 60s",
        ..PLAIN
    },
    Spec {
        key: Key::HoldTimeout,
        name: "hold-timeout",
        takes: Takes::Duration,
        default: "10s, or three intervals where that is more",
        help: "How long the address may stay without a fresh read that says so, 2s to 1h, at least three intervals",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::LeaseMargin,
        name: "lease-margin",
        takes: Takes::Duration,
        default: "3s",
        help: "How long before the end of the key's lease the address goes, 1s to 60s",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::ManagerType,
        name: "manager-type",
        aliases: &["hosting-type", "hostingtype", "hosting_type", "manager-mode"],
        takes: Takes::Choice(MANAGER_TYPES),
        default: "basic",
        help: "How the address is managed: basic, on the interface of this host",
        ..PLAIN
    },
    Spec {
        key: Key::OnStop,
        name: "on-stop",
        takes: Takes::Choice(ON_STOP),
        default: "release",
        help: "What becomes of a held address when the daemon is stopped: release, or keep it for its kernel lifetime so \
               that the next start takes it over",
        ..PLAIN
    },
    Spec {
        key: Key::AnnounceCount,
        name: "announce-count",
        takes: Takes::Count,
        default: "6",
        help: "Announcements in a series, at least 1",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::AnnounceInterval,
        name: "announce-interval",
        takes: Takes::Duration,
        default: "growing: after 100ms, 500ms, 1.1s, 2.2s and 4.4s",
        help: "The time between two announcements of a series, 10ms to 60s",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::AnnounceRefresh,
        name: "announce-refresh",
        takes: Takes::Duration,
        default: "60s",
        help: "The time between two announcements afterwards, 1s to 24h; 0 for none",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::RetryNum,
        name: "retry-num",
        aliases: &["retry_num"],
        takes: Takes::Count,
        help: "The historic announce-count; counts where that is not set",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::RetryAfter,
        name: "retry-after",
        aliases: &["retry_after"],
        takes: Takes::Duration,
        help: "The historic announce-interval; counts where that is not set",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::ResetConnections,
        name: "reset-connections",
        takes: Takes::Switch,
        default: "true",
        help: "Whether TCP connections to the address are reset before it goes, so that clients reconnect at once",
        per_vip: true,
        ..PLAIN
    },
    Spec {
        key: Key::LogLevel,
        name: "log-level",
        takes: Takes::Choice(LOG_LEVELS),
        default: "info",
        help: "How much is logged: error, warn, info, debug or trace",
        ..PLAIN
    },
    Spec {
        key: Key::LogFormat,
        name: "log-format",
        takes: Takes::Choice(LOG_FORMATS),
        default: "auto",
        help: "How it is logged: auto (for journald, a terminal or plain, whichever listens) or json",
        ..PLAIN
    },
    Spec {
        key: Key::LogFile,
        name: "log-file",
        takes: Takes::File,
        help: "Accepted for old files; the log goes to standard error, which systemd hands to the journal",
        ..PLAIN
    },
    Spec {
        key: Key::Verbose,
        name: "verbose",
        takes: Takes::Switch,
        default: "false",
        help: "The historic log-level: debug",
        ..PLAIN
    },
    Spec {
        key: Key::Vips,
        name: "vips",
        takes: Takes::Entries,
        help: "Several virtual IPs: a list of mappings whose entries override the keys at the top. Only in the file",
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_keys_and_each_name_once() {
        let mut names = Vec::new();
        for (row, spec) in TABLE.iter().enumerate() {
            assert_eq!(spec.key as usize, row, "{}", spec.name);
            assert!(!spec.help.is_empty() && !spec.name.is_empty());
            names.extend(flag_names(spec));
        }
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_key_is_found_by_every_name_it_ever_had() {
        for (name, key, historic) in [
            ("interface", Key::Interface, false),
            ("iface", Key::Interface, true),
            ("Iface", Key::Interface, true),
            ("trigger_key", Key::TriggerKey, true),
            ("node_name", Key::TriggerValue, true),
            ("hosting-type", Key::ManagerType, true),
            ("hosting_type", Key::ManagerType, true),
            ("etcd_ca_file", Key::EtcdCaFile, true),
        ] {
            assert_eq!(find(name), Some(Found { key, historic }), "{name}");
        }
        assert_eq!(find("hold-timout"), None);
    }

    #[test]
    fn a_variable_is_the_name_in_upper_case() {
        assert_eq!(find_variable("VIP_ETCD_USER"), Some(Found { key: Key::EtcdUser, historic: false }));
        assert_eq!(find_variable("VIP_IFACE"), Some(Found { key: Key::Interface, historic: true }));
        assert_eq!(find_variable("VIP_iface"), None);
        assert_eq!(find_variable("VIP_VIPS"), None);
        assert_eq!(variable("trigger-key"), "VIP_TRIGGER_KEY");
    }

    #[test]
    fn what_was_meant_is_offered_and_nothing_far_fetched() {
        assert_eq!(nearest("hold-timout"), Some("hold-timeout"));
        assert_eq!(nearest("nodname"), Some("trigger-value"));
        assert_eq!(nearest("endpoitns"), Some("dcs-endpoints"));
        assert_eq!(nearest("colour"), None);
    }
}
