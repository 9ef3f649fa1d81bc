//! The leader as the REST API of this host's own Patroni tells it.
//!
//! # What it costs
//! Patroni speaks HTTP/1.0: each poll is a connection of its own, and a query in PostgreSQL. There is nothing to watch, so
//! a change is found by the next poll, a quarter of a second later at the latest.
//!
//! # What it proves
//! Little. `200` says that Patroni has renewed its lock within `ttl` by its own account, and nothing says when. What is left
//! of the lock is computed from Patroni's settings, for a Patroni whose loop runs: the grade *assumed*. `judge.rs` lists
//! the answers that are no ground to hold at all.
//!
//! # Who is asked
//! Every host must ask its own Patroni. One that asks another's, or a balancer in front of them, reads the same `200` as
//! all others. So an endpoint must be an address of this host, unless the member's name is compared,
//! which Patroni 3.0 does not tell.

pub mod answer;
pub mod judge;

#[cfg(feature = "daemon")]
mod client;
#[cfg(feature = "daemon")]
mod inspect;

#[cfg(feature = "daemon")]
pub(super) use client::{connectors, settings};
#[cfg(feature = "daemon")]
pub(super) use inspect::inspect;
