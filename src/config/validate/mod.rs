//! From settings to a [`Config`]: parses every value, then compares those that must agree.
//!
//! A check that fails notes its problem and goes on, so that one run names every mistake. [`Reported`] takes the
//! place of a value: the problem was reported, and nothing may be concluded from the absence.

mod addresses;
mod claims;
mod endpoints;
mod scope;
mod store;
mod validator;
mod vips;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::diagnostic::Findings;
use super::keys::Key;
use super::model::{Config, LogFormat, LogLevel, OnStop, StatusConfig, StatusSocket};
use super::setting::Setting;
use super::stores::SourceConfig;
use super::values;
use crate::pace::Pace;
use validator::Validator;
pub(super) use validator::{Given, Origin, Origins, Reported};

/// The configuration, or nothing where a problem was found.
pub(super) fn validate(given: &Given, findings: &mut Findings) -> Option<(Config, Origins)> {
    let mut validator = Validator { given, findings };
    validator.config().ok()
}

impl<'a> Validator<'a> {
    fn config(&mut self) -> Result<(Config, Origins), Reported> {
        let pace = self.pace();
        let mut scopes = self.scopes();
        let (stores, sources) = self.stores(&mut scopes);
        let vips = self.vips(pace.map(|pace| pace.full), &scopes, &stores);
        let manager_type = self.manager_type();
        let on_stop = self.choice(Key::OnStop, values::ON_STOP);
        let log_level = self.log_level();
        let log_format = self.choice(Key::LogFormat, values::LOG_FORMATS);
        let status = self.status();
        if let Some(file) = self.given.top.find(Key::LogFile) {
            self.findings.notice(&file.place, "log-file has no effect: the log goes to standard error");
        }
        manager_type?;
        let (vips, origins) = vips?;
        let config = Config {
            vips,
            pace: pace?,
            on_stop: on_stop?.unwrap_or(OnStop::Release),
            log_level: log_level?,
            log_format: log_format?.unwrap_or(LogFormat::Auto),
            status: status?,
            older_release: self.is_for_older_release(&sources),
            sources,
            patroni_files: self.given.patroni_files.clone(),
        };
        Ok((config, Origins { top: self.origins(), vips: origins }))
    }

    /// A token that the store has no use for was needed by an older release.
    fn is_for_older_release(&self, sources: &[SourceConfig]) -> bool {
        let token = self.given.top.find(Key::DcsToken).map(Setting::good_name);
        let needless = token == Some("consul-token") && !sources.iter().any(|source| source.kind().token);
        needless || OLD_KEYS.iter().any(|key| self.given.top.find(*key).is_some())
    }

    fn pace(&mut self) -> Result<Pace, Reported> {
        let bounds = Duration::from_millis(50)..=Duration::from_secs(60);
        let interval = self.value(self.given.top.find(Key::Interval), |text| values::duration_within(text, &bounds))?;
        Ok(interval.map_or(Pace::USUAL, Pace::steady))
    }

    /// Only one kind of manager does something else, and is refused. The predecessor took any other value as `basic`.
    fn manager_type(&mut self) -> Result<(), Reported> {
        let Some(setting) = self.given.top.find(Key::ManagerType) else { return Ok(()) };
        match setting.text().trim() {
            "basic" => {}
            "hetzner" => {
                let text = format!("{} is not supported; expected basic", setting.quoted());
                return Err(self.problem(&setting.place, text));
            }
            _ => {
                let text = format!("{} is unknown, treated as basic; expected basic", setting.quoted());
                self.findings.warning(&setting.place, text);
            }
        }
        Ok(())
    }

    fn status(&mut self) -> Result<StatusConfig, Reported> {
        let socket = self.value(self.given.top.find(Key::StatusSocket), values::status_socket);
        let listen = self.value(self.given.top.find(Key::StatusListen), values::listen)?;
        let socket = socket?.unwrap_or_else(|| StatusSocket::Named(self.socket_name()));
        Ok(StatusConfig { socket, listen: listen.flatten() })
    }

    /// Each instance has a file of its own, and the socket is named after it.
    fn socket_name(&self) -> String {
        let named = self.given.top.find(Key::Config).map(|setting| setting.text().trim_start_matches('-').to_owned());
        let stem = named.as_deref().and_then(|path| Path::new(path).file_stem()).and_then(|stem| stem.to_str());
        format!("{}.sock", stem.unwrap_or("vip-manager"))
    }

    fn log_level(&mut self) -> Result<LogLevel, Reported> {
        let verbose = self.value(self.given.top.find(Key::Verbose), values::switch);
        let level = self.choice(Key::LogLevel, values::LOG_LEVELS)?;
        let debug = verbose? == Some(true) && self.verbose().is_some();
        Ok(if debug { LogLevel::Debug } else { level.unwrap_or(LogLevel::Info) })
    }

    /// The historic way to say debug, where it counts: where it is given on a stronger level than `log-level`.
    fn verbose(&self) -> Option<&'a Setting> {
        let level = |key| self.given.top.find(key).map_or(u8::MAX, |setting: &Setting| setting.place.level());
        self.given.top.find(Key::Verbose).filter(|_| level(Key::Verbose) < level(Key::LogLevel))
    }

    fn origins(&self) -> BTreeMap<Key, Origin> {
        let settings = self.given.top.settings();
        let mut origins: BTreeMap<_, _> = settings.map(|setting| (setting.key, Origin::of(setting))).collect();
        let verbose = self.verbose().filter(|setting| values::switch(setting.text()) == Ok(true));
        origins.extend(verbose.map(|setting| (Key::LogLevel, Origin::of(setting))));
        origins
    }

    fn choice<T: Copy>(&mut self, key: Key, words: values::Words<T>) -> Result<Option<T>, Reported> {
        self.value(self.given.top.find(key), |text| values::choice(text, words))
    }
}

/// Keys that releases before 6 needed and this one does not.
const OLD_KEYS: [Key; 5] = [Key::ManagerType, Key::RetryNum, Key::RetryAfter, Key::LogFile, Key::Verbose];
