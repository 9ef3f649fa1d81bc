//! The file: any bytes at all are refused with a place and a sentence, or are a configuration that can be shown and
//! written down again.

#![no_main]

#[path = "support/claims.rs"]
mod claims;
#[path = "support/file.rs"]
mod file;

use libfuzzer_sys::fuzz_target;
use vip_manager::config::Flags;

fuzz_target!(|bytes: &[u8]| {
    let outcome = file::load(bytes, Flags::default(), Vec::new());
    claims::check(&outcome);
    if let Ok(loaded) = outcome {
        let again = file::load(claims::written(&loaded.config).as_bytes(), Flags::default(), Vec::new());
        let again =
            again.unwrap_or_else(|problems| panic!("what was accepted is refused when written down: {problems}"));
        assert_eq!(again.config, loaded.config);
    }
});
