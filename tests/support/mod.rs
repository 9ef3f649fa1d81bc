//! A test lab on this machine: hosts, a switch, etcd members, a Patroni stand-in, and observers that record what
//! happens without asking the daemon.
//!
//! Each host is a network namespace with one interface, `eth0`, on a bridge in another namespace. Nothing is created
//! in the machine's own namespace. So several labs run side by side with the same addresses, and none of them affects the
//! machine's network.
//!
//! All observers use a [`Moment`] of the daemon's own clock, so their times can be compared. If a privilege or a tool is
//! missing, the lab panics with a message that says what is missing. It never skips: a skipped test would look like
//! a passed one.
//!
//! Tests, demo and bench include this module by path.
//!
//! [`Moment`]: vip_manager::time::Moment

pub(crate) mod capture;
pub(crate) mod claims;
pub(crate) mod clock;
pub(crate) mod command;
pub(crate) mod consul;
pub(crate) mod cut;
pub(crate) mod daemon;
pub(crate) mod dcs;
pub(crate) mod etcd;
pub(crate) mod exhibitor;
pub(crate) mod fail;
pub(crate) mod holding;
pub(crate) mod host;
pub(crate) mod kubernetes;
pub(crate) mod lab;
pub(crate) mod machine;
pub(crate) mod needs;
pub(crate) mod notify;
pub(crate) mod observer;
pub(crate) mod patroni;
pub(crate) mod ping;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod rest;
pub(crate) mod rival;
pub(crate) mod setup;
pub(crate) mod store;
pub(crate) mod sweep;
pub(crate) mod tcp;
pub(crate) mod terminal;
pub(crate) mod tls;
pub(crate) mod watcher;
pub(crate) mod zookeeper;
