//! Collects the settings that follow from Patroni's configuration.

use super::lookup::Lookup;
use super::tree::{self, Map, Value};
use crate::config::diagnostic::{Findings, Place};
use crate::config::keys::Key;
use crate::config::setting::{Item, Layer, Setting};

/// Patroni's configuration, read and merged.
#[derive(Debug)]
pub(in crate::config) struct Patroni {
    pub(super) root: Map,
    /// The file or directory.
    pub(super) place: Place,
    /// How names of services become servers.
    pub(super) lookup: Lookup,
}

impl Patroni {
    /// What follows for the keys that are not set beside `patroni-config`, and whether all that does was found.
    pub(in crate::config) fn derive(&self, beside: &Layer, findings: &mut Findings) -> (Layer, bool) {
        let Self { root, place, lookup } = self;
        let mut derivation =
            Derivation { root, place, lookup: *lookup, beside, settings: Vec::new(), sound: true, findings };
        let store = derivation.store();
        if let Some(store) = store {
            derivation.endpoints(store);
        }
        derivation.trigger_key(store);
        derivation.trigger_value();
        let Derivation { settings, sound, findings, .. } = derivation;
        (Layer::gather(settings, findings), sound)
    }
}

/// Collects what follows from Patroni's configuration.
pub(super) struct Derivation<'a> {
    pub(super) root: &'a Map,
    pub(super) place: &'a Place,
    pub(super) lookup: Lookup,
    /// What is set beside `patroni-config`: it wins, and nothing that it makes needless is a mistake.
    pub(super) beside: &'a Layer,
    settings: Vec<Setting>,
    sound: bool,
    pub(super) findings: &'a mut Findings,
}

impl<'a> Derivation<'a> {
    pub(super) fn is_set(&self, key: Key) -> bool {
        self.beside.find(key).is_some()
    }

    /// Adds a setting. `name` is where it comes from, as in `etcd3.hosts`.
    pub(super) fn set(&mut self, key: Key, name: &str, place: &Place, texts: impl IntoIterator<Item = String>) {
        let by_file = key.file_instead().is_some_and(|file| self.is_set(file));
        if !self.is_set(key) && !by_file {
            let items = texts.into_iter().map(|text| Item { text, place: place.clone() }).collect();
            self.settings.push(Setting::new(key, name, place.clone(), items));
        }
    }

    /// Adds a setting whose value stands in the section as it is.
    pub(super) fn copy(&mut self, key: Key, section: Section<'a>, name: &str) {
        if let Some((text, place)) = section.text(name) {
            self.set(key, &section.name(name), place, [text.to_owned()]);
        }
    }

    /// The names of the files that TLS needs, where they are called as etcd and Consul have them. A certificate without a
    /// key has the key in the same file.
    pub(super) fn tls_files(&mut self, section: Section<'a>) {
        self.copy(Key::DcsCaFile, section, "cacert");
        self.certificate(section, "cert", "key");
        if let Some((_, place)) = section.text("key_password") {
            let text = format!("{} is not supported; expected a key without a password", section.name("key_password"));
            self.findings.warning(place, text);
        }
        if let Some((text, place)) = section.text("verify").filter(|(text, _)| tree::switch(text) == Some(false)) {
            let text = format!(
                "{} is {text}, but certificates are always verified here; set dcs-ca-file to the authority of the store",
                section.name("verify")
            );
            self.findings.warning(place, text);
        }
    }

    pub(super) fn certificate(&mut self, section: Section<'a>, certificate: &str, key: &str) {
        if section.text(certificate).is_some() && !self.is_set(Key::DcsKeyFile) {
            self.copy(Key::DcsCertFile, section, certificate);
            let holder = if section.text(key).is_some() { key } else { certificate };
            self.copy(Key::DcsKeyFile, section, holder);
        }
    }

    pub(super) fn problem(&mut self, place: &Place, text: String) {
        self.sound = false;
        self.findings.problem(place, text);
    }
}

/// A section of Patroni's configuration, such as `etcd3`.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) title: &'static str,
    pub(super) map: &'a Map,
    pub(super) place: &'a Place,
}

impl<'a> Section<'a> {
    pub(super) fn of(root: &'a Map, title: &'static str) -> Option<Self> {
        let value = root.get(title)?;
        Some(Self { title, map: value.map()?, place: &value.place })
    }

    /// A value that is a single one.
    pub(super) fn text(self, name: &str) -> Option<(&'a str, &'a Place)> {
        self.map.get(name).and_then(Value::text)
    }

    /// The elements of a value that is a list, or a text with commas.
    pub(super) fn list(self, name: &str) -> Vec<(&'a str, &'a Place)> {
        self.map.get(name).map(Value::elements).unwrap_or_default()
    }

    /// A value's name with that of the section.
    pub(super) fn name(self, name: &str) -> String {
        format!("{}.{name}", self.title)
    }
}
