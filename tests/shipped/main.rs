//! What a package brings along: nothing in it may lag behind the program.
//!
//! Man pages and completions are made anew here and compared with the table of keys and with what the real binary
//! prints; units and samples are read as systemd and the binary read them.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../../packaging/generate/files.rs"]
mod files;
#[path = "../../packaging/generate/manual.rs"]
mod manual;
#[path = "../../packaging/generate/reference.rs"]
mod reference;
#[path = "../../packaging/generate/roff.rs"]
mod roff;

mod pages;
mod sample;
mod units;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of the source tree.
fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(tree(name)).unwrap()
}

/// The real binary, with nothing in its environment.
fn vip_manager(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vip-manager")).env_clear().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
