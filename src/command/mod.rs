//! The subcommands that are not the daemon.

pub mod check;
