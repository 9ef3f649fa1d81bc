//! How a store is reached: dialing, TLS, HTTP, and why each of them failed.
//!
//! Nothing here knows a store. Names of options come as data, so that an error can name the option that cures it.

pub(crate) mod credential;
pub(crate) mod dial;
pub(crate) mod http;
pub(crate) mod stream;
pub(crate) mod tls;
