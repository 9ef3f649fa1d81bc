//! Where the keys of one VIP are looked up: its entry of `vips`, then the top.

use super::validator::{Reported, Validator};
use crate::config::diagnostic::Place;
use crate::config::file::DEFAULT_FILE;
use crate::config::keys::{self, Key};
use crate::config::setting::{Layer, Setting};

/// Where the keys of one VIP are looked up.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    pub(super) entry: Option<(&'a Place, &'a Layer)>,
    pub(super) top: &'a Layer,
}

impl<'a> Scope<'a> {
    pub(super) fn find(&self, key: Key) -> Option<&'a Setting> {
        let own = self.entry.and_then(|(_, layer)| layer.find(key));
        own.or_else(|| self.top.find(key).filter(|_| !(key.is_of_store() && self.describes_store())))
    }

    /// Whether the entry describes its store on its own: what the top says of a store is of another one.
    fn describes_store(&self) -> bool {
        self.entry.is_some_and(|(_, layer)| describes_store(layer))
    }

    /// Whether its store is that of the top.
    pub(super) fn shares_store(&self) -> bool {
        let own = |layer: &Layer| layer.settings().any(|setting| setting.key.is_of_store());
        !self.entry.is_some_and(|(_, layer)| own(layer))
    }

    /// Whether the entry itself sets the key.
    pub(super) fn is_own(&self, key: Key) -> bool {
        self.entry.is_some_and(|(_, layer)| layer.find(key).is_some())
    }

    /// The setting of a key that has a historic twin; the twin counts where the key is not set on the same level.
    pub(super) fn find_either(&self, modern: Key, historic: Key) -> Option<&'a Setting> {
        let entry = self.entry.map(|(_, layer)| layer);
        [entry, Some(self.top)]
            .into_iter()
            .flatten()
            .find_map(|layer| layer.find(modern).or_else(|| layer.find(historic)))
    }

    pub(super) fn blank(&self, key: Key) -> Option<&'a Place> {
        self.entry.and_then(|(_, layer)| layer.blank(key)).or_else(|| self.top.blank(key))
    }
}

/// Whether an entry of `vips` describes a store on its own.
pub(super) fn describes_store(entry: &Layer) -> bool {
    entry.find(Key::DcsType).is_some()
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
            (Some((place, _)), _) => (
                place.clone(),
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
