//! The subcommands that are not the daemon.

pub mod check;
mod release;
mod status;
mod watch;

use std::io;
use std::process::ExitCode;

pub use release::release;

use crate::cli::StatusAsked;
use crate::config::Loaded;
use crate::daemon::{BLOCKING_THREADS, runtime};
use crate::terminal;

/// `vip-manager status`: prints the status, once or again and again.
pub fn show_status(loaded: &Loaded, asked: StatusAsked) -> ExitCode {
    let Ok(runtime) = runtime(BLOCKING_THREADS) else {
        return ExitCode::FAILURE;
    };
    let ended = runtime.block_on(async {
        if asked.watch { watch::watch(loaded, asked).await } else { status::once(loaded, asked).await }
    });
    runtime.shutdown_background();
    ended
}

/// `vip-manager show-config`: prints the settings in effect, and the notices about them.
pub fn show_config(loaded: Loaded) -> ExitCode {
    terminal::write(io::stdout(), loaded.settings);
    for notice in loaded.notices {
        terminal::write(io::stderr(), format_args!("{notice}\n"));
    }
    ExitCode::SUCCESS
}
