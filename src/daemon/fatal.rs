//! Why the daemon ends, and with which exit status (sysexits.h).

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::driver::{Failure, OwnAddress};
use crate::error;
use crate::host::{MonitorError, OpenError};

/// Why the daemon cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot set up the timer or the signals")]
    SetUp(#[source] io::Error),
    #[error(transparent)]
    OwnAddress(#[from] OwnAddress),
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    Host(#[from] Failure),
    #[error("the tasks that watch etcd ended unexpectedly")]
    SourceEnded,
    #[error("{left} not removed within {} s; the kernel removes it when its lifetime ends", STOP_LIMIT.as_secs())]
    NotReleased { left: String },
}

impl Fatal {
    /// Logs the reason and returns the exit status.
    pub(crate) fn log(&self) -> ExitCode {
        tracing::error!("{}", error::chain(self));
        ExitCode::from(match self {
            Self::Open(OpenError::Privilege { .. }) => NO_PERMISSION,
            Self::OwnAddress(_) => CONFIGURATION,
            Self::Open(OpenError::Socket { .. })
            | Self::SetUp(_)
            | Self::Monitor(_)
            | Self::Host(_)
            | Self::SourceEnded
            | Self::NotReleased { .. } => GENERAL,
        })
    }
}

/// How long a stop waits until every VIP is released.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(5);

const GENERAL: u8 = 1;
const NO_PERMISSION: u8 = 77;
const CONFIGURATION: u8 = 78;
