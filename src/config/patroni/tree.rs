//! Values with their places, as Patroni merges them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::diagnostic::Place;
use crate::config::yaml::{self, Node};

/// A mapping by its keys.
pub(super) type Map = BTreeMap<String, Value>;

/// A value and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Value {
    pub(super) place: Place,
    pub(super) content: Content,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    Null,
    Text(String),
    List(Vec<Value>),
    Map(Map),
}

impl Value {
    /// A node of a file.
    pub(super) fn of(node: &Node, path: &Arc<str>) -> Self {
        let content = match &node.content {
            yaml::Content::Null => Content::Null,
            yaml::Content::Scalar(text) => Content::Text(text.clone()),
            yaml::Content::List(nodes) => Content::List(nodes.iter().map(|node| Self::of(node, path)).collect()),
            yaml::Content::Mapping(pairs) => Content::Map(mapping(pairs, path)),
        };
        Self { place: Place::line(path, node.line), content }
    }

    pub(super) fn map(&self) -> Option<&Map> {
        match &self.content {
            Content::Map(map) => Some(map),
            Content::Null | Content::Text(_) | Content::List(_) => None,
        }
    }

    /// A single value that is not empty, without blanks around it.
    pub(super) fn text(&self) -> Option<(&str, &Place)> {
        match &self.content {
            Content::Text(text) => Some((text.trim(), &self.place)).filter(|(text, _)| !text.is_empty()),
            Content::Null | Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The elements of a list, or of a text with commas.
    pub(super) fn elements(&self) -> Vec<(&str, &Place)> {
        match &self.content {
            Content::List(values) => values.iter().filter_map(Self::text).collect(),
            Content::Text(text) => {
                text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| (text, &self.place)).collect()
            }
            Content::Null | Content::Map(_) => Vec::new(),
        }
    }
}

/// The last of several equal keys counts; a merge key (`<<`) brings what is not there.
fn mapping(pairs: &[yaml::Pair], path: &Arc<str>) -> Map {
    let mut map = Map::new();
    let mut merged = Vec::new();
    for (name, node) in pairs {
        let yaml::Content::Scalar(name_text) = &name.content else { continue };
        let mut value = Value::of(node, path);
        if name_text == "<<" {
            merged.push(value);
            continue;
        }
        // A block begins on the line below its name.
        value.place = Place::line(path, name.line);
        map.insert(name_text.clone(), value);
    }
    for value in merged {
        let sources = match value.content {
            Content::Map(map) => vec![map],
            Content::List(values) => values.into_iter().filter_map(|value| value.map().cloned()).collect(),
            Content::Null | Content::Text(_) => Vec::new(),
        };
        for (name, value) in sources.into_iter().flatten() {
            map.entry(name).or_insert(value);
        }
    }
    map
}

/// Lays a mapping over another one: mappings are merged, everything else is replaced, nothing removes.
pub(super) fn patch(map: &mut Map, over: Map) {
    for (name, value) in over {
        match (&value.content, map.get_mut(&name).map(|below| &mut below.content)) {
            (Content::Null, _) => {
                map.remove(&name);
            }
            (Content::Map(_), Some(Content::Map(below))) => {
                if let Content::Map(above) = value.content {
                    patch(below, above);
                }
            }
            (Content::Text(_) | Content::List(_) | Content::Map(_), _) => {
                map.insert(name, value);
            }
        }
    }
}

/// A switch as Patroni reads it.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}
