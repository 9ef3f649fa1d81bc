//! Loads whatever a fuzzer makes up as a configuration, and says what must hold for the outcome.

mod claims;
mod file;
mod written;

pub use claims::check;
pub use file::load;
