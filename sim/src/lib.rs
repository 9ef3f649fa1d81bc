//! Tries to break the promise of vip-manager, in virtual time.
//!
//! A cluster of hosts lives its history: with the *shipped* keeper on each, a model of everything around it, and a list of
//! misfortunes. Judges who know the truth look after each step whether the promise still holds. All of it comes from one
//! seed, so that what was seen once can be seen again; and what broke the promise is made smaller until it is a
//! trace that can be read.
//!
//! | file | models |
//! |---|---|
//! | [`store`], [`patroni`] | the leader key with its lease, and who writes it |
//! | [`network`], [`source`] | the ways to etcd, and the contract of the source on top of them |
//! | [`driver`], [`host`] | one turn of the daemon, step by step |
//! | [`kernel`], [`addresses`] | the address with its lifetime, and the notices |
//! | [`plan`], [`actions`], [`faults`] | what is done to all of them |
//! | [`oracle`] | the judges |
//! | [`world`], [`queue`] | the loop |
//! | [`history`], [`batch`] | one seed from its beginning to its verdict, and many of them |
//! | [`sweep`] | every short history of a certain kind |
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "times are microseconds of a few hours, and hosts are counted on one hand"
)]

pub mod actions;
pub mod addresses;
pub mod batch;
pub mod budget;
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
pub mod queue;
pub mod rng;
pub mod setup;
pub mod source;
pub mod store;
pub mod sweep;
pub mod time;
pub mod trace;
pub mod world;
