//! vip-manager keeps one stable IP address on the leader of a PostgreSQL cluster.
//!
//! Three rooms, one direction: `source` learns what the cluster says, [`keeper`] decides what to do about it,
//! `host` does it. [`wire`] holds the bytes on the wire, [`config`] what the user asked for, `daemon` the wiring.
//!
//! [`check`] judges beforehand whether all of that can work, [`status`] tells how it is.
//!
//! `host` and `daemon`, what does I/O in [`source`], and what looks around for [`check`], belong to the feature
//! `daemon`. Everything else is pure: it holds no clock, no socket and no task, and builds without that feature. Of
//! [`wire`], the reader of the kernel's messages needs the feature `netlink`.

mod backoff;
pub mod check;
pub mod cli;
#[warn(missing_docs)]
pub mod config;
pub mod driver;
#[warn(missing_docs)]
pub mod endpoint;
pub mod keeper;
pub mod pace;
pub mod source;
pub mod status;
pub mod terminal;
#[warn(missing_docs)]
pub mod text;
pub mod time;
#[warn(missing_docs)]
pub mod vip;
#[warn(missing_docs)]
pub mod wire;

#[cfg(feature = "daemon")]
mod blocking;
#[cfg(feature = "daemon")]
pub mod clock;
#[cfg(feature = "daemon")]
pub mod command;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
mod error;
#[cfg(feature = "daemon")]
pub mod host;
#[cfg(feature = "daemon")]
mod transport;
