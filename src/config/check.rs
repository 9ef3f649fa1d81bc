//! From settings to a [`Config`]: parses every value, then compares those that must agree.
//!
//! A check that fails notes its problem and goes on, so that one run names every mistake. [`Reported`] stands where
//! a value would: it says that the user has been told, and that nothing may be concluded from the absence.

mod addresses;
mod endpoints;
mod etcd;
mod vips;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::file::FileSettings;
use super::keys::Key;
use super::model::{Config, LogFormat, LogLevel, OnStop, StatusConfig, StatusSocket};
use super::place::Place;
use super::problem::Findings;
use super::setting::{Layer, Setting};
use super::values;

/// The problem is among the findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reported;

/// What was given, sorted by precedence.
pub(super) struct Given {
    pub(super) top: Layer,
    /// The entries of `vips`; nothing where there is no such list.
    pub(super) entries: Option<Vec<(Place, Layer)>>,
    /// The file that was read, or would have been.
    pub(super) file: Option<Arc<str>>,
    /// Whether all that was given could be read. Else what seems to be missing may well be there.
    pub(super) complete: bool,
    pub(super) host_name: Option<String>,
}

impl Given {
    /// Takes flags and variables together with the file, if one was read: its name, and what it holds if it could be
    /// understood.
    pub(super) fn new(
        named: Layer,
        file: Option<(Arc<str>, Option<FileSettings>)>,
        host_name: Option<String>,
        findings: &mut Findings,
    ) -> Self {
        let (path, file) = file.map_or((None, Some(FileSettings::default())), |(path, file)| (Some(path), file));
        let complete = file.is_some();
        let FileSettings { top, entries } = file.unwrap_or_default();
        let top = named.over(Layer::gather(top, findings));
        let gather = |(place, settings)| (place, Layer::gather(settings, findings));
        let entries = entries.map(|entries| entries.into_iter().map(gather).collect());
        Self { top, entries, file: path, complete, host_name }
    }
}

/// Where each value of a configuration comes from; what is absent is a default.
#[derive(Clone, Default, Debug)]
pub(super) struct Origins {
    pub(super) top: BTreeMap<Key, Origin>,
    /// In the order of [`Config::vips`].
    pub(super) vips: Vec<BTreeMap<Key, Origin>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    pub(super) place: Place,
    /// The name that the value was given under.
    pub(super) name: String,
}

impl Origin {
    pub(super) fn of(setting: &Setting) -> Self {
        Self { place: setting.place.clone(), name: setting.name.clone() }
    }
}

/// The configuration, or nothing where a problem was found.
pub(super) fn check(given: &Given, findings: &mut Findings) -> Option<(Config, Origins)> {
    let mut checker = Checker { given, findings };
    checker.check().ok()
}

struct Checker<'a> {
    given: &'a Given,
    findings: &'a mut Findings,
}

impl<'a> Checker<'a> {
    fn check(&mut self) -> Result<(Config, Origins), Reported> {
        let interval = self.interval();
        let vips = self.vips(interval);
        let etcd = self.etcd();
        let dcs_type = self.choice(Key::DcsType, values::DCS_TYPES);
        let manager_type = self.choice(Key::ManagerType, values::MANAGER_TYPES);
        let on_stop = self.choice(Key::OnStop, values::ON_STOP);
        let log_level = self.log_level();
        let log_format = self.choice(Key::LogFormat, values::LOG_FORMATS);
        let status = self.status();
        if let Some(file) = self.given.top.find(Key::LogFile) {
            self.findings.notice(&file.place, "log-file has no effect: the log goes to standard error");
        }
        dcs_type.and(manager_type)?;
        let (vips, origins) = vips?;
        let config = Config {
            vips,
            etcd: etcd?,
            interval: interval?,
            on_stop: on_stop?.unwrap_or(OnStop::Release),
            log_level: log_level?,
            log_format: log_format?.unwrap_or(LogFormat::Auto),
            status: status?,
        };
        Ok((config, Origins { top: self.origins(), vips: origins }))
    }

    fn interval(&mut self) -> Result<Duration, Reported> {
        let bounds = Duration::from_millis(50)..=Duration::from_secs(60);
        let interval = self.value(self.given.top.find(Key::Interval), |text| values::duration_within(text, &bounds))?;
        Ok(interval.unwrap_or(INTERVAL))
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

    /// The value of a setting; nothing where it is not set.
    fn value<T>(
        &mut self,
        setting: Option<&Setting>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Reported> {
        let Some(setting) = setting else { return Ok(None) };
        match parse(setting.text()) {
            Ok(value) => Ok(Some(value)),
            Err(why) => Err(self.problem(&setting.place, format!("{} {why}", setting.quoted()))),
        }
    }

    fn problem(&mut self, place: &Place, text: impl Into<String>) -> Reported {
        self.findings.problem(place, text);
        Reported
    }

    /// The place to point to where a key is set nowhere.
    fn lacking(&self) -> Place {
        self.given.file.as_ref().map_or(Place::Nowhere, Place::file)
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
