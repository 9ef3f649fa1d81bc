//! The wiring: driver, clock, signals, systemd, logging.
pub mod clock;

use std::process::ExitCode;

use crate::config::{Config, Loaded, Sources};

/// STUB, the driver's author replaces it: be the daemon until told to stop.
pub fn run(_loaded: Loaded, _sources: Sources) -> ExitCode {
    ExitCode::FAILURE
}

/// STUB, the driver's author replaces it: take what is ours from the interfaces.
pub fn release(_config: &Config) -> ExitCode {
    ExitCode::FAILURE
}
