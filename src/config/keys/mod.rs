//! The one table of keys.
//!
//! Flags, variables, the keys of the file, suggestions, `show-config`, the shipped sample and the reference in
//! `docs/configuration.md` all come from it or are compared with it, so that a key exists in one place and everywhere.

mod spec;
mod table;

use std::sync::LazyLock;

pub use spec::{Key, Spec, Takes};
pub use table::TABLE;

impl Key {
    /// The row of this key.
    pub fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    /// The modern name of this key.
    pub fn name(self) -> &'static str {
        self.spec().name
    }
}

/// A key found by one of its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The key.
    pub key: Key,
    /// Whether the name is not the modern one.
    pub historic: bool,
}

/// The key of this name in a file. Case and `_` for `-` are forgiven, as they ever were.
pub fn find(name: &str) -> Option<Found> {
    let plain = plain(name);
    let known = |spec: &&Spec| names(spec).chain(spec.aliases).any(|known| self::plain(known) == plain);
    let found = |spec: &Spec| Found { key: spec.key, historic: !names(spec).any(|known| *known == name) };
    TABLE.iter().find(known).map(found)
}

/// What a key may be called today: by its modern name, or by one that is as good.
fn names(spec: &Spec) -> impl Iterator<Item = &&'static str> {
    std::iter::once(&spec.name).chain(spec.also)
}

/// The name to use for a key that somebody calls `name`: that very name if it is as good as the modern one.
pub fn good_name(key: Key, name: &str) -> &'static str {
    let (spec, plain) = (key.spec(), plain(name));
    spec.also.iter().find(|known| **known == plain).copied().unwrap_or(spec.name)
}

/// The name of a key for somebody who calls another one `beside`: the first that begins alike.
pub fn sibling(key: Key, beside: &str) -> &'static str {
    let spec = key.spec();
    let family = |name: &str| name.split('-').next().map(str::to_owned);
    let beside = family(&plain(beside));
    names(spec).find(|name| family(name) == beside).copied().unwrap_or(spec.name)
}

/// The key of this variable. `-` cannot stand in a variable's name, so `_` for it is no historic name here.
pub fn find_variable(name: &str) -> Option<Found> {
    let rest = name.strip_prefix("VIP_").filter(|rest| !rest.contains(|c: char| c.is_ascii_lowercase()))?;
    let plain = plain(rest);
    find(&plain).filter(|found| found.key.is_flat())
}

/// The variable that gives the key of this name: `VIP_TRIGGER_KEY`.
pub fn variable(name: &str) -> String {
    format!("VIP_{}", name.to_uppercase().replace('-', "_"))
}

/// The modern name that somebody who wrote `name` most likely meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    let known = TABLE.iter().flat_map(|spec| {
        let good = names(spec).map(|name| ((*name).to_owned(), *name));
        good.chain(spec.aliases.iter().map(|alias| (self::plain(alias), good_name(spec.key, alias))))
    });
    nearest_of(&plain, known)
}

/// What somebody most likely meant who wrote `name`: the nearest key, or a whole family such as `dcs-type` and
/// `dcs-endpoints` for `dcs`.
pub fn meant(name: &str) -> Vec<&'static str> {
    nearest(name).map_or_else(|| family(name), |near| vec![near])
}

/// The key that is meant by `child` in a block called `block`.
pub fn in_block(block: &str, child: &str) -> Option<&'static str> {
    let joined = format!("{block}-{child}");
    let found = |name: &str| find(name).map(|found| good_name(found.key, name));
    let longer = || family(&joined).first().copied();
    found(&joined).or_else(longer).or_else(|| found(child)).or_else(|| nearest(&joined))
}

/// The keys whose names begin with this one, the first of them.
pub fn family(name: &str) -> Vec<&'static str> {
    let start = format!("{}-", plain(name));
    TABLE.iter().flat_map(names).copied().filter(|known| known.starts_with(&start)).take(MOST_OFFERED).collect()
}

const MOST_OFFERED: usize = 3;

/// The meaning whose text is close enough to `text` to be offered.
pub fn nearest_of<K: AsRef<str>, T>(text: &str, known: impl IntoIterator<Item = (K, T)>) -> Option<T> {
    let reach = (text.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|(name, meaning)| (distance(text, name.as_ref()), meaning))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, meaning)| meaning)
}

/// What is merely longer, as "warning" for "warn", is near.
fn distance(text: &str, name: &str) -> usize {
    if name.len() > 3 && text.starts_with(name) { 1 } else { strsim::damerau_levenshtein(text, name) }
}

