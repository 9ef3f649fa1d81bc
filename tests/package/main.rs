//! The packages on a real machine: a booted Debian, driven by `systemctl`, `dpkg` and `rpm`, beside a real etcd.
//!
//! `make package-test` prepares what is needed and runs this; it is no part of `make test`, since it needs the packages
//! to be built and minutes to make the Debian. Clients outside of the machine tell what users would notice.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod crashing;
mod installing;
mod keys;
mod machine;
mod predecessors;
mod removing;
mod restarting;
mod rpm;
mod site;
mod status_socket;
