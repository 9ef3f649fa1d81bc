//! What every part of the validation works with: the given settings, the findings, the origins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::diagnostic::{Findings, Place};
use crate::config::file::FileSettings;
use crate::config::keys::Key;
use crate::config::patroni::{self, Surroundings};
use crate::config::setting::{Layer, Setting};

/// The problem is among the findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::config) struct Reported;

/// What was given, sorted by precedence.
pub(in crate::config) struct Given {
    pub(in crate::config) top: Layer,
    /// The entries of `vips`; nothing where there is no such list.
    pub(in crate::config) entries: Option<Vec<Entry>>,
    /// What Patroni's configuration gives that is named at the top.
    pub(in crate::config) patroni: Option<Layer>,
    /// What the variables of the store's own clients give, for a store that has such.
    pub(in crate::config) foreign: Layer,
    /// Those of them that have no effect.
    pub(in crate::config) foreign_warnings: Vec<(Place, String)>,
    /// Where Patroni's configurations are.
    pub(in crate::config) patroni_files: Vec<PathBuf>,
    /// The file that was read, or would have been.
    pub(in crate::config) file: Option<Arc<str>>,
    /// Whether all that was given could be read. Else what seems to be missing may well be there.
    pub(in crate::config) complete: bool,
    pub(in crate::config) host_name: Option<String>,
}

impl Given {
    /// Takes flags and variables together with the file, if one was read: its name, and what it holds if it could be
    /// understood.
    pub(in crate::config) fn new(
        named: Layer,
        file: Option<(Arc<str>, Option<FileSettings>)>,
        host_name: Option<String>,
        findings: &mut Findings,
    ) -> Self {
        let (path, file) = file.map_or((None, Some(FileSettings::default())), |(path, file)| (Some(path), file));
        let complete = file.is_some();
        let FileSettings { top, entries } = file.unwrap_or_default();
        let top = named.over(Layer::gather(top, findings));
        let gather = |(place, settings)| Entry { place, layer: Layer::gather(settings, findings), patroni: None };
        let entries = entries.map(|entries| entries.into_iter().map(gather).collect());
        Self {
            top,
            entries,
            patroni: None,
            foreign: Layer::default(),
            foreign_warnings: Vec::new(),
            patroni_files: Vec::new(),
            file: path,
            complete,
            host_name,
        }
    }

    /// Reads the configurations of Patroni that are named, each once.
    pub(in crate::config) fn follow_patroni(&mut self, surroundings: &Surroundings, findings: &mut Findings) {
        let mut known = BTreeMap::new();
        let layers = std::iter::once((&self.top, &mut self.patroni));
        let entries = self.entries.iter_mut().flatten().map(|entry| (&entry.layer, &mut entry.patroni));
        for (layer, derived) in layers.chain(entries) {
            let Some(setting) = layer.find(Key::PatroniConfig) else { continue };
            let read = known
                .entry(setting.text().to_owned())
                .or_insert_with(|| patroni::read(setting, surroundings, findings));
            match read {
                Some((_, patroni)) => {
                    let (settings, sound) = patroni.derive(layer, findings);
                    *derived = Some(settings);
                    self.complete &= sound;
                }
                None => self.complete = false,
            }
        }
        self.patroni_files = known.into_values().flatten().map(|(path, _)| path).collect();
    }
}

/// An entry of `vips`.
pub(in crate::config) struct Entry {
    pub(in crate::config) place: Place,
    pub(in crate::config) layer: Layer,
    /// What Patroni's configuration gives that the entry names.
    pub(in crate::config) patroni: Option<Layer>,
}

/// Where each value of a configuration comes from; what is absent is a default.
#[derive(Clone, Default, Debug)]
pub(in crate::config) struct Origins {
    pub(in crate::config) top: BTreeMap<Key, Origin>,
    /// In the order of [`Config::vips`](crate::config::Config::vips).
    pub(in crate::config) vips: Vec<BTreeMap<Key, Origin>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::config) struct Origin {
    pub(in crate::config) place: Place,
    /// The name that the value was given under.
    pub(in crate::config) name: String,
    /// What was written, unless it is a secret.
    pub(in crate::config) text: Option<String>,
}

impl Origin {
    pub(in crate::config) fn of(setting: &Setting) -> Self {
        let text = (!setting.is_secret()).then(|| setting.text().to_owned());
        Self { place: setting.place.clone(), name: setting.name.clone(), text }
    }
}

/// Gathers what is wrong while the configuration is put together.
pub(super) struct Validator<'a> {
    pub(super) given: &'a Given,
    pub(super) findings: &'a mut Findings,
}

impl Validator<'_> {
    /// The value of a setting; nothing where it is not set.
    pub(super) fn value<T>(
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

    pub(super) fn problem(&mut self, place: &Place, text: impl Into<String>) -> Reported {
        self.findings.problem(place, text);
        Reported
    }

    /// The place to point to where a key is set nowhere.
    pub(super) fn lacking(&self) -> Place {
        self.given.file.as_ref().map_or(Place::Nowhere, Place::file)
    }
}
