//! The variables that begin with `PATRONI_`, as Patroni reads them: over what its file says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use super::tree::{Content, Map, Value};
use crate::config::diagnostic::Place;
use crate::config::yaml;

/// What the variables say.
pub(super) fn environment(variables: &[(OsString, OsString)]) -> Map {
    let mut map = Map::new();
    let texts = variables.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
    let set: BTreeMap<_, _> = texts.filter(|(_, value)| !value.trim().is_empty()).collect();
    for (variable, value) in &set {
        let Some(name) = variable.strip_prefix("PATRONI_") else { continue };
        if TOP.contains(&name) {
            map.insert(name.to_lowercase(), text(variable, value));
        } else if let Some((section, name)) = name.split_once('_')
            && let Some((_, known)) = SECTIONS.iter().find(|(known, _)| *known == section)
            && known.contains(&name)
        {
            let value = if LISTS.contains(&name) { list(variable, value) } else { text(variable, value) };
            add(&mut map, section, name, value);
        }
    }
    // Patroni takes a login only where the section has another variable.
    for section in
        ["ETCD", "ETCD3"].iter().filter(|section| map.contains_key(&section.to_lowercase())).collect::<Vec<_>>()
    {
        for name in ["USERNAME", "PASSWORD"] {
            let variable = format!("PATRONI_{section}_{name}");
            if let Some(value) = set.get(variable.as_str()) {
                add(&mut map, section, name, text(&variable, value));
            }
        }
    }
    map
}

fn add(map: &mut Map, section: &str, name: &str, value: Value) {
    let empty = || Value { place: value.place.clone(), content: Content::Map(Map::new()) };
    let section = map.entry(section.to_lowercase()).or_insert_with(empty);
    if let Content::Map(section) = &mut section.content {
        section.insert(name.to_lowercase(), value);
    }
}

fn text(variable: &str, value: &str) -> Value {
    Value { place: Place::Variable(variable.to_owned()), content: Content::Text(value.to_owned()) }
}

/// A list or a mapping as YAML has it, or a list without its brackets.
fn list(variable: &str, value: &str) -> Value {
    let is_yaml = value.trim_start().starts_with(['-', '{']) || value.contains('[');
    let written = if is_yaml { value.to_owned() } else { format!("[{value}]") };
    let mut parsed = match yaml::parse(&written) {
        Ok(Some(node)) => Value::of(&node, &Arc::from(variable)),
        Ok(None) | Err(_) => text(variable, value),
    };
    place(&mut parsed, &Place::Variable(variable.to_owned()));
    parsed
}

/// Everything in a variable has the place of the variable.
fn place(value: &mut Value, at: &Place) {
    value.place = at.clone();
    match &mut value.content {
        Content::Null | Content::Text(_) => {}
        Content::List(values) => values.iter_mut().for_each(|value| place(value, at)),
        Content::Map(map) => map.values_mut().for_each(|value| place(value, at)),
    }
}

const TOP: [&str; 3] = ["NAME", "NAMESPACE", "SCOPE"];
const LISTS: [&str; 2] = ["HOSTS", "AUTH_DATA"];
const SECTIONS: [(&str, &[&str]); 10] = [
    ("ETCD", ETCD),
    ("ETCD3", ETCD),
    ("CONSUL", &["HOST", "PORT", "URL", "SCHEME", "TOKEN", "VERIFY", "CACERT", "CERT", "KEY", "DC", "CONSISTENCY"]),
    ("ZOOKEEPER", &["HOSTS", "USE_SSL", "CACERT", "CERT", "KEY", "KEY_PASSWORD", "VERIFY", "AUTH_DATA"]),
    ("EXHIBITOR", &["HOSTS", "PORT"]),
    ("KUBERNETES", &["NAMESPACE", "CONTEXT", "USE_ENDPOINTS", "CACERT", "BYPASS_API_SERVICE"]),
    ("RAFT", &["DATA_DIR", "SELF_ADDR", "PARTNER_ADDRS", "PASSWORD", "BIND_ADDR"]),
    ("CITUS", &["GROUP", "DATABASE"]),
    ("RESTAPI", &["LISTEN", "CONNECT_ADDRESS", "CERTFILE", "KEYFILE", "CAFILE", "VERIFY_CLIENT"]),
    ("CTL", &["CACERT", "CERTFILE", "KEYFILE"]),
];
const ETCD: &[&str] =
    &["HOST", "HOSTS", "PORT", "USE_PROXIES", "PROTOCOL", "SRV", "SRV_SUFFIX", "URL", "PROXY", "CACERT", "CERT", "KEY"];
