//! Loads bytes as the file, by the very way that the program takes: through a file.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

use vip_manager::config::{self, Flags, Loaded, Problems, Sources};

/// The host is called db1.
pub fn load(bytes: &[u8], flags: Flags, mut variables: Vec<(OsString, OsString)>) -> Result<Loaded, Problems> {
    std::fs::write(&*FILE, bytes).expect("the file that is fuzzed must be writable");
    variables.push(("VIP_CONFIG".into(), FILE.clone().into()));
    config::load(&Sources::new(flags, variables, Some("db1".to_owned())))
}

/// Writes bytes as a file of this name beside the file that [`load`] writes.
#[allow(dead_code, reason = "not every target needs it")]
pub fn beside(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(format!("/dev/shm/vip-manager-fuzz-{:010}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("the file that is fuzzed must be writable");
    path
}

/// In memory; its name always has the same length, so that a message's length depends on the input alone.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| PathBuf::from(format!("/dev/shm/vip-manager-fuzz-{:010}.yml", std::process::id())));
