//! The life of the daemon: how it starts, reloads, hands over, stops, what it says and what it needs.
//!
//! The real program runs against a real etcd in the lab. Nothing here is asked of the daemon that a user could not
//! see: kernel notices, pings, a client's connection, the lines on stderr and to systemd.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod boot;
mod endurance;
mod hooks;
mod inheriting;
mod logs;
mod patroni_config;
mod privileges;
mod release;
mod reload;
mod restarting;
mod several_stores;
mod stopping;
mod systemd;
mod unit;
