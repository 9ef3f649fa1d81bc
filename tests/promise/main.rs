//! The promise, on the real daemon, against three real etcd members.
//!
//! > A host answers for the VIP only while a fresh, linearizable read of the leader key has named it, and never past
//! > the moment at which the key's lease could have ended. Not even when this daemon is killed, stopped, hung or cut
//! > off.
//!
//! The daemon is not asked whether it kept the promise. The observers are the notifications of each host's kernel, the
//! pings of a client, the packets that reach it, its neighbour table, and a watch of etcd for the end of a lease.
//! Measurements are written to standard error, so `--no-capture` (or a failure) shows them.

mod auth;
mod chaos;
mod checks;
mod claims;
mod cut_off;
mod daemon_killed;
mod failover;
mod long_outages;
mod measure;
mod missed_change;
mod outage_log;
mod pace;
mod partition;
mod power;
mod random_faults;
mod setup;
mod several_vips;
mod short_outages;
mod slow_etcd;
mod switchover;

#[expect(dead_code, reason = "these tests use only a part of the lab")]
#[path = "../support/mod.rs"]
mod support;
