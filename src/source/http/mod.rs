//! What the sessions of stores with an HTTP API share: connections, logging in, long polls, and errors that name a cure.
//!
//! # Connections
//! A session keeps the connections that its requests need at once, seldom more than one, and uses each again. The server
//! may close a connection that was idle; a request that only reads is then sent once more on a new one. A long poll has a
//! connection of its own.
//!
//! # Time
//! Each request has one limit, for waiting, connecting and the answer together. A request that hangs delays no other:
//! up to [`client::AT_ONCE`] are under way at the same time.

mod auth;
mod client;
mod error;
mod escape;
mod polls;
mod reads;
mod refusal;
#[cfg(test)]
mod tests;

pub(super) use auth::Auth;
pub(super) use client::{HttpClient, HttpEndpoint, HttpOptions, Kept};
pub(super) use error::{RequestError, login_refused};
pub(super) use escape::{escaped_path, escaped_value};
pub(super) use polls::{Poll, Polls};
pub(super) use reads::{KeyError, KeyReads, read_each};
pub(super) use refusal::{Server, refusal, seconds_ahead};
