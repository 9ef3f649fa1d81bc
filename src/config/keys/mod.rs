//! The one table of keys.
//!
//! Flags, variables, the keys of the file, suggestions, `show-config`, the shipped sample and the reference in
//! `docs/configuration.md` all come from it or are compared with it, so that a key exists in one place and everywhere.

mod spec;
mod table;

use std::sync::LazyLock;

pub use spec::{Key, Spec, Takes};
pub use table::TABLE;

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
    TABLE
        .iter()
        .find(|spec| spec.name == plain || spec.aliases.iter().any(|alias| self::plain(alias) == plain))
        .map(|spec| Found { key: spec.key, historic: spec.name != name })
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
    let names = TABLE.iter().flat_map(|spec| {
        let aliases = spec.aliases.iter().map(|alias| self::plain(alias));
        aliases.chain([spec.name.to_owned()]).map(move |known| (known, spec.name))
    });
    nearest_of(&plain, names)
}

/// What somebody most likely meant who wrote `name`: the nearest key, or a whole family such as `dcs-type` and
/// `dcs-endpoints` for `dcs`.
pub fn meant(name: &str) -> Vec<&'static str> {
    nearest(name).map_or_else(|| family(name), |near| vec![near])
}

/// The key that is meant by `child` in a block called `block`.
pub fn in_block(block: &str, child: &str) -> Option<&'static str> {
    let joined = format!("{block}-{child}");
    let found = |name: &str| find(name).map(|found| found.key.name());
    let longer = || family(&joined).first().copied();
    found(&joined).or_else(longer).or_else(|| found(child)).or_else(|| nearest(&joined))
}

/// The keys whose names begin with this one.
pub fn family(name: &str) -> Vec<&'static str> {
    let start = format!("{}-", plain(name));
    TABLE.iter().map(|spec| spec.name).filter(|known| known.starts_with(&start)).collect()
}

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
    for name in std::iter::once(&spec.name).chain(spec.aliases) {
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
        ] {
            assert_eq!(find(name), Some(Found { key, historic }), "{name}");
        }
        assert_eq!(find("hold-timout"), None);
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
        assert_eq!(meant("dcs"), ["dcs-type", "dcs-endpoints"]);
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
