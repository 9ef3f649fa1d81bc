//! Loads whatever a fuzzer makes up as a configuration, and says what must hold for the outcome.

mod claims;
mod file;
mod written;

pub use claims::check;
#[allow(unused_imports, reason = "not every target needs both")]
pub use file::{beside, load};
