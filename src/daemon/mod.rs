//! The wiring: driver, clock, signals, systemd, logging.
pub mod clock;
