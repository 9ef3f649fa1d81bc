//! The whims of the network: addresses and interfaces that others touch, neighbours that remember, clients that hold
//! on, and hosts whose set-up is not the textbook's.
//!
//! What is asserted is what others see: the kernel's notices, the frames on the wire, the neighbour table of a client
//! with default settings, the fate of its connections.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "these tests need only a part of the lab")]
mod support;

mod addresses;
mod announcing;
mod connections;
mod interfaces;
mod neighbours;
mod refusing;
mod rivals;
mod storms;
mod taken_away;
