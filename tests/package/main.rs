//! The packages on a booted Debian, driven by `systemctl`, `dpkg` and `rpm`, with a real etcd; restart and upgrade
//! with every store.
//!
//! `make package-test` prepares what is needed and runs this. It is not part of `make test`, because building the
//! packages and the Debian takes minutes. Clients outside of the machine observe what users would notice.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests use only a part of the lab")]
mod support;

mod built;
mod crashing;
mod every_store;
mod installing;
mod keys;
mod predecessors;
mod removing;
mod restarting;
mod rpm;
mod site;
mod status_socket;
