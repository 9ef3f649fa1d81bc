//! The file: any bytes at all are refused with a place and a sentence, or are a configuration that can be shown and
//! written down again.

#![no_main]

#[path = "support/config/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use vip_manager::config::Flags;

fuzz_target!(|bytes: &[u8]| {
    support::check(&support::load(bytes, Flags::default(), Vec::new()));
});
