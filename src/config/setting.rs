//! A value as somebody wrote it, and a level of precedence made of such values.

use std::collections::BTreeMap;

use super::diagnostic::{Findings, Place, brief};
use super::keys::{self, Found, Key, Takes};

/// One key with what it was set to. Without items it was written down and left empty, which counts as not set.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: Key,
    /// The name that it was given under.
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) items: Vec<Item>,
}

/// One text: the value, or an element of a list.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Setting {
    pub(super) fn new(key: Key, name: &str, place: Place, texts: Vec<Item>) -> Self {
        let items = if key.spec().takes.several() {
            texts.iter().flat_map(Item::split).collect()
        } else {
            texts.into_iter().filter(|item| !item.text.trim().is_empty()).collect()
        };
        Self { key, name: name.to_owned(), place, items }
    }

    /// The text of a key that takes one; empty where it was left empty.
    pub(super) fn text(&self) -> &str {
        self.items.first().map_or("", |item| &item.text)
    }

    /// The key and its value for a message; a secret's value is never part of it.
    pub(super) fn quoted(&self) -> String {
        if self.is_secret() { self.name.clone() } else { format!("{} \"{}\"", self.name, brief(self.text())) }
    }

    /// The name of the key that the user knows it by, as the file would have it.
    pub(super) fn good_name(&self) -> &'static str {
        keys::good_name(self.key, bare(&self.name))
    }

    /// Whether no message may repeat the value. The user-info of a URL is a secret too, and with it all the endpoints: a
    /// password with a comma falls into two elements, and the first no longer looks like one.
    pub(super) fn is_secret(&self) -> bool {
        let spec = self.key.spec();
        spec.secret || (spec.takes == Takes::Endpoints && self.items.iter().any(|item| item.text.contains('@')))
    }

    fn same_value(&self, other: &Self) -> bool {
        let texts = |setting: &Self| setting.items.iter().map(|item| item.text.clone()).collect::<Vec<_>>();
        texts(self) == texts(other)
    }
}

impl Item {
    /// The elements of a comma list, blanks trimmed, empty ones ignored.
    fn split(&self) -> impl Iterator<Item = Self> {
        let texts = self.text.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(|text| Self { text: text.to_owned(), place: self.place.clone() })
    }
}

/// What was given on one level: by flags, by variables, at the top of the file, in one entry of `vips`.
#[derive(Clone, Default)]
pub(super) struct Layer {
    settings: BTreeMap<Key, Setting>,
    /// Where a key was written down and left empty.
    blanks: BTreeMap<Key, Place>,
}

impl Layer {
    /// Takes a level together. Two names of one key must agree.
    pub(super) fn gather(settings: Vec<Setting>, findings: &mut Findings) -> Self {
        let mut layer = Self::default();
        for setting in settings {
            layer.add(setting, findings);
        }
        layer
    }

    fn add(&mut self, setting: Setting, findings: &mut Findings) {
        if setting.items.is_empty() {
            self.blanks.insert(setting.key, setting.place);
            return;
        }
        match self.settings.get_mut(&setting.key) {
            None => {
                self.settings.insert(setting.key, setting);
            }
            Some(first) if first.same_value(&setting) => {}
            // A flag that takes several values may be given several times.
            Some(first) if setting.key.spec().takes.several() && first.place == setting.place => {
                first.items.extend(setting.items);
            }
            Some(first) => findings.problem(&setting.place, contradiction(first, &setting)),
        }
    }

    /// This level over a weaker one.
    pub(super) fn over(mut self, weaker: Self) -> Self {
        for (key, setting) in weaker.settings {
            self.settings.entry(key).or_insert(setting);
        }
        for (key, place) in weaker.blanks {
            self.blanks.entry(key).or_insert(place);
        }
        self
    }

    pub(super) fn find(&self, key: Key) -> Option<&Setting> {
        self.settings.get(&key)
    }

    pub(super) fn blank(&self, key: Key) -> Option<&Place> {
        self.blanks.get(&key)
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.settings.values()
    }
}

fn contradiction(first: &Setting, second: &Setting) -> String {
    let other = &first.place;
    if first.is_secret() || second.is_secret() {
        format!("{} conflicts with {other}; set it only once", second.name)
    } else {
        format!("{} conflicts with {} at {other}; set it only once", second.quoted(), first.quoted())
    }
}

/// A name without what makes it a flag or a variable.
fn bare(name: &str) -> &str {
    name.strip_prefix("--").or_else(|| name.strip_prefix("VIP_")).unwrap_or(name)
}

/// Says once that a name is historic and what the key is called now.
pub(super) fn name_modern(found: Found, place: &Place, name: &str, findings: &mut Findings) {
    if found.historic {
        let key = keys::good_name(found.key, bare(name));
        let modern = match place {
            Place::Flag(_) => format!("--{key}"),
            Place::Variable(_) => keys::variable(key),
            Place::Line { .. } | Place::Nowhere => key.to_owned(),
        };
        findings.notice(place, format!("\"{name}\" is deprecated; use \"{modern}\""));
    }
}
