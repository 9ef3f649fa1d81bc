//! What `make package` and `make package-test` have prepared.

use std::fs;
use std::path::PathBuf;

use crate::support::fail::OrFail;
use crate::support::machine::tree;

/// A file that `make package-test` has prepared.
pub(crate) fn built(name: &str) -> PathBuf {
    let path = tree(name);
    assert!(path.exists(), "{} is missing; `make package && make package-test` creates it", path.display());
    path
}

/// The only file with this prefix and suffix in a prepared directory.
#[track_caller]
pub(crate) fn only(directory: &str, prefix: &str, ending: &str) -> PathBuf {
    let files = fs::read_dir(built(directory)).or_fail(&format!("reading {directory}"));
    let mut found = files.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(prefix) && name.ends_with(ending)
    });
    match (found.next(), found.next()) {
        (Some(only), None) => only,
        (first, second) => panic!("expected one {prefix}*{ending} in {directory}, found {first:?} and {second:?}"),
    }
}