/// All names under which a flag can be given: the modern one first, then each historic one in both spellings.
pub fn flag_names(spec: &'static Spec) -> &'static [String] {
    static NAMES: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| TABLE.iter().map(spellings).collect());
    &NAMES[spec.key as usize]
}

fn spellings(spec: &Spec) -> Vec<String> {
    let mut names = vec![spec.name.to_owned()];
    for name in self::names(spec).chain(spec.aliases) {
        for spelling in [(*name).to_owned(), plain(name), plain(name).replace('-', "_")] {
            if !names.contains(&spelling) {
                names.push(spelling);
            }
        }
    }
    names
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_keys_and_each_name_once() {
        let mut names = Vec::new();
        for (row, spec) in TABLE.iter().enumerate() {
            assert_eq!(spec.key as usize, row, "{}", spec.name);
            assert!(!spec.help.is_empty() && !spec.name.is_empty());
            names.extend(flag_names(spec));
        }
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_key_is_found_by_every_name_it_ever_had() {
        for (name, key, historic) in [
            ("interface", Key::Interface, false),
            ("iface", Key::Interface, true),
            ("Iface", Key::Interface, true),
            ("trigger_key", Key::TriggerKey, true),
            ("node_name", Key::TriggerValue, true),
            ("hosting-type", Key::ManagerType, true),
            ("hosting_type", Key::ManagerType, true),
            ("etcd_ca_file", Key::DcsCaFile, true),
            ("etcd-ca-file", Key::DcsCaFile, false),
            ("dcs-ca-file", Key::DcsCaFile, false),
            ("consul-token", Key::DcsToken, false),
            ("dcs-secret", Key::DcsPassword, false),
            ("ETCD-ca-file", Key::DcsCaFile, true),
        ] {
            assert_eq!(find(name), Some(Found { key, historic }), "{name}");
        }
        assert_eq!(find("hold-timout"), None);
    }

    #[test]
    fn a_key_is_called_by_the_family_that_the_user_writes() {
        assert_eq!(good_name(Key::DcsUser, "etcd_user"), "etcd-user");
        assert_eq!(good_name(Key::DcsUser, "dcs-user"), "dcs-user");
        assert_eq!(good_name(Key::Interface, "iface"), "interface");
        assert_eq!(sibling(Key::DcsKeyFile, "etcd_cert_file"), "etcd-key-file");
        assert_eq!(sibling(Key::DcsKeyFile, "dcs-cert-file"), "dcs-key-file");
        assert_eq!(sibling(Key::DcsTokenFile, "consul_token"), "consul-token-file");
    }

    #[test]
    fn a_variable_is_the_name_in_upper_case() {
        assert_eq!(find_variable("VIP_ETCD_USER"), Some(Found { key: Key::DcsUser, historic: false }));
        assert_eq!(find_variable("VIP_IFACE"), Some(Found { key: Key::Interface, historic: true }));
        assert_eq!(find_variable("VIP_iface"), None);
        assert_eq!(find_variable("VIP_VIPS"), None);
        assert_eq!(variable("trigger-key"), "VIP_TRIGGER_KEY");
    }

    #[test]
    fn what_was_meant_is_offered_and_nothing_far_fetched() {
        assert_eq!(nearest("hold-timout"), Some("hold-timeout"));
        assert_eq!(nearest("nodname"), Some("trigger-value"));
        assert_eq!(nearest("endpoitns"), Some("dcs-endpoints"));
        assert_eq!(nearest("hold-timt"), Some("hold-timeout"));
        assert_eq!(nearest("colour"), None);
        assert_eq!(nearest("keyboard"), None);
        assert_eq!(meant("dcs"), ["dcs-type", "dcs-endpoints", "dcs-user"]);
        assert_eq!(nearest("etcd-passwort"), Some("etcd-password"));
        assert_eq!(meant("LOGLEVEL"), ["log-level"]);
        assert_eq!(meant("colour"), [""; 0]);
    }

    #[test]
    fn a_key_in_a_block_is_found_with_the_name_of_the_block_and_without() {
        for (block, child, meant) in [
            ("dcs", "type", Some("dcs-type")),
            ("etcd", "endpoints", Some("dcs-endpoints")),
            ("etcd", "ca_file", Some("etcd-ca-file")),
            ("etcd", "key", Some("etcd-key-file")),
            ("etcd", "pasword", Some("etcd-password")),
            ("vip", "iface", Some("interface")),
            ("vip", "colour", None),
        ] {
            assert_eq!(in_block(block, child), meant, "{block}: {child}");
        }
    }
}
