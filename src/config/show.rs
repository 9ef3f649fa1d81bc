//! Every value with where it came from, for `vip-manager show-config`. Secrets stay unsaid.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::diagnostic::Place;
use super::keys::{Key, Spec, TABLE};
use super::model::{Config, Hook, Password, SourceConfig, StatusSocket, StoreConfig, StoreType, VipConfig};
use super::stores::EndpointForm;
use super::validate::{Origin, Origins};
use super::values::{CLAIM_MODES, LOG_FORMATS, LOG_LEVELS, ON_STOP, show_duration, show_pace, word};
use crate::text::one_line;

/// The values of a configuration, ready to be printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    sections: Vec<(String, Vec<Row>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    name: &'static str,
    value: String,
    origin: String,
}

impl Settings {
    pub(super) fn of(config: &Config, origins: &Origins, file: Option<&Path>) -> Self {
        // A store that all have in common is shown once, with the origins of the first.
        let shared = match &config.sources[..] {
            [source] => Some((source, origins.vips.first().unwrap_or(&origins.top))),
            _ => None,
        };
        let of_store = |key: Key| shared.filter(|_| key.is_of_store());
        let common = rows(
            |spec| !spec.per_vip || of_store(spec.key).is_some(),
            |key| of_store(key).map_or(&origins.top, |(_, origins)| origins),
            |key| match of_store(key) {
                Some((source, origins)) => store_value(key, source, origins),
                None => common_value(key, config, file),
            },
            "default",
        );
        let mut sections = vec![("common to all".to_owned(), common)];
        for (vip, origins) in config.vips.iter().zip(&origins.vips) {
            let of_store = |key: Key| config.sources.get(vip.source).filter(|_| key.is_of_store());
            let rows = rows(
                |spec| spec.per_vip && !(shared.is_some() && spec.key.is_of_store()),
                |_| origins,
                |key| match of_store(key) {
                    Some(source) => store_value(key, source, origins),
                    // It is shown where it is in use.
                    None if key == Key::PatroniConfig => origins.get(&key).and_then(|origin| origin.text.clone()),
                    None => vip_value(key, vip),
                },
                default_value(config.sources.get(vip.source)),
            );
            sections.push((format!("{} on {}", vip.vip, vip.interface), rows));
        }
        Self { sections }
    }
}

fn rows<'o>(
    belongs: impl Fn(&Spec) -> bool,
    origins: impl Fn(Key) -> &'o BTreeMap<Key, Origin>,
    value: impl Fn(Key) -> Option<String>,
    trigger_value: &str,
) -> Vec<Row> {
    let specs = TABLE.iter().filter(|spec| belongs(spec));
    let row = |spec: &Spec| {
        let default = if spec.key == Key::TriggerValue { trigger_value } else { "default" };
        let origin =
            origins(spec.key).get(&spec.key).map_or_else(|| default.to_owned(), |origin| origin.shown(spec.key));
        value(spec.key).map(|value| Row { name: spec.name, value: one_line(&value), origin })
    };
    specs.filter_map(row).collect()
}

/// Where the trigger-value comes from if it is not set.
fn default_value(source: Option<&SourceConfig>) -> &'static str {
    let of_store = source.is_some_and(|source| source.kind().trigger_value.is_some());
    if of_store { "default" } else { "default, the host name" }
}

impl Origin {
    fn shown(&self, key: Key) -> String {
        match &self.place {
            Place::Flag(name) => format!("flag {name}"),
            Place::Variable(name) => name.clone(),
            Place::Line { .. } if self.name != key.name() => format!("{} ({})", self.place, self.name),
            Place::Line { .. } | Place::Nowhere => self.place.to_string(),
        }
    }
}

