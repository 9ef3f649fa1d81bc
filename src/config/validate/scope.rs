//! Where the keys of one VIP are looked up: its entry of `vips`, then the top.

use super::validator::{Entry, Reported, Validator};
use crate::config::diagnostic::Place;
use crate::config::file::DEFAULT_FILE;
use crate::config::keys::{self, Key};
use crate::config::setting::{Layer, Setting};

/// Where the keys of one VIP are looked up.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) entry: Option<&'a Entry>,
    pub(super) top: &'a Layer,
    /// What Patroni's configuration gives that is named at the top.
    pub(super) patroni: Option<&'a Layer>,
    /// What the variables of the store's own clients give; the weakest of all.
    pub(super) foreign: Option<&'a Layer>,
}

impl<'a> Scope<'a> {
    pub(super) fn find(&self, key: Key) -> Option<&'a Setting> {
        self.find_own(key).or_else(|| {
            let is_free = key.twin().is_none_or(|twin| self.find_own(twin).is_none());
            self.foreign.filter(|_| is_free).and_then(|foreign| foreign.find(key))
        })
    }

    /// Without the variables of the store's own clients.
    fn find_own(&self, key: Key) -> Option<&'a Setting> {
        let own = self.entry.and_then(|entry| entry.find(key));
        own.or_else(|| {
            let foreign = key.is_of_store() && self.entry.is_some_and(Entry::describes_store);
            let top = self.top.find(key).or_else(|| self.patroni.and_then(|patroni| patroni.find(key)));
            top.filter(|_| !foreign)
        })
    }

    /// Whether a setting follows from Patroni's configuration.
    pub(super) fn derives(&self, setting: &Setting) -> bool {
        let by_entry = self.entry.and_then(|entry| entry.patroni.as_ref());
        let derived = |layer: &Layer| layer.find(setting.key).is_some_and(|found| std::ptr::eq(found, setting));
        by_entry.into_iter().chain(self.patroni).any(derived)
    }

    /// Whether the entry itself sets the key.
    pub(super) fn is_own(&self, key: Key) -> bool {
        self.entry.is_some_and(|entry| entry.layer.find(key).is_some())
    }

    /// Whether its store is that of the top.
    pub(super) fn shares_store(&self) -> bool {
        let own = |entry: &Entry| entry.layer.settings().any(|setting| setting.key.is_of_store());
        !self.entry.is_some_and(|entry| own(entry) || entry.describes_store())
    }

    /// The setting of a key that has a historic twin; the twin counts where the key is not set on the same level.
    pub(super) fn find_either(&self, modern: Key, historic: Key) -> Option<&'a Setting> {
        let entry = self.entry.map(|entry| &entry.layer);
        [entry, Some(self.top)]
            .into_iter()
            .flatten()
            .find_map(|layer| layer.find(modern).or_else(|| layer.find(historic)))
    }

    pub(super) fn blank(&self, key: Key) -> Option<&'a Place> {
        self.entry.and_then(|entry| entry.layer.blank(key)).or_else(|| self.top.blank(key))
    }
}

impl Entry {
    /// Whether it describes its store on its own: what the top says of a store is of another one.
    pub(super) fn describes_store(&self) -> bool {
        self.layer.find(Key::DcsType).is_some() || self.layer.find(Key::PatroniConfig).is_some()
    }

    fn find(&self, key: Key) -> Option<&Setting> {
        self.layer.find(key).or_else(|| self.patroni.as_ref().and_then(|patroni| patroni.find(key)))
    }
}

impl<'a> Validator<'a> {
    /// The setting of a key that has no default.
    pub(super) fn required(&mut self, scope: &Scope<'a>, key: Key, expected: &str) -> Result<&'a Setting, Reported> {
        if let Some(setting) = scope.find(key) {
            return Ok(setting);
        }
        let name = key.name();
        if let Some(blank) = scope.blank(key) {
            return Err(self.problem(blank, format!("{name} is empty; expected {expected}")));
        }
        if !self.given.complete {
            return Err(Reported);
        }
        let variable = keys::variable(name);
        let (place, text) = match (scope.entry, &self.given.file) {
            (Some(entry), _) => (
                entry.place.clone(),
                format!("{name} is missing; expected {expected}, in this entry of vips or at the top level"),
            ),
            (None, Some(_)) => (
                self.lacking(),
                format!("{name} is missing; expected {expected}, here, in {variable} or with --{name}"),
            ),
            (None, None) => (
                Place::Nowhere,
                format!("{name} is missing; expected {expected}, in {DEFAULT_FILE}, in {variable} or with --{name}"),
            ),
        };
        Err(self.problem(&place, text))
    }
}
