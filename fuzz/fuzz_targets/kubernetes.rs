//! What a Kubernetes API server or a kubeconfig says: no bytes make a reader panic, what is read is in the text, and no
//! record has more left than its ttl.

#![no_main]

use std::path::Path;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vip_manager::source::claim::Answer;
use vip_manager::source::kubernetes::kubeconfig;
use vip_manager::source::kubernetes::lease::lease;
use vip_manager::source::kubernetes::object::{Line, line, listing, refusal, summaries};
use vip_manager::source::kubernetes::record::{History, Record, Shown};
use vip_manager::time::{Moment, WallTime};

fuzz_target!(|bytes: &[u8]| {
    refusal(bytes);
    if let Ok(list) = listing(bytes, "pg-leader") {
        assert!(list.version > 0);
        assert!(list.object.is_none() || summaries(bytes).unwrap().iter().any(|object| object.name == "pg-leader"));
        if let Some(object) = list.object {
            judge(&object.record);
        }
    }
    if let Ok(Line::Changed(object)) = line(bytes, "pg-leader") {
        judge(&object.record);
    }
    if let Ok(lease) = lease(bytes) {
        let (free, token) = (lease.is_free(), lease.token.clone());
        assert!(token.version > 0);
        match lease.answer() {
            Answer::Present { token: shown, .. } => assert!(!free && shown == token),
            answer => assert!(free && answer == Answer::Absent),
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(access) = kubeconfig::read(text, Path::new("/etc"), None) {
            assert!(
                text.to_lowercase().contains(&access.server.port.to_string())
                    || [80, 443].contains(&access.server.port)
            );
        }
        WallTime::parse(text);
    }
});

fn judge(record: &Record) {
    let at = |seconds| Moment::from_boot(Duration::from_secs(seconds));
    let shown = |record, version, sent| Shown {
        object: Some(("uid".to_owned(), record)),
        version,
        sent_at: at(sent),
        answered_at: at(sent + 1),
    };
    let mut history = History::default();
    let now = WallTime(Duration::from_secs(1_800_000_000));
    let first = history.left(&shown(record.clone(), 1, 10), Some(now));
    assert!(first <= record.ttl());
    let renewed = Record { transitions: Some("renewed".to_owned()), ..record.clone() };
    let second = history.left(&shown(renewed, 2, 20), Some(now));
    // A record ages a twentieth faster than the clock.
    assert_eq!(second, record.ttl().map(|ttl| ttl.saturating_sub(Duration::from_millis(10_500))));
}