/// What concerns the store.
fn store_value(key: Key, source: &SourceConfig, origins: &BTreeMap<Key, Origin>) -> Option<String> {
    let (kind, store) = source.parts();
    let path = |path: Option<&Path>| path.map_or_else(|| NONE.to_owned(), |path| path.display().to_string());
    let secret = |key| if origins.contains_key(&key) { "(set, not shown)" } else { NONE }.to_owned();
    let identity = store.identity.as_ref();
    let roots = || "(roots of the system)".to_owned();
    let has_tokens = kind.token || origins.contains_key(&Key::DcsToken) || origins.contains_key(&Key::DcsTokenFile);
    let values = [
        (Key::DcsType, kind.name.to_owned()),
        (Key::DcsEndpoints, endpoints(kind, store)),
        (Key::DcsUser, store.login.as_ref().map_or_else(|| NONE.to_owned(), |login| login.user.clone())),
        (Key::DcsPassword, secret(Key::DcsPassword)),
        (Key::DcsPasswordFile, path(file_of(store.login.as_ref().map(|login| &login.password)))),
        (Key::DcsCaFile, store.ca_file.as_ref().map_or_else(roots, |file| path(Some(file)))),
        (Key::DcsCertFile, path(identity.map(|identity| identity.certificate.as_path()))),
        (Key::DcsKeyFile, path(identity.map(|identity| identity.key.as_path()))),
    ];
    let tokens = [(Key::DcsToken, secret(Key::DcsToken)), (Key::DcsTokenFile, path(file_of(store.token.as_ref())))];
    let tokens = tokens.into_iter().filter(|_| has_tokens);
    let context = store.kubeconfig.context.clone().unwrap_or_else(|| NONE.to_owned());
    let kubeconfig = [(Key::Kubeconfig, path(store.kubeconfig.file.as_deref())), (Key::KubeContext, context)];
    let kubeconfig = kubeconfig.into_iter().filter(|(key, _)| origins.contains_key(key));
    let option = |option: &Option<String>| option.clone().unwrap_or_else(|| NONE.to_owned());
    let places = [
        (Key::DcsDatacenter, option(&store.location.datacenter)),
        (Key::DcsNamespace, option(&store.location.namespace)),
        (Key::DcsPartition, option(&store.location.partition)),
    ];
    let places = places.into_iter().filter(|_| kind.location);
    values
        .into_iter()
        .chain(tokens)
        .chain(places)
        .chain(kubeconfig)
        .find(|(known, _)| *known == key)
        .map(|(_, value)| value)
}

fn endpoints(kind: &StoreType, store: &StoreConfig) -> String {
    let root = store.root.as_deref().unwrap_or_default();
    let endpoints = store.endpoints.iter().map(|endpoint| match kind.endpoints {
        EndpointForm::Url => endpoint.to_string(),
        EndpointForm::HostPort => format!("{}{root}", endpoint.authority()),
    });
    endpoints.collect::<Vec<_>>().join(",")
}

/// Nothing for the keys of a single VIP or a store, and for historic ones that live on in another.
fn common_value(key: Key, config: &Config, file: Option<&Path>) -> Option<String> {
    Some(match key {
        Key::Config => file.map_or_else(|| NONE.to_owned(), |file| file.display().to_string()),
        Key::Interval => show_pace(config.pace),
        Key::ManagerType => "basic".to_owned(),
        Key::OnStop => word(config.on_stop, ON_STOP).to_owned(),
        Key::LogLevel => word(config.log_level, LOG_LEVELS).to_owned(),
        Key::LogFormat => word(config.log_format, LOG_FORMATS).to_owned(),
        Key::StatusSocket => {
            let path = config.status.socket.path(Path::new(StatusSocket::DIRECTORY));
            path.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
        }
        Key::StatusListen => config.status.listen.map_or_else(|| "none".to_owned(), |address| address.to_string()),
        Key::LogFile
        | Key::Verbose
        | Key::Vips
        | Key::Ip
        | Key::Netmask
        | Key::Interface
        | Key::TriggerKey
        | Key::TriggerValue
        | Key::PatroniConfig
        | Key::DcsType
        | Key::DcsEndpoints
        | Key::DcsUser
        | Key::DcsPassword
        | Key::DcsPasswordFile
        | Key::DcsToken
        | Key::DcsTokenFile
        | Key::DcsDatacenter
        | Key::DcsNamespace
        | Key::DcsPartition
        | Key::DcsCaFile
        | Key::DcsCertFile
        | Key::DcsKeyFile
        | Key::Kubeconfig
        | Key::KubeContext
        | Key::HoldTimeout
        | Key::LeaseMargin
        | Key::Claim
        | Key::ClaimTtl
        | Key::ClaimKey
        | Key::AnnounceCount
        | Key::AnnounceInterval
        | Key::AnnounceRefresh
        | Key::RetryNum
        | Key::RetryAfter
        | Key::ResetConnections
        | Key::RefuseAfterRelease
        | Key::OnAcquire
        | Key::OnRelease
        | Key::OnConflict
        | Key::HookTimeout => return None,
    })
}

