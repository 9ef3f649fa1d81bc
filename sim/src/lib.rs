//! Tries to break the promise of vip-manager, in virtual time.
//!
//! A history is a cluster of hosts, each with the *shipped* turn of the driver, the *shipped* keeper and the *shipped*
//! choice of endpoints, a model of everything around them, and a list of faults. Oracles that know the true state check
//! after each step whether the promise holds. One seed determines all of it, so any history can be repeated. A history
//! that broke the promise is reduced until its trace is short enough to read.
//!
//! | file | models |
//! |---|---|
//! | [`store`], [`patroni`] | the leader key with its lease, and who writes it |
//! | [`tenure`] | what a read shows of a tenure in a store that tells no lease |
//! | [`claims`] | the claim in the store, around the shipped `source/claim.rs` |
//! | [`network`], [`source`], [`watch`] | the paths to etcd, and the sessions and calls around `rounds.rs` |
//! | [`driver`], [`actuator`] | the events for the shipped turn, and its requests to the host |
//! | [`host`], [`process`] | the daemon, and the process that is started, stopped and killed |
//! | [`kernel`], [`addresses`] | the address with its lifetime, and the notices |
//! | [`plan`], [`actions`], [`faults`] | the faults |
//! | [`oracle`], [`verdict`] | the oracles, and what they find |
//! | [`world`], [`queue`] | the loop |
//! | [`history`], [`batch`] | the history of one seed, and batches of them |
//! | [`sweep`] | every combination of a few faults |
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "times are microseconds of a few hours, and there are few hosts"
)]

pub mod actions;
pub mod actuator;
pub mod addresses;
pub mod batch;
pub mod budget;
pub mod claims;
pub mod driver;
pub mod faults;
pub mod history;
pub mod host;
pub mod kernel;
pub mod latency;
pub mod network;
pub mod oracle;
pub mod patroni;
pub mod plan;
pub mod process;
pub mod queue;
pub mod rng;
pub mod setup;
pub mod source;
pub mod store;
pub mod sweep;
pub mod tenure;
pub mod time;
pub mod trace;
pub mod verdict;
pub mod watch;
pub mod world;
