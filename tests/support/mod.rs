//! A small laboratory: hosts, a switch, etcd members and a Patroni stand-in, all on this machine, and observers who
//! say what happened without asking the daemon.
//!
//! Each host is a network namespace with one interface, `eth0`, on a bridge in a namespace of its own. Nothing is
//! ever made in the namespace of the machine itself, so any number of labs run beside each other with the same
//! addresses, and nothing that they do can touch the machine's network.
//!
//! Everything that is timed carries a [`Moment`] of the daemon's own clock, whichever observer saw it; so they can be
//! compared. What cannot be done (no privilege, a tool is missing) panics and says what is missing: a lab test that
//! skips itself is a green test that tests nothing.
//!
//! Tests, demo and bench include this module by path; there is one lab.
//!
//! [`Moment`]: vip_manager::time::Moment

pub(crate) mod capture;
pub(crate) mod clock;
pub(crate) mod command;
pub(crate) mod cut;
pub(crate) mod daemon;
pub(crate) mod etcd;
pub(crate) mod fail;
pub(crate) mod holding;
pub(crate) mod host;
pub(crate) mod lab;
pub(crate) mod needs;
pub(crate) mod notify;
pub(crate) mod observer;
pub(crate) mod patroni;
pub(crate) mod ping;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod rival;
pub(crate) mod setup;
pub(crate) mod store;
pub(crate) mod sweep;
pub(crate) mod tcp;
pub(crate) mod terminal;
pub(crate) mod tls;
pub(crate) mod watcher;
