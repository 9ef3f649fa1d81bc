//! ZooKeeper, with real servers.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod access;
mod claims;
mod ensemble;
mod exhibitor;
mod failures;
mod leading;
mod setup;
mod several;
