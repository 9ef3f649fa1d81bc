//! Answers of Consul: whatever the bytes, a key is there only in a complete 200 with an index, and its value is what
//! the body encodes.
//!
//! The bytes are a digit for the status, one for the headers, and the body.

#![no_main]

use hyper::Response;
use hyper::body::Bytes;
use libfuzzer_sys::fuzz_target;
use vip_manager::source::consul::answer::{Page, Refusal};

fuzz_target!(|bytes: &[u8]| {
    let [digit, headers, body @ ..] = bytes else { return };
    let status = [200, 404, 403, 429, 500, 301][usize::from(digit % 6)];
    let mut answer = Response::builder().status(status);
    let index = ["7", "0", "-1", "99999999999999999999", ""][usize::from(headers % 5)];
    let knows_leader = headers & 0x80 == 0;
    if headers & 0x40 == 0 {
        answer = answer.header("X-Consul-Index", index);
    }
    answer = answer.header("X-Consul-KnownLeader", if knows_leader { "true" } else { "false" });
    let answer = answer.body(Bytes::copy_from_slice(body)).unwrap();
    match Page::parse(&answer) {
        Ok(page) => {
            assert!(page.index >= 1, "a blocking query with 0 would not wait");
            assert!(headers & 0x40 == 0 && knows_leader && matches!(status, 200 | 404));
            assert_eq!(status == 404, page.entry.is_none());
            if let Some(entry) = page.entry {
                assert!(entry.value.len() <= body.len());
                assert!(entry.session.is_none_or(|session| !session.is_empty()));
            }
        }
        Err(Refusal::NotNow(text) | Refusal::Other(_, text)) => {
            assert!(!text.contains(char::is_control) && text.chars().count() < 300, "{text:?}");
        }
        Err(Refusal::Forbidden | Refusal::UnknownToken | Refusal::NotConsul(_)) => {}
    }
});
