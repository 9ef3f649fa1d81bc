//! `vip-manager check`: everything that can be known before it matters.
//!
//! "Why is my VIP not there?" has some thirty answers that all look alike from outside. Here each of them is a
//! [`Finding`]: what is wrong, and the cure.
//!
//! This room only judges. Each subject has a file with the facts that it needs and a pure function from facts to
//! findings. `command::check` gathers the facts.

pub mod address;
pub mod announcements;
pub mod claim;
pub mod cloud;
pub mod configuration;
pub mod endpoints;
pub mod hooks;
pub mod interface;
pub mod key;
pub mod names;
pub mod postgres;
pub mod privileges;
mod report;
pub mod rival;
pub mod store;
pub mod stores;
pub mod unit;

pub use report::{Finding, Level, Look, Report};
