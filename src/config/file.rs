//! The file: reads it within bounds, and turns its tree into settings, each with its line.
//!
//! Every mistake in it is found in one go: a mistaken key is set aside and the rest is read on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::diagnostic::{Findings, Place, brief};
use super::keys::{self, Key, Takes};
use super::setting::{Item, Setting, name_modern};
use super::yaml::{self, Content, Node, Pair};
use crate::text;

/// What a file holds.
#[derive(Default)]
pub(super) struct FileSettings {
    pub(super) top: Vec<Setting>,
    /// The entries of `vips`, each with its place; nothing where the key is absent.
    pub(super) entries: Option<Vec<(Place, Vec<Setting>)>>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("the file does not exist; expected the configuration there, or another path with --config")]
    Missing,
    #[error(
        "the file cannot be read for lack of permission; run as the user that the service runs as, or let that user \
         read it: chown root:vip-manager and chmod 640, for example"
    )]
    Denied(#[source] io::Error),
    #[error("this is a directory; expected a file")]
    Directory,
    #[error("the file is larger than 1 MiB; expected a configuration")]
    TooLarge,
    #[error("this line is not valid UTF-8; expected the file in UTF-8")]
    NotText { line: usize },
    #[error("the file cannot be read: {0}")]
    Io(io::Error),
}

impl FileError {
    /// The error of the kernel, if the permission is missing.
    pub(super) fn denied(&self) -> Option<&io::Error> {
        match self {
            Self::Denied(error) => Some(error),
            Self::Missing | Self::Directory | Self::TooLarge | Self::NotText { .. } | Self::Io(_) => None,
        }
    }
}

/// The settings of a file. Nothing where it could not be understood as a whole; that is then among the findings.
pub(super) fn read(path: &Path, findings: &mut Findings) -> Option<FileSettings> {
    let name = Arc::from(path.display().to_string());
    match text(path) {
        Ok(text) => interpret(&name, &text, findings),
        Err(error) => {
            let line = if let FileError::NotText { line } = &error { *line } else { 0 };
            findings.problem(&Place::line(&name, line), error.to_string());
            None
        }
    }
}

/// The text of a file, within bounds.
pub(super) fn text(path: &Path) -> Result<String, FileError> {
    let file = File::open(path).map_err(classify)?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(classify)?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let upto = error.utf8_error().valid_up_to();
        FileError::NotText { line: error.as_bytes().iter().take(upto).filter(|byte| **byte == b'\n').count() + 1 }
    })
}

fn classify(error: io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        io::ErrorKind::PermissionDenied => FileError::Denied(error),
        io::ErrorKind::IsADirectory => FileError::Directory,
        _ => FileError::Io(error),
    }
}

/// The settings in the text of a file called `path`.
pub(super) fn interpret(path: &Arc<str>, text: &str, findings: &mut Findings) -> Option<FileSettings> {
    match yaml::parse(text.trim_start_matches('\u{feff}')) {
        Ok(Some(root)) => Reader { path, findings }.root(&root),
        Ok(None) => {
            findings.notice(&Place::file(path), "the file contains no settings");
            Some(FileSettings::default())
        }
        Err(error) => {
            let (line, column) = error.position();
            findings.problem(&Place::Line { path: Arc::clone(path), line, column }, error.to_string());
            None
        }
    }
}

