//! `vip-manager check`: everything that can be known before it matters.
//!
//! "Why is my VIP not there?" has some thirty answers that all look alike from outside. Here each of them is a
//! [`Finding`]: what is so, and what to do about it.
//!
//! Judging and looking are apart. Each subject has a file with the facts that it needs and a pure function from facts
//! to findings; `gather` looks at the host and at etcd, under a deadline, and changes nothing anywhere: it reads in
//! etcd, and its probes bear no sender's address. So it may run at any time, beside the daemon, and on the holder.

pub mod announcements;
pub mod cloud;
pub mod configuration;
mod finding;
#[cfg(feature = "daemon")]
mod gather;
pub mod hooks;
pub mod interface;
mod json;
pub mod key;
pub mod member;
pub mod names;
pub mod postgres;
pub mod privileges;
pub mod rival;
pub mod standing;
mod text;

pub use finding::{Finding, Level, Report};
#[cfg(feature = "daemon")]
pub use gather::run;
pub use json::json;
pub use text::{Look, text};
