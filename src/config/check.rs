//! From settings to a [`Config`]: parses every value, then compares those that must agree.
//!
//! A check that fails notes its problem and goes on, so that one run names every mistake. [`Reported`] stands where
//! a value would: it says that the user has been told, and that nothing may be concluded from the absence.

mod addresses;
mod endpoints;
mod etcd;
mod vips;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::keys::{self, Key};
use super::model::{Config, LogFormat, LogLevel, OnStop};
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

impl Checker<'_> {
    fn check(&mut self) -> Result<(Config, Origins), Reported> {
        let interval = self.interval();
        let vips = self.vips(interval);
        let etcd = self.etcd();
        let dcs_type = self.choice(Key::DcsType, keys::DCS_TYPES);
        let manager_type = self.choice(Key::ManagerType, keys::MANAGER_TYPES);
        let on_stop = self.choice(Key::OnStop, keys::ON_STOP);
        let log_level = self.log_level();
        let log_format = self.choice(Key::LogFormat, keys::LOG_FORMATS);
        if let Some(file) = self.given.top.find(Key::LogFile) {
            self.findings.notice(&file.place, "log-file has no effect: the log goes to standard error");
        }
        dcs_type.and(manager_type)?;
        let (vips, origins) = vips?;
        let config = Config {
            vips,
            etcd: etcd?,
            interval: interval?,
            on_stop: if on_stop? == Some(1) { OnStop::Keep } else { OnStop::Release },
            log_level: log_level?,
            log_format: if log_format? == Some(1) { LogFormat::Json } else { LogFormat::Auto },
        };
        let top = self.given.top.settings().map(|setting| (setting.key, Origin::of(setting))).collect();
        Ok((config, Origins { top, vips: origins }))
    }

    fn interval(&mut self) -> Result<Duration, Reported> {
        let bounds = Duration::from_millis(50)..=Duration::from_secs(60);
        let interval = self.value(self.given.top.find(Key::Interval), |text| values::duration_within(text, &bounds))?;
        Ok(interval.unwrap_or(INTERVAL))
    }

    /// `verbose` is the historic way to say debug; the stronger of the two counts, and `log-level` among equals.
    fn log_level(&mut self) -> Result<LogLevel, Reported> {
        let top = &self.given.top;
        let verbose = self.value(top.find(Key::Verbose), values::switch);
        let level = self.choice(Key::LogLevel, keys::LOG_LEVELS)?;
        let by_level = top.find(Key::LogLevel).map(|setting| setting.place.level());
        let by_verbose = top.find(Key::Verbose).map(|setting| setting.place.level());
        let debug =
            verbose? == Some(true) && by_level.is_none_or(|level| by_verbose.is_some_and(|verbose| verbose < level));
        Ok(match level {
            _ if debug => LogLevel::Debug,
            Some(0) => LogLevel::Error,
            Some(1) => LogLevel::Warn,
            Some(3) => LogLevel::Debug,
            Some(4) => LogLevel::Trace,
            Some(_) | None => LogLevel::Info,
        })
    }

    fn choice(&mut self, key: Key, words: &'static [&'static str]) -> Result<Option<usize>, Reported> {
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