fn file_of(password: Option<&Password>) -> Option<&Path> {
    match password {
        Some(Password::File(path)) => Some(path),
        Some(Password::Given(_)) | None => None,
    }
}

fn vip_value(key: Key, config: &VipConfig) -> Option<String> {
    let announce = &config.announce;
    Some(match key {
        Key::Ip => config.vip.address().to_string(),
        Key::Netmask => config.vip.prefix().to_string(),
        Key::Interface => config.interface.to_string(),
        Key::TriggerKey => config.key.clone(),
        Key::TriggerValue => config.value.clone(),
        Key::HoldTimeout => show_duration(config.hold_timeout),
        Key::LeaseMargin => show_duration(config.lease_margin),
        Key::Claim => word(config.claim.mode, CLAIM_MODES).to_owned(),
        Key::ClaimTtl => show_duration(config.claim.ttl),
        Key::ClaimKey => config.claim.key.clone(),
        Key::AnnounceCount => {
            announce.count.map_or_else(|| "(built-in schedule)".to_owned(), |count| count.to_string())
        }
        Key::AnnounceInterval => announce.interval.map_or_else(|| "(built-in schedule)".to_owned(), show_duration),
        Key::AnnounceRefresh => show_duration(announce.refresh),
        Key::ResetConnections => config.reset_connections.to_string(),
        Key::RefuseAfterRelease => show_duration(config.refuse_after_release),
        Key::OnAcquire => hook(config.hooks.acquire.as_ref()),
        Key::OnRelease => hook(config.hooks.release.as_ref()),
        Key::OnConflict => hook(config.hooks.conflict.as_ref()),
        Key::HookTimeout => show_duration(config.hooks.limit),
        Key::Config
        | Key::PatroniConfig
        | Key::DcsType
        | Key::DcsEndpoints
        | Key::DcsUser
        | Key::DcsPassword
        | Key::DcsPasswordFile
        | Key::DcsCaFile
        | Key::DcsCertFile
        | Key::DcsKeyFile
        | Key::DcsToken
        | Key::DcsTokenFile
        | Key::DcsDatacenter
        | Key::DcsNamespace
        | Key::DcsPartition
        | Key::Kubeconfig
        | Key::KubeContext
        | Key::Interval
        | Key::ManagerType
        | Key::OnStop
        | Key::RetryNum
        | Key::RetryAfter
        | Key::LogLevel
        | Key::LogFormat
        | Key::LogFile
        | Key::Verbose
        | Key::StatusSocket
        | Key::StatusListen
        | Key::Vips => return None,
    })
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = || self.sections.iter().flat_map(|(_, rows)| rows);
        let names = rows().map(|row| row.name.chars().count()).max().unwrap_or_default();
        let values = rows().map(|row| row.value.chars().count()).max().unwrap_or_default().min(WIDEST);
        for (place, (title, rows)) in self.sections.iter().enumerate() {
            let gap = if place == 0 { "" } else { "\n" };
            writeln!(f, "{gap}{title}")?;
            for Row { name, value, origin } in rows {
                writeln!(f, "  {name:names$}  {value:values$}  {origin}")?;
            }
        }
        Ok(())
    }
}

fn hook(hook: Option<&Hook>) -> String {
    hook.map_or_else(
        || NONE.to_owned(),
        |hook| [&[hook.program.display().to_string()], hook.arguments.as_slice()].concat().join(" "),
    )
}

const NONE: &str = "(none)";
const WIDEST: usize = 40;
