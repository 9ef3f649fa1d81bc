//! Requests for the status: no bytes make the reader fall, and its verdict does not depend on how they were cut into
//! pieces on their way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vip_manager::status::http::{LONGEST_HEAD, Reading, read};

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes);
    assert_eq!(piecewise(bytes), whole);
    if whole == Reading::Unfinished {
        assert!(bytes.len() <= LONGEST_HEAD + END.len(), "waits for more than it would read");
        assert!(!bytes.windows(END.len()).any(|four| four == END), "waits for the end that is there");
    }
});

/// The first verdict that is given where the bytes come one by one. In the middle of a long request they come at once,
/// which is faster by a factor of ten.
fn piecewise(bytes: &[u8]) -> Reading {
    (0..=bytes.len())
        .filter(|length| *length < NEAR || length + NEAR > bytes.len())
        .map(|length| read(&bytes[..length]))
        .find(|reading| *reading != Reading::Unfinished)
        .unwrap_or(Reading::Unfinished)
}

const NEAR: usize = 256;
const END: &[u8] = b"\r\n\r\n";
