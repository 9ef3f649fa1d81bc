//! Writes the man pages and the completions, all from the definition that the program itself parses with.
//!
//! `cargo run --example generate -- DIRECTORY` fills the directory. It is no command of the daemon: what is needed
//! once a release should not travel to every host.

mod files;
mod manual;
mod reference;
mod roff;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return fail("expected the directory to write to");
    };
    for (name, text) in files::all() {
        let file = directory.join(name);
        if let Err(error) = fs::create_dir_all(&directory).and_then(|()| fs::write(&file, text)) {
            return fail(&format!("cannot write {}: {error}", file.display()));
        }
    }
    ExitCode::SUCCESS
}

fn fail(why: &str) -> ExitCode {
    drop(writeln!(io::stderr(), "generate: {why}"));
    ExitCode::FAILURE
}
