//! The keeper decides whether this host may answer for a VIP.

pub mod lifetime;
pub mod moment;
pub mod sighting;

pub use moment::Moment;
pub use sighting::{Change, Lease, Sighting};
