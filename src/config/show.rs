//! Every value with where it came from, for `vip-manager show-config`. Secrets stay unsaid.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::diagnostic::Place;
use super::keys::{Key, Spec, TABLE};
use super::model::{Config, Hook, Password, StatusSocket, VipConfig};
use super::validate::{Origin, Origins};
use super::values::{LOG_FORMATS, LOG_LEVELS, ON_STOP, show_duration, word};
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
        let common = rows(false, &origins.top, |key| common_value(key, config, origins, file));
        let mut sections = vec![("common to all".to_owned(), common)];
        for (vip, origins) in config.vips.iter().zip(&origins.vips) {
            let title = format!("{} on {}", vip.vip, vip.interface);
            sections.push((title, rows(true, origins, |key| vip_value(key, vip))));
        }
        Self { sections }
    }
}

fn rows(per_vip: bool, origins: &BTreeMap<Key, Origin>, value: impl Fn(Key) -> Option<String>) -> Vec<Row> {
    let specs = TABLE.iter().filter(|spec| spec.per_vip == per_vip);
    let row = |spec: &Spec| {
        let default = if spec.key == Key::TriggerValue { "default, the host name" } else { "default" };
        let origin = origins.get(&spec.key).map_or_else(|| default.to_owned(), |origin| origin.shown(spec.key));
        value(spec.key).map(|value| Row { name: spec.name, value: one_line(&value), origin })
    };
    specs.filter_map(row).collect()
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

/// Nothing for the keys of a single VIP, and for historic ones that live on in another.
fn common_value(key: Key, config: &Config, origins: &Origins, file: Option<&Path>) -> Option<String> {
    let store = config.source.store();
    let given = |key| if origins.top.contains_key(&key) { "(set, not shown)" } else { NONE }.to_owned();
    let path = |path: Option<&Path>| path.map_or_else(|| NONE.to_owned(), |path| path.display().to_string());
    let identity = store.identity.as_ref();
    let password_file = file_of(store.login.as_ref().map(|login| &login.password));
    Some(match key {
        Key::Config => path(file),
        Key::DcsType => config.source.name().to_owned(),
        Key::DcsEndpoints => store.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Key::DcsUser => store.login.as_ref().map_or_else(|| NONE.to_owned(), |login| login.user.clone()),
        Key::DcsToken | Key::DcsTokenFile if !config.source.kind().token && !origins.top.contains_key(&key) => {
            return None;
        }
        Key::DcsPassword | Key::DcsToken => given(key),
        Key::DcsPasswordFile => path(password_file),
        Key::DcsTokenFile => path(file_of(store.token.as_ref())),
        Key::DcsCaFile => {
            store.ca_file.as_ref().map_or_else(|| "(roots of the system)".to_owned(), |file| path(Some(file)))
        }
        Key::DcsCertFile => path(identity.map(|identity| identity.certificate.as_path())),
        Key::DcsKeyFile => path(identity.map(|identity| identity.key.as_path())),
        Key::Interval => show_duration(config.interval),
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
        | Key::HoldTimeout
        | Key::LeaseMargin
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
