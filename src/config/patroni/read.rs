//! Finds and reads Patroni's configuration: a file, a directory of files, or a systemd credential by its name.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::derivation::Patroni;
use super::environment::environment;
use super::lookup;
use super::tree::{Content, Map, Value, patch};
use crate::config::diagnostic::{Findings, Place, brief};
use crate::config::file;
use crate::config::setting::Setting;
use crate::config::yaml;

/// What matters beside the file: Patroni's variables, where the unit's credentials are, and who asks.
#[derive(Clone, Default)]
pub(in crate::config) struct Surroundings {
    pub(in crate::config) variables: Vec<(OsString, OsString)>,
    pub(in crate::config) credentials: Option<PathBuf>,
    /// Nobody is going to ask the store, so no name server is asked where it is.
    pub(in crate::config) offline: bool,
}

/// Reads what a setting of `patroni-config` names. Nothing where it cannot be read; that is then among the findings.
pub(in crate::config) fn read(
    setting: &Setting,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Option<(PathBuf, Patroni)> {
    let text = setting.text().trim();
    let mut refuse = |why: String| findings.problem(&setting.place, why);
    let Some(path) = located(text, surroundings.credentials.as_deref()) else {
        let name = brief(text);
        refuse(format!(
            "{} is a bare name, and the unit has no such credential; run \"systemctl edit vip-manager\" and add \
             LoadCredential={name}:/etc/patroni/patroni.yml to [Service], or write the full path",
            setting.quoted()
        ));
        return None;
    };
    let files = match files(&path) {
        Ok(files) if files.is_empty() => {
            refuse(format!("{} is a directory without a file *.yml or *.yaml; expected Patroni's", setting.quoted()));
            return None;
        }
        Ok(files) => files,
        Err(error) => {
            refuse(unreadable(&path, &error));
            return None;
        }
    };
    let mut root = Map::new();
    for file in &files {
        patch(&mut root, mapping(file, &setting.place, findings)?);
    }
    patch(&mut root, environment(&surroundings.variables));
    let place = Place::file(&Arc::from(path.display().to_string()));
    let lookup = if surroundings.offline { lookup::stand_in } else { lookup::servers };
    Some((path, Patroni { root, place, lookup }))
}

/// A bare name is a credential. What is called from the command line finds those of the unit while it runs.
fn located(text: &str, credentials: Option<&Path>) -> Option<PathBuf> {
    if text.contains('/') {
        return Some(PathBuf::from(text));
    }
    let own = credentials.into_iter().chain([Path::new(UNIT_CREDENTIALS)]);
    own.map(|directory| directory.join(text)).find(|path| path.exists())
}

/// The files, in the order in which they are merged.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files.truncate(MOST_FILES);
    Ok(files)
}

fn mapping(file: &Path, place: &Place, findings: &mut Findings) -> Option<Map> {
    let name: Arc<str> = Arc::from(file.display().to_string());
    let text = match file::text(file) {
        Ok(text) => text,
        Err(error) => {
            match error.denied() {
                Some(denied) => findings.problem(place, unreadable(file, denied)),
                None => findings.problem(&Place::file(&name), error.to_string()),
            }
            return None;
        }
    };
    match yaml::parse(text.trim_start_matches('\u{feff}')) {
        Ok(None) => Some(Map::new()),
        Ok(Some(root)) => match Value::of(&root, &name).content {
            Content::Map(map) => Some(map),
            Content::Null => Some(Map::new()),
            Content::Text(_) | Content::List(_) => {
                findings
                    .problem(&Place::line(&name, root.line), "this is not Patroni's configuration: expected a mapping");
                None
            }
        },
        Err(error) => {
            let (line, column) = error.position();
            findings.problem(&Place::Line { path: name, line, column }, error.to_string());
            None
        }
    }
}

/// Most hosts have the file as 0600 of the user postgres.
fn unreadable(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    match (error.kind(), path.file_name().and_then(|name| name.to_str())) {
        (io::ErrorKind::PermissionDenied, Some(name)) => format!(
            "cannot read Patroni's {shown} for lack of permission; run \"systemctl edit vip-manager\", add \
             LoadCredential={name}:{shown} to [Service], and set patroni-config: {name}"
        ),
        (io::ErrorKind::NotFound, _) => format!("{shown} does not exist; expected Patroni's configuration"),
        _ => format!("cannot read Patroni's {shown}: {error}"),
    }
}

/// Where systemd keeps the credentials of the unit.
const UNIT_CREDENTIALS: &str = "/run/credentials/vip-manager.service";
/// Nobody splits one configuration into more.
const MOST_FILES: usize = 100;
