//! The daemon explains itself: `vip-manager status`, its socket, its page, its metrics and its last transitions.
//!
//! The real program is asked as its users ask it, while a real etcd and the real kernel give it something to tell.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod ask;
mod crowd;
mod events;
mod monitoring;
mod refusing;
mod rivals;
mod server;
mod telling;
mod watching;
