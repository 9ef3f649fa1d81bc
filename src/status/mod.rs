//! What the daemon reports about itself: a snapshot, the last transitions, the counters, and the forms they are shown in.
//!
//! Pure: the driver fills a [`Status`] between two of its turns and hands it over. Whoever renders it (`text`, `json`,
//! `metrics`) works on plain values and holds nobody up.

pub mod counters;
pub mod explain;
pub mod history;
pub mod json;
mod layout;
pub mod metrics;
pub mod model;
pub mod page;
pub mod screen;
pub mod text;

pub use counters::{Counters, Tally};
pub use history::{History, Transition};
pub use model::{ClaimState, ClaimStatus, KernelAddress, Process, ReadStatus, Status, VipStatus};

#[cfg(test)]
mod tests;
