//! The exit statuses, and the one place where a fatal error is written.

use std::process::ExitCode;

use super::driver::Fatal;
use crate::error;
use crate::host::OpenError;

/// Says why the daemon ends, and with which status (sysexits.h).
pub(super) fn after(error: &Fatal) -> ExitCode {
    tracing::error!("{}", error::chain(error));
    ExitCode::from(status(error))
}

const fn status(error: &Fatal) -> u8 {
    match error {
        Fatal::Open(OpenError::Privilege { .. }) => NO_PERMISSION,
        Fatal::HostsOwn { .. } => CONFIGURATION,
        Fatal::Open(OpenError::Socket { .. })
        | Fatal::SetUp(_)
        | Fatal::Monitor(_)
        | Fatal::Dump(_)
        | Fatal::SourceEnded
        | Fatal::NotReleased { .. } => GENERAL,
    }
}

const GENERAL: u8 = 1;
const NO_PERMISSION: u8 = 77;
const CONFIGURATION: u8 = 78;
