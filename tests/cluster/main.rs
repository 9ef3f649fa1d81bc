//! Real database clusters: Debian's Patroni and PostgreSQL, etcd, the daemon, and an application that writes through the
//! VIP.
//!
//! `make cluster-test` installs what is needed and runs this. It is not part of `make test`, because it needs these
//! packages.

#[expect(dead_code, reason = "these tests use only a part of the lab")]
#[path = "../support/mod.rs"]
mod support;

mod claims;
mod deployment;
mod every_store;
mod rest;
mod stores;
mod switchover;
mod writer;
