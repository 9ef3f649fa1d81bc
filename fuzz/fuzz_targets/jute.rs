//! Frames of ZooKeeper: no bytes make the readers fall, and nothing that they give is longer than the frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vip_manager::wire::jute::{Connected, HEADER, Outcome, Reply, length};

fuzz_target!(|bytes: &[u8]| {
    if let Some(prefix) = bytes.first_chunk() {
        assert_eq!(length(*prefix).is_none(), prefix[0] >= 0x80, "a negative length");
    }
    if let Some(connected) = Connected::parse(bytes) {
        assert!(!connected.timeout.is_zero(), "a session that has ended");
    }
    let Some(reply) = Reply::parse(bytes) else {
        assert!(bytes.len() < HEADER);
        return;
    };
    assert_eq!(reply.body, &bytes[HEADER..]);
    assert!(reply.data().is_none_or(|(value, _)| value.len() <= bytes.len()));
    let names = reply.children().unwrap_or_default();
    assert!(names.iter().map(|name| name.len() + 4).sum::<usize>() <= reply.body.len());
    let outcomes = reply.outcomes().unwrap_or_default();
    assert!(outcomes.len() * 9 <= reply.body.len());
    let paths = outcomes.iter().map(|outcome| if let Outcome::Created(path) = outcome { path.len() } else { 0 });
    assert!(paths.sum::<usize>() <= reply.body.len());
    assert!(reply.event().is_none_or(|event| event.path.len() <= reply.body.len()));
    let _counters = (reply.stat(), reply.path());
});
