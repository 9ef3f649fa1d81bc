//! The wiring: driver, clock, signals, systemd, logging.
//!
//! [`run`] starts to log, opens the host's sockets, limits what was inherited, starts the source and goes round in
//! the driver until a signal or an error ends it. On both ways out every VIP is released first, unless the user
//! wants it kept; nothing relies on `Drop`.

pub(crate) mod event_loop;
pub(crate) mod fatal;
mod hooks;
pub(crate) mod log;
mod messages;
mod recorder;
mod reload;
mod retry;
mod server;
mod signals;
pub(crate) mod snapshot;
pub(crate) mod sources;
pub(crate) mod systemd;
mod timer;

use std::io;
use std::process::ExitCode;

pub use retry::wait_for_configuration;
pub use server::{Ask, serve};
use tokio::runtime::{Builder, Runtime};

use crate::config::{Loaded, Sources};
use crate::host::keep_capabilities_to_ourselves;
use event_loop::EventLoop;
use fatal::Fatal;
use log::Logging;

/// Runs the daemon to its end.
pub fn run(loaded: Loaded, sources: Sources) -> ExitCode {
    let logging = Logging::start(loaded.config.log_level, loaded.config.log_format);
    messages::configuration(&loaded.notices);
    // Hooks do not need the right to change the network.
    if let Err(error) = keep_capabilities_to_ourselves() {
        tracing::warn!("hooks inherit the capabilities of vip-manager: {error}");
    }
    let runtime = match runtime(BLOCKING_THREADS) {
        Ok(runtime) => runtime,
        Err(error) => return Fatal::SetUp(error).log(),
    };
    let ended = runtime.block_on(async {
        match tokio::spawn(drive(loaded, sources, logging)).await {
            Ok(ended) => ended,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    });
    let status = match &ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.log(),
    };
    if let Err(Fatal::OwnAddress(_)) = ended {
        runtime.block_on(retry::back_off());
    }
    // A program on a file system that hangs would hold up the end.
    runtime.shutdown_background();
    status
}

/// The driver's whole life. It is spawned like every other task and takes its turn among them: what the runtime blocks
/// on has its turn only when nobody else wants one, and an address would wait until the read that follows an event
/// has been put on its way.
async fn drive(loaded: Loaded, sources: Sources, logging: Logging) -> Result<(), Fatal> {
    let mut daemon = EventLoop::start(loaded, sources, logging)?;
    let ended = daemon.run().await;
    if ended.is_err() {
        daemon.release();
    }
    ended
}

/// The runtime of the daemon and of the subcommands: one thread, and some for what blocks for a short time.
pub(crate) fn runtime(blocking_threads: usize) -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(blocking_threads).build()
}

/// What may block for ever has threads of its own; see [`crate::blocking`].
pub(crate) const BLOCKING_THREADS: usize = 4;