struct Reader<'a> {
    path: &'a Arc<str>,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node) -> Option<FileSettings> {
        match &root.content {
            Content::Mapping(pairs) => Some(self.top(pairs)),
            Content::Null => Some(FileSettings::default()),
            Content::Scalar(_) | Content::List(_) => {
                let found = kind(root);
                self.complain(root.line, format!("the file is {found}; expected lines of the form \"key: value\""));
                None
            }
        }
    }

    fn top(&mut self, pairs: &[Pair]) -> FileSettings {
        let mut file = FileSettings::default();
        for (key, name, line, value) in self.known(pairs) {
            if key == Key::Vips {
                file.entries = self.entries(&name, value);
            } else if key == Key::Config {
                self.complain(line, format!("\"{name}\" cannot be set in the file itself; remove it"));
            } else {
                file.top.extend(self.setting(key, &name, line, value));
            }
        }
        file
    }

    fn entries(&mut self, name: &str, list: &Node) -> Option<Vec<(Place, Vec<Setting>)>> {
        match &list.content {
            Content::Null => None,
            Content::List(nodes) if !nodes.is_empty() => {
                Some(nodes.iter().filter_map(|node| self.entry(node)).collect())
            }
            Content::List(_) => {
                self.complain(list.line, format!("{name} is an empty list; expected an entry for each virtual IP"));
                Some(Vec::new())
            }
            Content::Scalar(_) | Content::Mapping(_) => {
                let found = kind(list);
                self.complain(
                    list.line,
                    format!("{name} is {found}; expected a list, each entry beginning with \"- \""),
                );
                Some(Vec::new())
            }
        }
    }

    fn entry(&mut self, node: &Node) -> Option<(Place, Vec<Setting>)> {
        let Content::Mapping(pairs) = &node.content else {
            let found = kind(node);
            self.complain(node.line, format!("this entry of vips is {found}; expected keys such as \"ip: 10.0.0.5\""));
            return None;
        };
        let mut settings = Vec::new();
        for (key, name, line, value) in self.known(pairs) {
            if key.spec().per_vip {
                settings.extend(self.setting(key, &name, line, value));
            } else {
                self.complain(line, format!("\"{name}\" cannot be set per entry of vips; move it to the top level"));
            }
        }
        Some((Place::line(self.path, node.line), settings))
    }

    /// The pairs whose key is known and occurs for the first time, with key, name and line.
    fn known<'n>(&mut self, pairs: &'n [Pair]) -> Vec<(Key, String, usize, &'n Node)> {
        let mut seen = BTreeMap::new();
        let mut known = Vec::new();
        for (name, value) in pairs {
            let line = name.line;
            let Content::Scalar(text) = &name.content else {
                self.complain(line, format!("expected a key, found {}", kind(name)));
                continue;
            };
            if let Some(first) = seen.insert(text.clone(), line) {
                self.complain(
                    line,
                    format!("duplicate key \"{}\", first on line {first}; remove one of them", brief(text)),
                );
            } else if let Some(found) = keys::find(text) {
                name_modern(found, &Place::line(self.path, line), text, self.findings);
                known.push((found.key, text.clone(), line, &**value));
            } else {
                self.complain(line, unknown(text, value));
            }
        }
        known
    }

    fn setting(&mut self, key: Key, name: &str, line: usize, value: &Node) -> Option<Setting> {
        let items = match &value.content {
            Content::Null => Vec::new(),
            Content::Scalar(text) => vec![self.item(text, value.line.max(line))],
            Content::List(nodes) if key.spec().takes.listed() => self.items(name, nodes),
            Content::List(_) | Content::Mapping(_) => {
                let found = kind(value);
                self.complain(line, format!("{name} is {found}; expected {}", shape(key.spec().takes)));
                return None;
            }
        };
        Some(Setting::new(key, name, Place::line(self.path, line), items))
    }

    fn items(&mut self, name: &str, nodes: &[Rc<Node>]) -> Vec<Item> {
        let mut items = Vec::new();
        for node in nodes {
            match &node.content {
                Content::Scalar(text) => items.push(self.item(text, node.line)),
                Content::Null => {}
                Content::List(_) | Content::Mapping(_) => {
                    let found = kind(node);
                    self.complain(node.line, format!("an element of {name} is {found}; expected a single value"));
                }
            }
        }
        items
    }

    fn item(&self, text: &str, line: usize) -> Item {
        Item { text: text.to_owned(), place: Place::line(self.path, line) }
    }

    fn complain(&mut self, line: usize, text: String) {
        self.findings.problem(&Place::line(self.path, line), text);
    }
}

fn unknown(name: &str, value: &Node) -> String {
    if let Content::Mapping(pairs) = &value.content
        && name != "<<"
    {
        return block(name, pairs);
    }
    let meant: Vec<_> = keys::meant(name).into_iter().map(|near| format!("\"{near}\"")).collect();
    let name = &brief(name);
    if !meant.is_empty() {
        format!("unknown key \"{name}\"; did you mean {}?", text::list(&meant, "or"))
    } else if name == "<<" {
        "merge keys are not supported; write the keys out".to_owned()
    } else {
        format!("unknown key \"{name}\"; expected one that \"vip-manager --help\" lists, without its dashes")
    }
}

/// A group of keys, as other programs have them. Here every key has its full name.
fn block(name: &str, pairs: &[Pair]) -> String {
    let mut meant = BTreeSet::new();
    for (key, _) in pairs {
        if let Content::Scalar(child) = &key.content {
            meant.extend(keys::in_block(name, child));
        }
    }
    if meant.is_empty() {
        meant.extend(keys::meant(name));
    }
    let name = &brief(name);
    if meant.is_empty() {
        return format!("unknown key \"{name}\" with a mapping; expected keys without groups");
    }
    let meant: Vec<_> = meant.into_iter().map(|near| format!("\"{near}\"")).collect();
    format!("unknown key \"{name}\" with a mapping; did you mean {}, without a group?", text::list(&meant, "and"))
}

fn kind(node: &Node) -> &'static str {
    match node.content {
        Content::Null => "nothing",
        Content::Scalar(_) => "a single value",
        Content::List(_) => "a list",
        Content::Mapping(_) => "a mapping",
    }
}

fn shape(takes: Takes) -> &'static str {
    if takes.listed() { "a single value or a list" } else { "a single value" }
}

pub(super) const DEFAULT_FILE: &str = "/etc/default/vip-manager.yml";
/// Far more than any configuration needs, and no burden to hold.
const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_be_read_says_how_to_cure_it() {
        let error = classify(io::Error::from_raw_os_error(13)).to_string();
        assert!(error.contains("permission") && error.contains("chmod 640"), "{error}");
    }
}
