//! Patroni's own file: any bytes at all are refused with a place and a sentence, or are a configuration that can be shown
//! and written down again.

#![no_main]

#[path = "support/config/mod.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use vip_manager::config::Flags;

fuzz_target!(|bytes: &[u8]| {
    let patroni = support::beside("patroni.yml", bytes);
    let ours = format!("ip: 10.0.0.5\ninterface: eth0\npatroni-config: {}\n", patroni.display());
    support::check(&support::load(ours.as_bytes(), Flags::default(), Vec::new()));
});
