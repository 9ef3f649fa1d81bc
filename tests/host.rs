//! The host's part against the real kernel, each test in network namespaces of its own.
//!
//! Neighbour tables, connections and lifetimes are asserted where they matter: in the kernels concerned, not in our
//! bytes. Without the privilege to make a namespace every test fails and says so.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "host/address.rs"]
mod address;
#[path = "host/announce.rs"]
mod announce;
#[path = "host/connections.rs"]
mod connections;
#[path = "host/lab.rs"]
mod lab;
#[path = "host/news.rs"]
mod news;
#[path = "host/privilege.rs"]
mod privilege;
