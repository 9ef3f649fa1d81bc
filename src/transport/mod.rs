//! How a store is reached: dialing, TLS, and what is left to say when either fails.
//!
//! Nothing here knows a store. Names of options come as data, so that an error can name the key that cures it.

pub(crate) mod credential;
pub(crate) mod dial;
pub(crate) mod handshake;
pub(crate) mod stream;
pub(crate) mod tls;
