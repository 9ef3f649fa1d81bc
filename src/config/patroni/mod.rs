//! Patroni's own configuration as a source of settings: `patroni-config`.
//!
//! It is read as Patroni reads it: a file, or a directory whose files are merged in the order of their names, and the
//! variables that begin with `PATRONI_` over that. What follows from it becomes settings of this program with the place
//! they come from, weaker than everything that is set beside `patroni-config`.
//!
//! | file | what it derives |
//! |---|---|
//! | `read` | finds and reads the file |
//! | `lookup` | asks the name servers for `srv`; this and `read` are the parts that do I/O |
//! | `derivation` | collects the settings |
//! | `tree`, `environment` | values with their places; merging; the variables |
//! | `store` | which store, as Patroni picks it |
//! | `scope` | trigger-key and trigger-value |
//! | `etcd`, `consul`, `zookeeper`, `kubernetes`, `rest` | endpoints, TLS, login |

mod consul;
mod derivation;
mod environment;
mod etcd;
mod kubernetes;
mod lookup;
mod read;
mod rest;
mod scope;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod zookeeper;

pub(super) use read::{Surroundings, read};
