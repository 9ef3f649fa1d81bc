//! Answers of etcd's v2 API: whatever the bytes, a key is there only in a complete 200 with an index, it has never more
//! left than its ttl says, and only an answer that names an index counts as a change.
//!
//! The bytes are a digit for the status, one for the headers, and the body.

#![no_main]

use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use vip_manager::source::etcd2::answer::{Event, Page, Refusal, Written};

fuzz_target!(|bytes: &[u8]| {
    let [digit, headers, body @ ..] = bytes else { return };
    let status = StatusCode::from_u16([200, 201, 404, 412, 400, 401, 500, 503][usize::from(digit % 8)]).unwrap();
    let mut answer = Response::builder().status(status).header("X-Etcd-Cluster-Id", "cdf818194e3a8c32");
    if headers & 1 == 0 {
        answer = answer.header("X-Etcd-Index", ["9", "-1", "x"][usize::from(headers % 3)]);
    }
    let answer = answer.body(Bytes::copy_from_slice(body)).unwrap();
    match Page::parse(&answer) {
        Ok(page) => {
            assert!(page.node.is_none() || status.is_success());
            if let Some(node) = page.node {
                let most = node.ttl().map(Duration::from_secs);
                assert!(most.is_none_or(|most| node.left().is_some_and(|left| left <= most)));
                assert!(node.value.len() <= body.len());
            }
        }
        Err(refusal) => judge(&refusal),
    }
    match Event::parse(status, body) {
        Ok(event) => assert!(status.is_success() && event.value.is_none_or(|value| value.len() <= body.len())),
        Err(refusal) => judge(&refusal),
    }
    match Written::parse(&answer) {
        Ok(Written::Done { .. }) => assert!(status.is_success()),
        Ok(Written::Differs | Written::Absent) => assert!(!status.is_success()),
        Err(refusal) => judge(&refusal),
    }
});

fn judge(refusal: &Refusal) {
    if let Refusal::NotNow(text) | Refusal::Other(text) = refusal {
        assert!(!text.contains(char::is_control) && text.chars().count() < 300, "{text:?}");
    }
}
